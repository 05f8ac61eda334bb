"""Metric gap: is a primary metric, such as sensitivity, worse on a slice than on the rest?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field

from auditor.checks import Check
from auditor.comparisons.chosen_metrics import written_unit
from auditor.comparisons.clusters import of_clusters
from auditor.comparisons.metric_pair import MetricPair
from auditor.comparisons.metrics import AuditMetrics
from auditor.comparisons.slice_counts import SliceCounter
from auditor.phrasing import (
    advice,
    interval,
    metric_limits,
    metric_number,
    metric_value,
    plural,
    points,
    sentence_start,
    whom,
)
from auditor.records import (
    AuditData,
    Claim,
    Effect,
    Estimate,
    Examination,
    MetricComparison,
    Question,
    Skipped,
    Slice,
    Unit,
)
from auditor.registry import plugin
from auditor.statistics import LEAST_CLUSTERS, Integers, Interval
from auditor.statistics.metrics import Metric, metric_named

NAME = "metric-gap"
_ERROR_RATE = frozenset({"accuracy", "error-rate"})
"""Their gaps are the question of `performance-gap`."""
_WITHIN_LABEL = frozenset({"sensitivity", "specificity"})
"""Within one label, `performance-gap` tests their gaps."""
_BY_PREVALENCE = frozenset({"ppv", "npv", "f1", "average-precision", "brier", "selection-rate"})
_UNTESTED = {
    "calibration-error": "it grows in small slices by chance, so that slices cannot be compared by it; "
    "calibration-gap compares their over-confidence",
    "overconfidence": "calibration-gap compares it",
    "calibration-slope": "there is no limit for a difference of slopes",
    "calibration-intercept": "there is no limit for a difference of intercepts",
}
"""Metrics whose gaps are not tested, with the reasons."""
_FEWEST_OF_EACH = 10
"""Positive, and negative, samples that a rank metric needs on each side."""
_RANKS = frozenset({"auroc", "average-precision"})
_MOST = 2000
"""Largest number of comparisons of one metric."""


@plugin("check", NAME)
class MetricGap(Check):
    """Is a primary metric, such as sensitivity, worse on a slice than on the rest?

    The metrics are those of ``metrics.primary``. Each attribute value is compared with the samples
    without it, for the whole metric, and for ranks and predictive values also label by label. Error
    rates, also within labels, are the question of `performance-gap`. Tests are one-sided and the
    inverse of the printed intervals, which allow for clusters.

    Limits:
        Other differences between slice and rest are not held fixed. Predictive values, F1, average
        precision, Brier score and selection rate also depend on how frequent the positive class is.
    """

    handles_clusters: ClassVar[bool] = True
    compares_attributes: ClassVar[bool] = True

    max_gap: float = Field(0.05, ge=0, le=1)
    """Largest acceptable gap of a metric (a share, 0 to 1)."""

    def examine(self, audit: AuditData) -> Examination:
        """Compares the primary metrics of every attribute value with the rest."""
        asked = [one for one in audit.primary_metrics if one not in _ERROR_RATE]
        if not asked or not len(audit.predictions):
            return Examination()
        comparing = _Comparing(audit, AuditMetrics(audit), SliceCounter(audit), self.max_gap)
        claims: list[Claim] = []
        skipped = []
        for name in asked:
            metric = metric_named(name)
            reason = comparing.why_not(metric)
            if reason is None:
                claims += comparing.claims(metric)
            else:
                skipped.append(Skipped(check=NAME, reason=f"{metric.title}: {reason}"))
        return Examination(tuple(claims), tuple(skipped))


@dataclass(frozen=True)
class _Comparing:
    audit: AuditData
    metrics: AuditMetrics
    counter: SliceCounter
    max_gap: float

    def why_not(self, metric: Metric) -> str | None:
        """Why the gaps of a metric are not tested; None if they are."""
        if metric.name in _UNTESTED:
            return f"not tested: {_UNTESTED[metric.name]}"
        classes = self._classes(metric)
        if not classes:
            return "not tested here: performance-gap compares error rates within each label"
        n = len(classes) * len(self.audit.value_slices)
        return f"not tested: {n} comparisons are too many" if n > _MOST else None

    def claims(self, metric: Metric) -> Iterator[Claim]:
        """One claim for each attribute value and each class that the metric can be about."""
        for class_name in self._classes(metric):
            for one in self.audit.value_slices:
                yield _Gap(self, metric, class_name, one).claim()

    def _classes(self, metric: Metric) -> list[str | None]:
        """What the metric is measured for: None for all classes together."""
        decisions = self.audit.decisions
        if decisions is None:
            if not metric.needs_class:
                return [None]
            return [] if metric.name in _WITHIN_LABEL else [*self.audit.classes]
        if len(decisions.names) == 1 or metric.name in _WITHIN_LABEL:
            return [None]
        return [None, *decisions.names]


@dataclass(frozen=True)
class _Gap:
    """One metric of one slice, compared with the rest."""

    within: _Comparing
    metric: Metric
    class_name: str | None
    one: Slice

    @property
    def _title(self) -> str:
        title = self.metric.title
        return title if self.class_name is None else f"{title} of {self.class_name}"

    @property
    def _unit(self) -> Unit:
        return written_unit(self.metric)

    def claim(self) -> Claim:
        """The comparison as a claim; untestable where one side has too few samples."""
        audit = self.within.audit
        inside = np.zeros(len(audit.predictions), dtype=bool)
        inside[self.one.rows] = True
        rest = np.flatnonzero(~inside).astype(np.int64)
        pair = self.within.metrics.pair(self.metric.name, self.one.rows, rest, self.class_name)
        if isinstance(pair, str):
            return self._untestable(pair)
        reason = self._too_few(pair) or self._too_few_of_each(rest)
        return self._tested(pair) if reason is None else self._untestable(reason)

    def _too_few(self, pair: MetricPair) -> str | None:
        audit = self.within.audit
        for side, where in ((pair.first, "in the slice"), (pair.second, "in the rest")):
            if side.support < audit.min_support:
                return (
                    f"{self._title} rests on {plural(side.support, 'sample')} {where} of the "
                    f"{audit.min_support} that are needed"
                )
            if audit.clusters is not None and pair.n_clusters(side) < LEAST_CLUSTERS:
                return f"too few clusters {where}{of_clusters(audit)}"
        return None

    def _too_few_of_each(self, rest: Integers) -> str | None:
        """Ranks need positive and negative samples on both sides."""
        of_decisions = self.class_name is not None or self.within.audit.decisions is not None
        if self.metric.name not in _RANKS or not of_decisions:
            return None
        for name, what in (("sensitivity", "positive"), ("specificity", "negative")):
            for rows, where in ((self.one.rows, "in the slice"), (rest, "in the rest")):
                n = self.within.metrics.measured(name, rows, self.class_name).support
                if n < _FEWEST_OF_EACH:
                    return (
                        f"{plural(n, f'{what} sample')} {where} of the {_FEWEST_OF_EACH} that are "
                        "needed"
                    )
        return None

    def _tested(self, pair: MetricPair) -> Claim:
        audit, own, rest = self.within.audit, pair.first, pair.second
        # The gap is positive where the slice is worse, or, of a metric without a better direction,
        # wherever it differs.
        lower_is_worse = self.metric.higher_is_better
        if lower_is_worse is None:
            lower_is_worse = own.value <= rest.value
        worse = pair.swapped if lower_is_worse else pair
        gap, p_value = worse.difference(), worse.p_value()
        if self.metric.higher_is_better is None:
            p_value = min(1.0, 2 * p_value)
        values = pair.values()
        question: Question = "value" if self.class_name is None else "value within label"
        failing = gap.value > 0
        return Claim(
            check=NAME,
            kind="outcome",
            title=self._sentence(values[0], own.value - rest.value),
            slice=self.one.key,
            effect=Effect.measured(
                f"{self._title} gap", gap, "points" if self._unit == "share" else "score"
            ),
            limit=self.within.max_gap,
            p_value=p_value,
            support=own.support,
            samples=self.within.counter.highest_loss(self.one) if failing else (),
            statement=self._statement(values, gap, own.support),
            action=advice(self.one.key),
            limits=self._limits(),
            evidence=(
                MetricComparison(
                    metric=self.metric.name,
                    class_name=self.class_name,
                    unit=self._unit,
                    own=Estimate.of(values[0]),
                    rest=Estimate.of(values[1]),
                ),
            ),
            weight=max(0.0, gap.value) * own.support,
            question=question,
            level_weight=1 - self.one.support / max(len(audit.predictions), 1),
        )

    def _sentence(self, own: Interval, change: float) -> str:
        size = points(change) if self._unit == "share" else metric_number(abs(change), self._unit)
        compared = "lower" if change < 0 else "higher"
        return (
            f"{sentence_start(self._title)} is {metric_number(own.value, self._unit)} for "
            f"{whom(self.one.key)}, {size} {compared} than for the rest"
        )

    def _statement(
        self, values: tuple[Interval, Interval], gap: Interval, support: int
    ) -> tuple[str, ...]:
        own, rest = values
        between = (
            interval(gap, " points")
            if self._unit == "share"
            else f"95 % interval {metric_limits(gap, self._unit)}"
        )
        size = points(gap.value) if self._unit == "share" else metric_number(gap.value, self._unit)
        noun = "decision" if self.within.metrics.task == "multi-label" else "sample"
        return (
            (
                f"For {whom(self.one.key)}, {self._title} is {metric_value(own, self._unit)}, from "
                f"{plural(support, noun)}; for the other samples, it is "
                f"{metric_value(rest, self._unit)}."
            ),
            f"The gap is {size} ({between}).",
        )

    def _limits(self) -> str:
        text = "Other differences between slice and rest are not held fixed."
        if self.metric.name in _BY_PREVALENCE:
            text += (
                f" {sentence_start(self._title)} also depends on how frequent the positive class is in "
                "the slice."
            )
        return text

    def _untestable(self, reason: str) -> Claim:
        needed = self.within.audit.min_support
        return Claim(
            check=NAME,
            kind="outcome",
            title=f"There are too few {whom(self.one.key)} to compare {self._title}",
            slice=self.one.key,
            effect=None,
            limit=self.within.max_gap,
            p_value=None,
            support=self.one.support,
            samples=(),
            statement=(f"Not tested: {reason}.",),
            action=f"Evaluate more {whom(self.one.key)}; at least {needed} are needed.",
            limits="No conclusion is possible for this slice.",
            untestable=reason,
            weight=float(self.one.support),
        )
