"""Metrics of an audit's slices: from the audited data to values with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from auditor.comparisons.metric_pair import MetricPair
from auditor.comparisons.undefined_metrics import reason_of
from auditor.records import AuditData
from auditor.records.decisions import Decisions, TaskName
from auditor.records.predictions import codes
from auditor.statistics import Integers, Interval
from auditor.statistics.metrics import (
    BinaryCases,
    ClassCases,
    Estimated,
    MeanOf,
    Metric,
    correlation_within,
    interval,
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
    """One class that a metric is about.

    Attributes:
        which: index of the class, or of the decision; None for all classes or decisions together.
        opposite: whether it is the negative class of the decision.
    """

    which: int | None = None
    opposite: bool = False


class AuditMetrics:
    """Measures metrics on the slices of an audit; made once for many slices.

    Args:
        audit: the audited data.
    """

    def __init__(self, audit: AuditData) -> None:
        self._classes = audit.classes
        self._clusters = None if audit.clusters is None else audit.clusters.of_sample
        self._decisions = audit.decisions
        self._opposites: dict[str, int] = {}
        self._pooled: dict[tuple[str, _Part], float] = {}
        self._cases: BinaryCases | ClassCases
        self.task: TaskName = "single-label"
        if audit.decisions is not None:
            found = audit.decisions
            self.task = "binary" if len(found.names) == 1 else "multi-label"
            self._opposites = _opposites(audit, found)
            self._cases = BinaryCases(found.truth, found.called, found.score)
            return
        table = audit.predictions
        self._cases = ClassCases(
            codes(table["label"]),
            codes(table["predicted"]),
            len(audit.classes),
            audit.probabilities,
            table["confidence"].to_numpy(dtype=np.float64),
        )

    def measured(
        self, name: str, rows: Integers, class_name: str | None = None, confidence: float = 0.95
    ) -> MeasuredMetric:
        """A metric on some rows; see `metric_of`."""
        metric = metric_named(name)
        parts = self._parts(metric, class_name)
        if isinstance(parts, str):
            return MeasuredMetric(None, 0, 0, parts)
        found = self._estimate(metric.name, parts, rows, np.arange(len(rows)), len(rows))
        if not found.defined:
            why = self._why(metric.name, parts, rows)
            return MeasuredMetric(None, 0, 0, f"not defined: {why}")
        clusters = self._clusters_of(rows)
        value = interval(found, clusters, confidence, self._pooled_of(metric.name, parts))
        return MeasuredMetric(value, found.support, _n_clusters(found.rows, clusters))

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
        member = np.zeros(len(self._cases), dtype=bool)
        member[pair.first.rows] = member[pair.second.rows] = True
        members = np.flatnonzero(member)
        n_clusters = _n_clusters(members, pair.clusters)
        return MeasuredMetric(pair.difference(confidence), len(members), n_clusters)

    def pair(
        self, name: str, rows: Integers, rest_rows: Integers, class_name: str | None = None
    ) -> MetricPair | str:
        """A metric on two sets of rows, or why it can't be compared; see `metric_gap_of`."""
        metric = metric_named(name)
        parts = self._parts(metric, class_name)
        if isinstance(parts, str):
            return parts
        place = np.full(len(self._cases), -1)
        place[rows] = place[rest_rows] = 0
        everything = np.flatnonzero(place == 0)
        place[everything] = np.arange(len(everything))
        places = place[rows], place[rest_rows]
        if len(parts) > 1:
            # A mean over classes is compared for the classes that both sides have.
            parts = [
                one for one in parts if all(self._has(metric, one, r) for r in (rows, rest_rows))
            ]
        first, second = (
            self._estimate(metric.name, parts, side, place, len(everything))
            for side, place in zip((rows, rest_rows), places, strict=True)
        )
        if not (first.defined and second.defined):
            return self._why_no_gap(metric.name, parts, rows, rest_rows)
        pooled = self._pooled_of(metric.name, parts)
        return MetricPair(first, second, self._clusters_of(everything), pooled)

    def _estimate(
        self, name: str, parts: Sequence[_Part], rows: Integers, places: Integers, n: int
    ) -> Estimated:
        """The metric on some rows, as one on n samples among which the rows have these places."""
        cases = self._cases.taken(rows)
        if len(parts) == 1:
            own, chosen = self._of_part(parts[0], cases, rows)
            return _scattered(measure(name, own, chosen), places, n)
        mean = MeanOf(n)
        for part in parts:
            own, chosen = self._of_part(part, cases, rows)
            alone = own.taken(chosen)
            mean.add(measure(name, alone, np.arange(len(alone))), places[chosen])
        return mean.result()

    def _of_part(
        self, part: _Part, cases: BinaryCases | ClassCases, rows: Integers
    ) -> tuple[BinaryCases | ClassCases, Integers]:
        """The cases of one class among those of some rows, and their positions."""
        everything = np.arange(len(rows))
        if part.which is None:
            return cases, everything
        if isinstance(cases, ClassCases):
            return cases.of_class(part.which), everything
        own = cases.opposite() if part.opposite else cases
        if self._decisions is None or self.task == "binary":
            return own, everything
        return own, np.flatnonzero(self._decisions.of_row[rows] == part.which)

    def _pooled_of(self, name: str, parts: Sequence[_Part]) -> float:
        """Correlation within clusters among all samples, measured once for each metric and class."""
        if self._clusters is None or len(parts) != 1:
            return float("nan")
        key = name, parts[0]
        if key not in self._pooled:
            rows = np.arange(len(self._cases))
            found = self._estimate(name, parts, rows, rows, len(rows))
            self._pooled[key] = correlation_within(found, self._clusters)
        return self._pooled[key]

    def _parts(self, metric: Metric, class_name: str | None) -> list[_Part] | str:
        """The classes over which the metric is averaged, or why it can't be measured."""
        if self.task not in metric.tasks:
            return f"not defined for a {self.task} task"
        if isinstance(self._cases, ClassCases):
            return self._parts_of_classes(metric, self._cases, class_name)
        assert self._decisions is not None
        names = self._decisions.names
        if class_name in self._opposites:
            return [_Part(self._opposites[class_name], opposite=True)]
        if class_name is not None:
            if class_name not in names:
                raise ValueError(_unknown_class(class_name, (*names, *self._opposites)))
            return [_Part(names.index(class_name))]
        if metric.name in _POOLED:
            return [_Part()]
        return [_Part(k) for k in range(len(names))]

    def _parts_of_classes(
        self, metric: Metric, cases: ClassCases, class_name: str | None
    ) -> list[_Part] | str:
        if class_name is not None and class_name not in self._classes:
            raise ValueError(_unknown_class(class_name, self._classes))
        if class_name is not None and metric.name.startswith("top-"):
            return f"not defined: {metric.title} is not about one class"
        scored = metric.needs_scores or (class_name is not None and metric.name in _OF_CONFIDENCE)
        if scored and cases.probabilities is None:
            return "not measured: the probabilities of all classes were not kept"
        if class_name is not None:
            return [_Part(self._classes.index(class_name))]
        if metric.needs_class:
            return f"not defined: {metric.title} needs a class"
        if metric.name in _ONE_AGAINST_REST:
            return [_Part(k) for k in range(cases.n_classes)]
        return [_Part()]

    def _has(self, metric: Metric, part: _Part, rows: Integers) -> bool:
        return self._estimate(metric.name, [part], rows, np.arange(len(rows)), len(rows)).defined

    def _why(self, name: str, parts: Sequence[_Part], rows: Integers) -> str:
        if not len(rows):
            return "no samples"
        if len(parts) != 1:
            return "no class has a value"
        return reason_of(name, *self._of_part(parts[0], self._cases.taken(rows), rows))

    def _why_no_gap(
        self, name: str, parts: Sequence[_Part], rows: Integers, rest_rows: Integers
    ) -> str:
        if len(parts) != 1:
            return "not defined: no class has a value on both sides"
        for side, where in ((rows, "the slice"), (rest_rows, "the rest")):
            if not self._estimate(name, parts, side, np.arange(len(side)), len(side)).defined:
                return f"not defined: {self._why(name, parts, side)} in {where}"
        raise AssertionError("the metric is defined on both sides")

    def _clusters_of(self, rows: Integers) -> Integers | None:
        return None if self._clusters is None else self._clusters[rows]


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
    return AuditMetrics(audit).measured(name, rows, class_name, confidence)


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
    return AuditMetrics(audit).gap(name, rows, rest_rows, class_name, confidence)


def _scattered(local: Estimated, places: Integers, n: int) -> Estimated:
    """A metric of some samples as one of n samples, among which they have these places."""
    influence = np.zeros(n)
    influence[places] = local.influence
    return replace(local, influence=influence, members=places[local.rows])


def _n_clusters(rows: Integers, clusters: Integers | None) -> int:
    return len(rows) if clusters is None else int(np.count_nonzero(np.bincount(clusters[rows])))


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
