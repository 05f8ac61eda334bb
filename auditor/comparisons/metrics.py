"""Metrics of an audit's slices: from the audited data to values with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from auditor.comparisons.undefined_metrics import reason_of
from auditor.records import AuditData
from auditor.records.decisions import Decisions, TaskName
from auditor.records.predictions import codes
from auditor.statistics import Integers, Interval
from auditor.statistics.metrics import (
    BinaryCases,
    ClassCases,
    Estimated,
    Metric,
    difference,
    interval,
    mean_of,
    measure,
    metric_named,
)

_POOLED = frozenset(
    {"accuracy", "error-rate", "brier", "calibration-error", "overconfidence", "selection-rate"}
)
"""Metrics that a multi-label task measures on all decisions together; of others, the mean over labels."""
_OF_CONFIDENCE = frozenset({"calibration-error", "overconfidence"})
"""Metrics that need the probabilities of all classes only where they are measured for one of these."""
_ONE_AGAINST_REST = frozenset({"auroc", "average-precision"})


@dataclass(frozen=True)
class MeasuredMetric:
    """A metric, or a gap of one, on some samples of an audit.

    Attributes:
        value: with its interval; None where it is not defined.
        support: number of samples on which it rests; of a gap, on both sides.
        n_clusters: number of clusters from which they come; `support` for independent samples.
        reason: why it is not defined; None if it is.
    """

    value: Interval | None
    support: int
    n_clusters: int
    reason: str | None = None


@dataclass(frozen=True)
class _Part:
    """One class of a metric: the decisions about it, and the rows that hold some."""

    cases: BinaryCases | ClassCases
    rows: Integers | None = None

    def within(self, rows: Integers) -> Integers:
        """Those of the rows that hold decisions about this class."""
        return rows if self.rows is None else np.intersect1d(rows, self.rows)


@dataclass(frozen=True)
class AuditMetrics:
    """Measures metrics on the slices of an audit; made once for many slices.

    Attributes:
        task: of the audit.
        classes: class names in index order.
        cases: predictions of one of several classes; None for tasks with decisions.
        decisions: the decisions; None for a single-label task.
        clusters: (n,) cluster of each row; None for independent rows.
        opposites: for a task with decisions, the name of each negative class with its decision.
    """

    task: TaskName
    classes: tuple[str, ...]
    cases: ClassCases | None
    decisions: Decisions | None
    clusters: Integers | None
    opposites: dict[str, int]

    @classmethod
    def of(cls, audit: AuditData) -> AuditMetrics:
        """Prepares the predictions of an audit."""
        clusters = None if audit.clusters is None else audit.clusters.of_sample
        decisions = audit.decisions
        if decisions is not None:
            task: TaskName = "binary" if len(decisions.names) == 1 else "multi-label"
            return cls(task, audit.classes, None, decisions, clusters, _opposites(audit, decisions))
        table = audit.predictions
        cases = ClassCases(
            codes(table["label"]).astype(np.int64),
            codes(table["predicted"]).astype(np.int64),
            len(audit.classes),
            audit.probabilities,
            table["confidence"].to_numpy(dtype=np.float64),
        )
        return cls("single-label", audit.classes, cases, None, clusters, {})

    def measured(
        self, name: str, rows: Integers, class_name: str | None = None, confidence: float = 0.95
    ) -> MeasuredMetric:
        """A metric on some rows; see `metric_of`."""
        metric = metric_named(name)
        parts = self._parts(metric, class_name)
        if isinstance(parts, str):
            return MeasuredMetric(None, 0, 0, parts)
        found = [measure(metric.name, part.cases, part.within(rows)) for part in parts]
        if not any(one.defined for one in found):
            why = reason_of(metric.name, parts[0].cases, parts[0].within(rows), len(parts))
            return MeasuredMetric(None, 0, 0, why)
        whole = found[0] if len(found) == 1 else mean_of(found, len(found[0].influence))
        value = interval(whole, self.clusters, confidence)
        return MeasuredMetric(value, whole.support, self._n_clusters(whole.rows))

    def gap(
        self,
        name: str,
        rows: Integers,
        rest_rows: Integers,
        class_name: str | None = None,
        confidence: float = 0.95,
    ) -> MeasuredMetric:
        """The difference of a metric between two sets of rows; see `metric_gap_of`."""
        pair = self.pair(name, rows, rest_rows, class_name)
        if isinstance(pair, str):
            return MeasuredMetric(None, 0, 0, pair)
        value = difference(*pair, self.clusters, confidence)
        members = np.union1d(pair[0].rows, pair[1].rows)
        return MeasuredMetric(value, len(members), self._n_clusters(members))

    def pair(
        self, name: str, rows: Integers, rest_rows: Integers, class_name: str | None = None
    ) -> tuple[Estimated, Estimated] | str:
        """A metric on two sets of rows, or why it can't be compared; see `metric_gap_of`.

        Of a mean over classes, both have the classes for which both are defined.
        """
        metric = metric_named(name)
        parts = self._parts(metric, class_name)
        if isinstance(parts, str):
            return parts
        sides = [
            [measure(metric.name, part.cases, part.within(one)) for part in parts]
            for one in (rows, rest_rows)
        ]
        both = [k for k in range(len(parts)) if sides[0][k].defined and sides[1][k].defined]
        if not both:
            return self._gap_reason(metric, parts, rows, rest_rows)
        first, second = (_mean([side[k] for k in both]) for side in sides)
        return first, second

    def _gap_reason(
        self, metric: Metric, parts: Sequence[_Part], rows: Integers, rest_rows: Integers
    ) -> str:
        if len(parts) > 1:
            return "not defined: no class has a value on both sides"
        part = parts[0]
        for side, where in ((rows, "in the slice"), (rest_rows, "in the rest")):
            chosen = part.within(side)
            if not measure(metric.name, part.cases, chosen).defined:
                return f"{reason_of(metric.name, part.cases, chosen, 1)} {where}"
        raise AssertionError("the metric is defined on both sides")

    def _parts(self, metric: Metric, class_name: str | None) -> list[_Part] | str:
        """The classes over which the metric is averaged, or why it can't be measured."""
        if self.task not in metric.tasks:
            return f"not defined for a {self.task} task"
        if self.cases is not None:
            return self._parts_of_classes(metric, self.cases, class_name)
        assert self.decisions is not None
        if class_name is not None:
            return [self._part_named(self.decisions, class_name)]
        if self.task == "binary" or metric.name in _POOLED:
            score = self.decisions.score
            return [_Part(BinaryCases(self.decisions.truth, self.decisions.called, score))]
        return [self._part_named(self.decisions, one) for one in self.decisions.names]

    def _parts_of_classes(
        self, metric: Metric, cases: ClassCases, class_name: str | None
    ) -> list[_Part] | str:
        if metric.name.startswith("top-") and class_name is not None:
            return f"not defined: {metric.title} is not about one class"
        scored = metric.needs_scores or (class_name is not None and metric.name in _OF_CONFIDENCE)
        if scored and cases.probabilities is None:
            return "not measured: the probabilities of all classes were not kept"
        of_class = metric.needs_class or metric.name in _ONE_AGAINST_REST
        if class_name is not None:
            if class_name not in self.classes:
                raise ValueError(_unknown_class(class_name, self.classes))
            return [_Part(cases.of_class(self.classes.index(class_name)))]
        if metric.needs_class:
            return f"not defined: {metric.title} needs a class"
        if not of_class:
            return [_Part(cases)]
        return [_Part(cases.of_class(k)) for k in range(cases.n_classes)]

    def _part_named(self, decisions: Decisions, class_name: str) -> _Part:
        """The decisions about one class; those about a negative class are the opposite ones."""
        truth, called, score = decisions.truth, decisions.called, decisions.score
        if class_name in decisions.names:
            which = decisions.names.index(class_name)
        elif class_name in self.opposites:
            which = self.opposites[class_name]
            truth, called, score = ~truth, ~called, 1 - score
        else:
            raise ValueError(_unknown_class(class_name, (*decisions.names, *self.opposites)))
        rows = None
        if len(decisions.names) > 1:
            rows = np.flatnonzero(decisions.of_row == which).astype(np.int64)
        return _Part(BinaryCases(truth, called, score), rows)

    def _n_clusters(self, rows: Integers) -> int:
        return len(rows) if self.clusters is None else len(np.unique(self.clusters[rows]))


