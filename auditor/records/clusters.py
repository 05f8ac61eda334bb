"""The clusters of the samples, as they are reported."""

from __future__ import annotations

from auditor.records.base import Record


class ClusterRecord(Record):
    """The clusters of the samples, and their effect on the uncertainty of the error rate."""

    name: str
    """Name of the column, such as ``patient``."""
    n_clusters: int
    n_missing: int
    """Number of samples whose cluster is unknown; each counts as a separate cluster."""
    largest: int
    """Number of samples in the largest cluster."""
    correlation: float | None
    """Intra-class correlation of failures within labels; None where it is not defined."""
    design_effect: float | None
    """Variance of the error rate relative to that of independent samples; None if it is not defined."""
