"""Metrics of slices and curves of classifiers, as they are written to ``audit.json``."""

from __future__ import annotations

from typing import Literal

from auditor.records.base import Estimate, Record, SliceKey, Unit

CurveKind = Literal["roc", "precision-recall"]
CurveRole = Literal["overall", "worst", "best"]
"""All samples, or the slice with the worst or the best value of the first primary metric."""


class MetricValue(Record):
    """One metric on some samples."""

    metric: str
    """Its name, such as ``balanced-accuracy``."""
    class_name: str | None = None
    """The class that it is about; None for a metric of all classes or labels together."""
    slice: SliceKey = SliceKey()
    """The samples that it is about."""
    estimate: Estimate | None
    """None where it is not defined, or has no interval."""
    unit: Unit = "share"
    support: int
    """Number of samples that it rests on: for sensitivity, the positive ones."""
    n_clusters: int | None = None
    """Number of clusters of these samples; None if samples count as independent."""
    primary: bool = False
    """Whether it is a primary metric, whose gaps are tested."""
    reason: str | None = None
    """Why there is no estimate; None where there is one."""


class OperatingCurve(Record):
    """An ROC or precision–recall curve, with the operating point at the threshold."""

    kind: CurveKind
    class_name: str
    """The positive class."""
    slice: SliceKey = SliceKey()
    role: CurveRole = "overall"
    chosen_by: str | None = None
    """Name of the metric by which the slice was chosen; None for all samples."""
    x: tuple[float, ...]
    """False positive rate, or recall; ascending. Long curves are thinned."""
    y: tuple[float, ...]
    """Sensitivity, or precision, at the same thresholds."""
    threshold: float
    """The threshold of the decisions, a probability."""
    operating_point: tuple[float, float] | None
    """x and y at the threshold; None where they are not defined."""
    area: Estimate | None
    """AUROC, or average precision."""
    n_positives: int
    n_negatives: int


class ReliabilityBin(Record):
    """Samples of similar confidence."""

    confidence: float
    """Their mean probability."""
    observed: Estimate
    """Share of them that are correct, or positive."""
    support: int


class ReliabilityDiagram(Record):
    """Observed shares beside stated probabilities, in bins of about equal size."""

    probability: Literal["predicted class", "positive class"]
    """The stated probability: of the predicted class in a single-label task, else of the positive class
    of each decision."""
    bins: tuple[ReliabilityBin, ...]
