"""Groups of map clusters: the clusters with most failures are separated from the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from auditor.discovery.cluster_groups import failing_group


def maps_at(places: NDArray[np.int64], seed: int = 0) -> NDArray[np.float64]:
    """Maps of 6 by 6 with most evidence at one place of the diagonal, and noise elsewhere."""
    maps = 0.3 * np.random.default_rng(seed).random((len(places), 6, 6))
    maps[np.arange(len(places)), places, places] += 1
    shares: NDArray[np.float64] = maps / maps.sum((1, 2), keepdims=True)
    return shares


def test_group_has_the_clusters_with_high_error_rates() -> None:
    places = np.repeat([0, 2, 4], [40, 40, 80])
    random = np.random.default_rng(1)
    failure = random.random(160) < np.select([places == 0, places == 2], [0.9, 0.8], 0.05)
    group = failing_group(maps_at(places), failure, 30, 0)
    assert group is not None
    assert group.clusters.count == 3
    further = np.array([0, 0, 2, 4, 4])
    assert group.contains(maps_at(further, seed=2)).tolist() == [True, True, True, False, False]
    # The nearest centre of the group is that of the map's own cluster.
    distance = group.distance(maps_at(further, seed=2))
    assert distance[:3].max() < distance[3:].min()


def test_group_without_enough_support_is_none() -> None:
    places = np.repeat([0, 4], [20, 80])
    failure = places == 0
    assert failing_group(maps_at(places), failure, 18, 0) is not None  # 20 >= 1.1 · 18
    # 1.1 · 19 > 20, and both clusters together have no rest.
    assert failing_group(maps_at(places), failure, 19, 0) is None


def test_maps_of_a_single_cluster_have_no_group() -> None:
    random = np.random.default_rng(0)
    maps = maps_at(np.zeros(100, dtype=np.int64))
    assert failing_group(maps, random.random(100) < 0.5, 10, 0) is None
