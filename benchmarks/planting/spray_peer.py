"""Method that the audit is compared with: spectral relevance analysis by CoRelAy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

_NUMBERS = range(2, 9)
"""Numbers of clusters that are tried, as a person who inspects the clusters would."""
_EIGENVECTORS = 32
"""CoRelAy's default."""
_SMALLEST = 10
"""Smallest number of maps of a cluster in the search half: the error rate of fewer is too uncertain."""
_SAME_CLUSTER = 0.5
"""Two clusters count as one if this share of the smaller lies in the other."""


@dataclass(frozen=True)
class _Cluster:
    """A cluster of maps.

    Attributes:
        rows: (m,) positions of its samples.
        rate: error rate of those in the search half.
        distance: (m,) distance of each map from the cluster's mean.
    """

    rows: Integers
    rate: float
    distance: Floats


def spray(
    maps: NDArray[np.float32],
    predicted: Integers,
    failure: Mask,
    search: Mask,
    *,
    slices: int = 5,
    seed: int = 0,
) -> list[Integers]:
    """Clusters the maps of each predicted class by CoRelAy's pipeline.

    The pipeline only clusters; the user decides which clusters to inspect first. Here they are ranked
    by their error rate on one half, as in the audit; of several that are nearly the same, the first
    is kept.

    Args:
        maps: (n, h, w) maps of the predicted class, at least 0.
        predicted: (n,) class indices.
        failure: (n,) whether the sample is misclassified.
        search: (n,) the samples whose failures rank the clusters.
        slices: largest number of clusters that are returned.
        seed: random seed of k-means.

    Returns:
        For each cluster the positions of its other samples, the nearest to its mean map first.

    Raises:
        ImportError: CoRelAy is not installed.

    Reference:
        C. J. Anders et al., "Software for dataset-wide XAI: from local explanations to global
        insights with Zennit, CoRelAy, and ViRelAy", arXiv:2106.13200 (2021); its template
        ``SpectralClustering`` with its defaults, k-means with 2 to 8 clusters.
    """
    found = [
        one
        for code in np.unique(predicted)
        for one in _clusters(maps, np.flatnonzero(predicted == code), failure, search, seed)
    ]
    kept: list[_Cluster] = []
    for one in sorted(found, key=lambda one: (-one.rate, -len(one.rows))):
        if len(kept) < slices and all(
            _overlap(one.rows, other.rows) < _SAME_CLUSTER for other in kept
        ):
            kept.append(one)
    ranked = []
    for one in kept:
        rows = one.rows[np.argsort(one.distance, kind="stable")]
        ranked.append(rows[~search[rows]])
    return ranked


def _clusters(
    maps: NDArray[np.float32], rows: Integers, failure: Mask, search: Mask, seed: int
) -> Iterator[_Cluster]:
    """All clusters of the maps of some samples, for each number of clusters."""
    mass = maps[rows].astype(np.float64).sum((1, 2))
    rows = rows[mass > 0]
    # The graph needs more maps than nearest neighbours and clusters.
    if len(rows) < 2 * _SMALLEST:
        return
    flat = maps[rows].astype(np.float64).reshape(len(rows), -1)
    flat = flat / flat.sum(1, keepdims=True)
    for members in _memberships(flat, seed):
        for code in np.unique(members):
            at = np.flatnonzero(members == code)
            searched = rows[at][search[rows[at]]]
            if len(searched) >= _SMALLEST:
                centre = flat[at].mean(0)
                yield _Cluster(
                    rows[at],
                    float(failure[searched].mean()),
                    np.linalg.norm(flat[at] - centre, axis=1),
                )


def _memberships(flat: Floats, seed: int) -> list[Integers]:
    """The cluster of each map, for each number of clusters."""
    try:
        from corelay.pipeline.spectral import SpectralClustering
        from corelay.processor.clustering import KMeans
        from corelay.processor.embedding import EigenDecomposition
        from corelay.processor.flow import Parallel
    except ImportError as error:
        raise ImportError(
            "the comparison with spectral relevance analysis needs CoRelAy, which is not installed; "
            "install it with: pip install corelay"
        ) from error
    start = np.random.default_rng(seed).standard_normal(len(flat))
    pipeline = SpectralClustering(
        embedding=EigenDecomposition(
            n_eigval=min(_EIGENVECTORS, len(flat) // 2), kwargs={"v0": start}
        ),
        clustering=Parallel(
            [KMeans(n_clusters=number, kwargs={"random_state": seed}) for number in _NUMBERS],
            broadcast=True,
            is_output=True,
        ),
    )
    return [np.asarray(members, dtype=np.int64) for members in pipeline(flat)]


def _overlap(one: Integers, other: Integers) -> float:
    """Overlap coefficient: shared part of the smaller of two clusters."""
    return len(np.intersect1d(one, other)) / min(len(one), len(other))
