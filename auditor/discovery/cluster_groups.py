"""Groups of map clusters whose images are misclassified more often than those of the other clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auditor.discovery.sample_splitting import Mask, SampleSplit, failure_gap, jaccard
from auditor.discovery.spectral_clusters import Clusters, cluster_maps
from auditor.statistics import Floats, Integers

_MARGIN = 1.1
"""A group of the search half must have this times the smallest support: the test half may have less."""
_RESAMPLES = 8
_SUBSET = 0.8
"""Part of the search half that each repeated search uses."""


@dataclass(frozen=True)
class ClusterGroup:
    """Clusters of maps with a high error rate.

    Attributes:
        clusters: all clusters.
        chosen: indices of the clusters that form the group.
    """

    clusters: Clusters
    chosen: Integers

    def contains(self, share: Floats) -> Mask:
        """Whether maps (n, h, w) are assigned to the group, (n,)."""
        return np.isin(self.clusters.assign(share), self.chosen)

    def distance(self, share: Floats) -> Floats:
        """Euclidean distance (n,) of maps (n, h, w) from the nearest centre of the group's clusters."""
        centres = np.stack(
            [self.clusters.maps[self.clusters.members == one].mean(0) for one in self.chosen]
        )
        differences = share.reshape(len(share), 1, -1) - centres
        nearest: Floats = np.sqrt((differences**2).sum(-1)).min(1)
        return nearest


def failing_group(
    share: Floats, failure: Mask, min_support: int, seed: int, part: float = 1.0
) -> ClusterGroup | None:
    """Clusters maps and separates the clusters with the highest error rates from the others.

    The clusters are sorted by their error rate and cut where the gap is clearest.

    Args:
        share: (n, h, w) maps of the search half, as shares of each map's evidence.
        failure: (n,) whether these images are misclassified.
        min_support: smallest support that is tested.
        seed: random seed of the clustering.
        part: which part of the search half these maps are.

    Returns:
        The group; None if the maps form a single cluster, no group has a positive gap, or all would
        be too small.
    """
    clusters = cluster_maps(share, seed)
    if clusters is None:
        return None
    sizes = np.bincount(clusters.members, minlength=clusters.count)
    rate = np.bincount(clusters.members[failure], minlength=clusters.count) / sizes
    order = np.argsort(-rate, kind="stable")
    best, found = 0.0, None
    for cut in range(1, clusters.count):
        inside = np.isin(clusters.members, order[:cut])
        gap = failure_gap(failure, inside, np.zeros(len(failure), dtype=np.int64)).gap[0]
        clarity = gap.value / (gap.value - gap.low)  # the gap in half-widths of its interval
        if inside.sum() >= part * _MARGIN * min_support and clarity > best:
            best, found = clarity, ClusterGroup(clusters, order[:cut])
    return found


def group_stability(
    sample_split: SampleSplit, share: Floats, inside: Mask, min_support: int, seed: int
) -> float:
    """Mean Jaccard index of a group with those found on random parts of the search half.

    Args:
        sample_split: the samples.
        share: (n, h, w) their maps.
        inside: (n,) members of the group in the test half; all have the same predicted class.
        min_support: smallest support that is tested.
        seed: random seed.

    Reference:
        C. Hennig, "Cluster-wise assessment of cluster stability", Computational Statistics and Data
        Analysis 52 (2007) 258-271.
    """
    of_class = sample_split.predicted == sample_split.predicted[inside][0]
    search = np.flatnonzero(of_class & sample_split.search)
    test = np.flatnonzero(of_class & sample_split.test)
    generator = np.random.default_rng(seed)
    overlaps = []
    for _ in range(_RESAMPLES):
        kept = generator.permutation(search)[: round(_SUBSET * len(search))]
        again = failing_group(share[kept], sample_split.failure[kept], min_support, seed, _SUBSET)
        overlaps.append(
            0.0 if again is None else jaccard(inside[test], again.contains(share[test]))
        )
    return float(np.mean(overlaps))
