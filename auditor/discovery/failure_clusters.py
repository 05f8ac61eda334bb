"""Kinds of failures: those called one class whose maps point at the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auditor.discovery.sample_splitting import codes
from auditor.discovery.spectral_clusters import cluster_maps
from auditor.imaging.location import evidence_shares, place_of_gain
from auditor.records import AuditData, ModelAccess
from auditor.statistics import Floats, Integers

_MAPS = 500
"""Maps of a class that are divided, at most."""
_NEARLY_ALL = 0.9
"""A cluster with more of a class's failures than this says nothing that the class does not."""


@dataclass(frozen=True)
class FailureCluster:
    """Failures called one class, a cluster of their maps.

    Attributes:
        rows: their positions.
        clusters: how many clusters there are.
        own: (h, w) the mean of their maps, as shares of each map's evidence.
        others: (h, w) likewise of the other failures that are called the class.
    """

    rows: Integers
    clusters: int
    own: Floats
    others: Floats

    @property
    def place(self) -> str:
        """In words where they have more of the evidence than the others."""
        return place_of_gain(self.own - self.others)


def failure_clusters(
    audit: AuditData, model: ModelAccess, code: int, at_least: int
) -> list[FailureCluster]:
    """Divides the failures called a class by their Grad-CAMs of it, and by nothing else.

    Args:
        audit: of the audit.
        model: makes the maps.
        code: index of the class.
        at_least: failures that a kind must have.

    Returns:
        The kinds, the largest first; none where the maps are of one kind.
    """
    frame = audit.predictions
    label, predicted = codes(frame["label"]), codes(frame["predicted"])
    rows = np.flatnonzero((predicted == code) & (label != code))
    rows = np.sort(np.random.default_rng([audit.seed, code]).permutation(rows)[:_MAPS])
    share, some = evidence_shares(model.cams(rows, np.full(len(rows), code, dtype=np.int64)))
    rows, share = rows[some], share[some]
    # Finer ones would be too small to be looked at.
    clusters = cluster_maps(share, audit.seed, len(rows) // at_least)
    if clusters is None:
        return []
    found = []
    for one in range(clusters.count):
        inside = clusters.members == one
        if at_least <= inside.sum() <= _NEARLY_ALL * len(rows):
            own, others = share[inside].mean(0), share[~inside].mean(0)
            found.append(FailureCluster(rows[inside], clusters.count, own, others))
    return sorted(found, key=lambda one: -len(one.rows))