def metric_of(
    audit: AuditData,
    name: str,
    rows: Integers,
    class_name: str | None = None,
    confidence: float = 0.95,
) -> MeasuredMetric:
    """Measures a metric on some rows of an audit.

    For many slices, use `AuditMetrics`, which prepares the predictions once.

    Args:
        audit: the audited data.
        name: of the metric, such as ``sensitivity``; see `metric_named`.
        rows: positions in ``AuditData.predictions``, ascending, int64.
        class_name: class that the metric is about. None for the positive class of a binary task, for
            the mean over the labels of a multi-label task, and for metrics of all classes.
        confidence: coverage of the interval, between 0 and 1.

    Returns:
        The metric, or the reason why it is not defined.

    Raises:
        ValueError: there is no such metric or class, or `confidence` is out of range.
    """
    return AuditMetrics.of(audit).measured(name, rows, class_name, confidence)


def metric_gap_of(
    audit: AuditData,
    name: str,
    rows: Integers,
    rest_rows: Integers,
    class_name: str | None = None,
    confidence: float = 0.95,
) -> MeasuredMetric:
    """Difference of a metric between two sets of rows, first minus second.

    The sets may overlap or share clusters. Labels are not held fixed. A mean over classes is taken
    over those that have a value on both sides.

    Args:
        audit: the audited data.
        name: of the metric.
        rows: positions of the first set, ascending, int64.
        rest_rows: positions of the second set.
        class_name: as for `metric_of`.
        confidence: coverage of the interval, between 0 and 1.

    Returns:
        The gap, or the reason why it is not defined.

    Raises:
        ValueError: there is no such metric or class, or `confidence` is out of range.
    """
    return AuditMetrics.of(audit).gap(name, rows, rest_rows, class_name, confidence)


def _mean(parts: Sequence[Estimated]) -> Estimated:
    return parts[0] if len(parts) == 1 else mean_of(parts, len(parts[0].influence))


def _opposites(audit: AuditData, decisions: Decisions) -> dict[str, int]:
    """Name of each negative class with its decision, from the labels and predictions of the rows."""
    used = np.concatenate(
        [
            np.column_stack([codes(audit.predictions[column]), decisions.of_row])
            for column in ("label", "predicted")
        ]
    )
    names = ((audit.classes[k], which) for k, which in np.unique(used, axis=0).tolist())
    return {name: which for name, which in names if name not in decisions.names}


def _unknown_class(name: str, known: Sequence[str]) -> str:
    return f"expected one of the classes {', '.join(known[:10])}; got {name!r}"
