"""Measure: metrics with intervals on all samples, classes and slices, and curves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from auditor.comparisons.chosen_metrics import ChosenMetrics, written_unit
from auditor.comparisons.clusters import shares_of
from auditor.comparisons.metrics import AuditMetrics
from auditor.comparisons.operating_curves import operating_curves
from auditor.judging.broken_parts import BrokenParts
from auditor.records import (
    AuditData,
    Estimate,
    MetricValue,
    OperatingCurve,
    ReliabilityBin,
    ReliabilityDiagram,
    SliceKey,
)
from auditor.records.predictions import FAILURE
from auditor.statistics import Integers, reliability_bins
from auditor.statistics.metrics import metric_named

T = TypeVar("T")

_OF_LABELS = frozenset({"sensitivity", "specificity", "ppv", "f1", "auroc"})
"""Metrics that are also shown for each label of a multi-label task."""
_MOST_VALUES = 2000
"""Largest number of classes times slices for which primary metrics are measured class by class."""


@dataclass(frozen=True)
class Measurements:
    """What an audit measured.

    Attributes:
        metrics: on all samples, on each class or label, and on each value of each attribute.
        curves: of tasks with decisions.
        reliability: the reliability diagram of all samples; None if there are too few.
    """

    metrics: list[MetricValue] = field(default_factory=list)
    curves: list[OperatingCurve] = field(default_factory=list)
    reliability: ReliabilityDiagram | None = None


def measure_metrics(
    audit: AuditData, chosen: ChosenMetrics, broken: BrokenParts | None = None
) -> Measurements:
    """Measures metrics and curves.

    Args:
        audit: the evaluated samples.
        chosen: the metrics.
        broken: collects the parts that raise an exception; None: the exception is raised.
    """
    if not len(audit.predictions):
        return Measurements()

    def attempt(name: str, part: Callable[[], T], otherwise: T) -> T:
        return part() if broken is None else broken.attempt(name, "outcome", part, otherwise)

    measuring = _Measuring(audit, chosen, AuditMetrics(audit))
    nothing: list[MetricValue] = []
    of_all = attempt("metrics of all samples", lambda: list(measuring.of_all()), nothing)
    of_slices = attempt("metrics of slices", lambda: list(measuring.of_slices()), nothing)
    return Measurements(
        of_all + of_slices,
        attempt("operating curves", lambda: operating_curves(audit, chosen.primary), []),
        attempt("reliability diagram", lambda: _reliability(audit), None),
    )


@dataclass(frozen=True)
class _Measuring:
    audit: AuditData
    chosen: ChosenMetrics
    metrics: AuditMetrics

    def of_all(self) -> Iterator[MetricValue]:
        """Every metric on all samples, then on each class."""
        rows = np.arange(len(self.audit.predictions), dtype=np.int64)
        for name in self.chosen.shown:
            if not self._needs_class(name):
                yield self._value(name, rows, SliceKey(), None)
        for class_name in self._classes:
            for name in self.chosen.shown:
                if self._needs_class(name) or self._is_of_labels(name):
                    yield self._value(name, rows, SliceKey(), class_name)

    def of_slices(self) -> Iterator[MetricValue]:
        """Every metric on each slice, and the primary ones also on each class."""
        slices = self.audit.value_slices
        few = len(slices) * len(self._classes) <= _MOST_VALUES
        for one in slices:
            for name in self.chosen.shown:
                if not self._needs_class(name):
                    yield self._value(name, one.rows, one.key, None)
            for class_name in self._classes if few else ():
                for name in self.chosen.primary:
                    if self._needs_class(name) or self._is_of_labels(name):
                        yield self._value(name, one.rows, one.key, class_name)

    @property
    def _classes(self) -> tuple[str, ...]:
        """The classes that have metrics of their own."""
        decisions = self.audit.decisions
        if decisions is None:
            return self.audit.classes
        return decisions.names if len(decisions.names) > 1 else ()

    def _needs_class(self, name: str) -> bool:
        return self.audit.decisions is None and metric_named(name).needs_class

    def _is_of_labels(self, name: str) -> bool:
        return self.audit.decisions is not None and name in _OF_LABELS

    def _value(
        self, name: str, rows: Integers, key: SliceKey, class_name: str | None
    ) -> MetricValue:
        found = self.metrics.measured(name, rows, class_name)
        clustered = self.audit.clusters is not None
        return MetricValue(
            metric=name,
            class_name=class_name,
            slice=key,
            estimate=None if found.value is None else Estimate.of(found.value),
            unit=written_unit(metric_named(name)),
            support=found.support,
            n_clusters=found.n_clusters if clustered else None,
            primary=name in self.chosen.primary,
            reason=found.reason,
        )


def _reliability(audit: AuditData) -> ReliabilityDiagram | None:
    """Of the predicted class, or of the positive class of each decision."""
    decisions = audit.decisions
    if decisions is None:
        probability = audit.predictions["confidence"].to_numpy(dtype=np.float64)
        observed = ~audit.predictions[FAILURE].to_numpy(dtype=bool)
    else:
        probability, observed = decisions.score, decisions.truth
    bins = reliability_bins(probability)
    shares = shares_of(audit, observed, bins)
    return ReliabilityDiagram(
        probability="predicted class" if decisions is None else "positive class",
        bins=tuple(
            ReliabilityBin(
                confidence=float(probability[rows].mean()),
                observed=Estimate.of(shares[k]),
                support=len(rows),
            )
            for k, rows in enumerate(bins)
        ),
    )
