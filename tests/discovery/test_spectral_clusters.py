"""Spectral clusters of maps: their number, their members, and the same by another route."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import block_diag
from sklearn.cluster import SpectralClustering
from sklearn.metrics import adjusted_rand_score, completeness_score

from auditor.discovery.spectral_clusters import affinity, cluster_maps, eigengap, spectrum


def looks(
    sizes: tuple[int, ...], seed: int = 0, spread: float = 0.3
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Maps of 8 by 8 whose evidence lies at one place a kind, with some of it anywhere."""
    random = np.random.default_rng(seed)
    kind = np.repeat(np.arange(len(sizes)), sizes)
    maps = spread * random.random((len(kind), 8, 8))
    for code, (row, column) in enumerate(((1, 1), (6, 6), (1, 6), (6, 1))[: len(sizes)]):
        maps[kind == code, row, column] += 1
    return maps / maps.sum((1, 2), keepdims=True), kind


@pytest.mark.parametrize("k", [2, 3, 5, 8])
def test_a_graph_in_k_pieces_has_k_clusters(k: int) -> None:
    pieces = block_diag(*(np.ones((6, 6)) - np.eye(6) for _ in range(k)))
    eigenvalues, vectors = spectrum(pieces)
    # By hand: a complete graph of six has the eigenvalues 0 and, five times, 6/5.
    assert eigenvalues == pytest.approx([0.0] * k + [1.2] * (9 - k))
    assert eigengap(eigenvalues) == k
    assert vectors.shape == (6 * k, 9)


def test_one_piece_is_one_cluster_and_so_are_more_pieces_than_are_counted() -> None:
    eigenvalues, _ = spectrum(np.ones((12, 12)) - np.eye(12))
    assert eigengap(eigenvalues) == 1
    eigenvalues, _ = spectrum(block_diag(*(np.ones((4, 4)) - np.eye(4) for _ in range(9))))
    assert eigengap(eigenvalues) == 1
    # A ring of 30: by hand, its eigenvalues are 1 - cos(2πj/30), so the gaps grow towards the end.
    ring = np.roll(np.eye(30), 1, axis=0) + np.roll(np.eye(30), -1, axis=0)
    eigenvalues, _ = spectrum(ring)
    by_hand = np.sort(1 - np.cos(2 * np.pi * np.arange(30) / 30))[:9]
    assert eigenvalues == pytest.approx(by_hand, abs=1e-12)


def test_neighbours_are_the_nearest_and_mutual_ones_count_fully() -> None:
    line = np.concatenate([np.arange(12.0), [100.0]])[:, None]
    found = affinity(line)
    distance = np.abs(line - line.T) + np.diag(np.full(13, np.inf))
    named = np.zeros((13, 13))
    for row in range(13):
        named[row, np.argsort(distance[row], kind="stable")[:10]] = 1
    sure = [row for row in range(13) if row not in {5, 6}]  # the middle ones have ties
    expected = (named + named.T) / 2
    assert found[np.ix_(sure, sure)] == pytest.approx(expected[np.ix_(sure, sure)])
    # Nobody names the stray one, and it names the ten nearest.
    assert found[12] == pytest.approx([0.0, 0.0] + [0.5] * 10 + [0.0])


@pytest.mark.parametrize("sizes", [(60, 40), (60, 40, 30), (100, 20, 20, 20)])
def test_kinds_of_maps_are_found_and_further_maps_go_where_they_belong(
    sizes: tuple[int, ...],
) -> None:
    maps, kind = looks(sizes)
    found = cluster_maps(maps, 0)
    assert found is not None
    assert found.count == len(sizes)
    assert adjusted_rand_score(kind, found.members) == 1
    further, of = looks(sizes[::-1], seed=1)
    assert adjusted_rand_score(of, found.assign(further)) == 1


def test_the_clusters_are_those_of_scikit_learn_on_the_same_graph() -> None:
    # So much noise that the kinds run into each other.
    maps, _ = looks((80, 60, 40, 30), spread=0.8)
    found = cluster_maps(maps, 0)
    assert found is not None
    theirs = SpectralClustering(
        found.count, affinity="precomputed", random_state=0, assign_labels="kmeans"
    ).fit_predict(affinity(found.maps))
    assert adjusted_rand_score(theirs, found.members) > 0.9


def test_maps_of_one_kind_are_not_divided() -> None:
    maps, _ = looks((100,), spread=0.8)
    assert cluster_maps(maps, 0) is None
    assert cluster_maps(np.full((50, 4, 4), 1 / 16), 0) is None
    assert cluster_maps(maps[:1], 0) is None


def test_the_same_seed_gives_the_same_clusters() -> None:
    maps, _ = looks((80, 60, 40, 30), spread=0.8)
    one, other = cluster_maps(maps, 3), cluster_maps(maps, 3)
    assert one is not None
    assert other is not None
    assert one.members.tolist() == other.members.tolist()


@pytest.mark.parametrize("most", [2, 3])
def test_where_fewer_clusters_are_wanted_kinds_are_joined_and_none_is_torn(most: int) -> None:
    maps, kind = looks((30, 30, 30, 30), spread=0.8)
    whole, found = cluster_maps(maps, 0), cluster_maps(maps, 0, most)
    assert whole is not None
    assert whole.count == 4
    assert found is not None
    assert 2 <= found.count <= most
    assert completeness_score(kind, found.members) > 0.9
    assert cluster_maps(maps, 0, 1) is None
