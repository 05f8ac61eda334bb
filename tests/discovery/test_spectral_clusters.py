"""Spectral clusters of maps: number and members, compared with scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import block_diag
from sklearn.cluster import SpectralClustering
from sklearn.metrics import adjusted_rand_score, completeness_score

from auditor.discovery.spectral_clusters import affinity, cluster_maps, eigengap, spectrum


def clustered_maps(
    sizes: tuple[int, ...], seed: int = 0, spread: float = 0.3
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Maps of 8 by 8 with most evidence at one place per cluster and noise elsewhere, and clusters."""
    random = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    maps = spread * random.random((len(cluster), 8, 8))
    for code, (row, column) in enumerate(((1, 1), (6, 6), (1, 6), (6, 1))[: len(sizes)]):
        maps[cluster == code, row, column] += 1
    return maps / maps.sum((1, 2), keepdims=True), cluster


@pytest.mark.parametrize("k", [2, 3, 5, 8])
def test_eigengap_of_a_graph_with_k_components_is_k(k: int) -> None:
    components = block_diag(*(np.ones((6, 6)) - np.eye(6) for _ in range(k)))
    eigenvalues, vectors = spectrum(components)
    # By hand: a complete graph of six has the eigenvalues 0 and, five times, 6/5.
    assert eigenvalues == pytest.approx([0.0] * k + [1.2] * (9 - k))
    assert eigengap(eigenvalues) == k
    assert vectors.shape == (6 * k, 9)


def test_eigengap_of_one_component_or_of_more_than_can_be_counted_is_one() -> None:
    eigenvalues, _ = spectrum(np.ones((12, 12)) - np.eye(12))
    assert eigengap(eigenvalues) == 1
    eigenvalues, _ = spectrum(block_diag(*(np.ones((4, 4)) - np.eye(4) for _ in range(9))))
    assert eigengap(eigenvalues) == 1
    # A ring of 30: by hand, its eigenvalues are 1 - cos(2πj/30), so the gaps grow towards the end.
    ring = np.roll(np.eye(30), 1, axis=0) + np.roll(np.eye(30), -1, axis=0)
    eigenvalues, _ = spectrum(ring)
    by_hand = np.sort(1 - np.cos(2 * np.pi * np.arange(30) / 30))[:9]
    assert eigenvalues == pytest.approx(by_hand, abs=1e-12)


def test_affinity_is_one_for_mutual_neighbours_and_a_half_for_one_sided_ones() -> None:
    line = np.concatenate([np.arange(12.0), [100.0]])[:, None]
    found = affinity(line)
    distance = np.abs(line - line.T) + np.diag(np.full(13, np.inf))
    directed = np.zeros((13, 13))
    for row in range(13):
        directed[row, np.argsort(distance[row], kind="stable")[:10]] = 1
    untied = [row for row in range(13) if row not in {5, 6}]  # the middle ones have ties
    expected = (directed + directed.T) / 2
    assert found[np.ix_(untied, untied)] == pytest.approx(expected[np.ix_(untied, untied)])
    # The outlier is no neighbour of any map, and has the ten nearest as its own.
    assert found[12] == pytest.approx([0.0, 0.0] + [0.5] * 10 + [0.0])


@pytest.mark.parametrize("sizes", [(60, 40), (60, 40, 30), (100, 20, 20, 20)])
def test_clusters_are_found_and_further_maps_assigned_to_them(
    sizes: tuple[int, ...],
) -> None:
    maps, cluster = clustered_maps(sizes)
    found = cluster_maps(maps, 0)
    assert found is not None
    assert found.count == len(sizes)
    assert adjusted_rand_score(cluster, found.members) == 1
    further, expected = clustered_maps(sizes[::-1], seed=1)
    assert adjusted_rand_score(expected, found.assign(further)) == 1


def test_clusters_agree_with_scikit_learn_on_the_same_graph() -> None:
    # With so much noise, the clusters overlap.
    maps, _ = clustered_maps((80, 60, 40, 30), spread=0.8)
    found = cluster_maps(maps, 0)
    assert found is not None
    theirs = SpectralClustering(
        found.count, affinity="precomputed", random_state=0, assign_labels="kmeans"
    ).fit_predict(affinity(found.maps))
    assert adjusted_rand_score(theirs, found.members) > 0.9


def test_maps_of_a_single_cluster_are_not_divided() -> None:
    maps, _ = clustered_maps((100,), spread=0.8)
    assert cluster_maps(maps, 0) is None
    assert cluster_maps(np.full((50, 4, 4), 1 / 16), 0) is None
    assert cluster_maps(maps[:1], 0) is None


def test_clusters_with_the_same_seed_are_the_same() -> None:
    maps, _ = clustered_maps((80, 60, 40, 30), spread=0.8)
    one, other = cluster_maps(maps, 3), cluster_maps(maps, 3)
    assert one is not None
    assert other is not None
    assert one.members.tolist() == other.members.tolist()


@pytest.mark.parametrize("max_clusters", [2, 3])
def test_limit_on_the_number_joins_clusters_and_splits_none(max_clusters: int) -> None:
    maps, cluster = clustered_maps((30, 30, 30, 30), spread=0.8)
    whole, found = cluster_maps(maps, 0), cluster_maps(maps, 0, max_clusters)
    assert whole is not None
    assert whole.count == 4
    assert found is not None
    assert 2 <= found.count <= max_clusters
    assert completeness_score(cluster, found.members) > 0.9
    assert cluster_maps(maps, 0, 1) is None


def test_no_maps_form_no_clusters() -> None:
    assert cluster_maps(np.empty((0, 7, 7)), seed=0) is None
