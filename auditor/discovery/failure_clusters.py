"""Failure clusters: failures with one predicted class whose maps have the evidence at the same place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auditor.discovery.spectral_clusters import cluster_maps
from auditor.imaging.location import evidence_shares, place_of_gain
from auditor.records import AuditData, ModelAccess
from auditor.records.predictions import codes
from auditor.statistics import Floats, Integers

_MAX_MAPS = 500
"""Largest number of maps of a class that are clustered."""
_NEARLY_ALL = 0.9
"""A cluster with more than this share of a class's failures says nothing beyond the class."""


@dataclass(frozen=True)
class FailureCluster:
    """Failures with one predicted class whose maps form a cluster.

    Attributes:
        rows: (n,) positions in ``AuditData.predictions``.
        n_clusters: number of clusters that the failures of the class were divided into.
        mean_map: (h, w) mean of their maps, as shares of each map's evidence.
        mean_map_of_others: (h, w) the same of the other failures with this predicted class.
    """

    rows: Integers
    n_clusters: int
    mean_map: Floats
    mean_map_of_others: Floats

    @property
    def place(self) -> str:
        """Where the cluster has more of the evidence than the other failures, in words."""
        return place_of_gain(self.mean_map - self.mean_map_of_others)


def failure_clusters(
    audit: AuditData, model: ModelAccess, code: int, min_failures: int
) -> list[FailureCluster]:
    """Clusters the failures with one predicted class by their Grad-CAMs of that class.

    Args:
        audit: the audited data.
        model: the audited model, which computes the maps.
        code: index of the class.
        min_failures: smallest size of a cluster.

    Returns:
        The clusters, the largest first; empty if the maps form a single cluster.
    """
    frame = audit.predictions
    label, predicted = codes(frame["label"]), codes(frame["predicted"])
    rows = np.flatnonzero((predicted == code) & (label != code))
    rows = np.sort(np.random.default_rng([audit.seed, code]).permutation(rows)[:_MAX_MAPS])
    share, has_evidence = evidence_shares(
        model.cams(rows, np.full(len(rows), code, dtype=np.int64))
    )
    rows, share = rows[has_evidence], share[has_evidence]
    # More clusters than this would have too few failures each.
    clusters = cluster_maps(share, audit.seed, len(rows) // min_failures)
    if clusters is None:
        return []
    found = []
    for one in range(clusters.count):
        inside = clusters.members == one
        if min_failures <= inside.sum() <= _NEARLY_ALL * len(rows):
            found.append(
                FailureCluster(
                    rows=rows[inside],
                    n_clusters=clusters.count,
                    mean_map=share[inside].mean(0),
                    mean_map_of_others=share[~inside].mean(0),
                )
            )
    return sorted(found, key=lambda one: -len(one.rows))
