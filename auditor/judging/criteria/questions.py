"""What one configured criterion asks: a number of some class on some slice, measured when needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from auditor.comparisons.clusters import gaps_of, too_few_clusters
from auditor.comparisons.metrics import AuditMetrics, MeasuredMetric
from auditor.comparisons.slice_counts import SliceCounter
from auditor.config.criteria import Criterion
from auditor.errors import ConfigError
from auditor.phrasing import several
from auditor.records import AuditData, Skipped, Slice, SliceKey
from auditor.records.outcome import ACCEPTANCE_CRITERIA
from auditor.statistics import LEAST_CLUSTERS, Integers, stratified_gap

_WITHIN_LABELS = frozenset({"accuracy", "error-rate"})
"""Metrics whose gaps are compared within labels and pooled, as the check performance-gap does."""

Measure = Callable[[float], MeasuredMetric]
"""A number with its interval at some confidence."""


@dataclass(frozen=True)
class Question:
    """A number of some class on some slice.

    Attributes:
        class_name: None where it is about no class in particular.
        key: the slice.
        clustered: whether samples belong to clusters.
        measure: the number with its interval at some confidence; for a gap, slice minus rest.
    """

    class_name: str | None
    key: SliceKey
    clustered: bool
    measure: Measure


def questions_of(
    audit: AuditData, criterion: Criterion, place: str
) -> tuple[list[Question], list[Skipped]]:
    """The questions of a criterion, and the slices that it cannot be asked for.

    Args:
        audit: the evaluated samples.
        criterion: of the configuration.
        place: where it stands there, for messages.

    Raises:
        ConfigError: it names an attribute value that no evaluated sample has.
    """
    slices, skipped = _slices(audit, criterion, place)
    names = _class_names(audit) if criterion.class_name == "each" else (criterion.class_name,)
    metrics, counter = AuditMetrics(audit), SliceCounter(audit)
    clustered = audit.clusters is not None
    questions = [
        Question(
            name, one.key, clustered, cache(_asked(audit, criterion, one, name, metrics, counter))
        )
        for name in names
        for one in slices
    ]
    return questions, skipped


def _asked(
    audit: AuditData,
    criterion: Criterion,
    one: Slice,
    class_name: str | None,
    metrics: AuditMetrics,
    counter: SliceCounter,
) -> Measure:
    """Measures the number of one class and slice."""
    metric = criterion.measured.name
    if not criterion.is_gap:
        ask: Measure = partial(_value, metrics, metric, one.rows, class_name)
        return ask if audit.clusters is None else partial(_with_enough_clusters, ask)
    reason = too_few_clusters(audit, one)
    if reason is not None:
        return partial(_unknown, len(audit.predictions), reason)
    if metric in _WITHIN_LABELS and class_name is None:
        sign = -1.0 if metric == "accuracy" else 1.0
        return partial(_gap_within_labels, audit, counter, one, sign)
    return partial(_gap, metrics, metric, one.rows, _rest(audit, one.rows), class_name)


def _class_names(audit: AuditData) -> tuple[str, ...]:
    """The classes that `each` stands for: the labels of a multi-label task."""
    if audit.decisions is not None and len(audit.decisions.names) > 1:
        return audit.decisions.names
    return audit.classes


def _slices(
    audit: AuditData, criterion: Criterion, place: str
) -> tuple[list[Slice], list[Skipped]]:
    if not criterion.per_slice:
        rows = _members(audit, criterion.one_slice, place)
        return [Slice(SliceKey(attributes=criterion.one_slice), rows)], []
    chosen: list[Slice] = []
    skipped: list[Skipped] = []
    everything = np.arange(len(audit.predictions))
    n = _n_samples(audit, everything)
    for one in _values_of(audit, criterion.attributes):
        size = _n_samples(audit, one.rows)
        if min(size, n - size if criterion.is_gap else size) < audit.min_support:
            reason = (
                f"{criterion.metric}, {one.key}: {size} of {n} samples; "
                f"at least {audit.min_support} are needed (slices.min_support)"
            )
            skipped.append(Skipped(check=ACCEPTANCE_CRITERIA, reason=reason))
        elif not (criterion.is_gap and _mirrors_the_last(one, chosen, len(everything))):
            chosen.append(one)
    return chosen, skipped


def _n_samples(audit: AuditData, rows: Integers) -> int:
    """Number of samples; a sample of a multi-label task has one row for each label."""
    if audit.decisions is None or audit.decisions.of_sample is None:
        return len(rows)
    return len(np.unique(audit.decisions.of_sample[rows]))


def _values_of(audit: AuditData, attributes: Sequence[str] | None) -> list[Slice]:
    """The values of annotated attributes."""
    names = audit.attributes if attributes is None else attributes
    return [
        one
        for one in audit.slices
        if len(one.key.attributes) == 1
        and one.key.label is None
        and not one.tail
        and next(iter(one.key.attributes)) in names
    ]


def _mirrors_the_last(one: Slice, chosen: Sequence[Slice], n: int) -> bool:
    """Whether a slice is the rest of the last one: two values of an attribute have one gap."""
    if not chosen or chosen[-1].key.attributes.keys() != one.key.attributes.keys():
        return False
    return chosen[-1].support + one.support == n


def _members(audit: AuditData, values: dict[str, str], place: str) -> Integers:
    chosen = np.ones(len(audit.predictions), dtype=bool)
    for name, value in values.items():
        column = audit.predictions[name]
        known = [str(one) for one in column.cat.categories]
        if value not in known:
            raise ConfigError(
                f"{place}.slices.{name}: expected one of {several(known, 10)}; got {value!r}"
            )
        chosen &= (column == value).to_numpy(dtype=bool)
    return np.flatnonzero(chosen).astype(np.int64)


def _rest(audit: AuditData, rows: Integers) -> Integers:
    return np.setdiff1d(np.arange(len(audit.predictions)), rows, assume_unique=True)


def _value(
    metrics: AuditMetrics, name: str, rows: Integers, class_name: str | None, confidence: float
) -> MeasuredMetric:
    return metrics.measured(name, rows, class_name, confidence)


def _gap(
    metrics: AuditMetrics,
    name: str,
    rows: Integers,
    rest: Integers,
    class_name: str | None,
    confidence: float,
) -> MeasuredMetric:
    return metrics.gap(name, rows, rest, class_name, confidence)


def _gap_within_labels(
    audit: AuditData, counter: SliceCounter, one: Slice, sign: float, confidence: float
) -> MeasuredMetric:
    """The gap in error rate within labels, times the sign."""
    own = counter.of([one])
    found = gaps_of(
        audit,
        [one.rows],
        own,
        counter.overall - own,
        stratified_gap,
        confidence,
        tested=False,
    )
    gap = found.gap[0]
    if np.isnan(gap.value):
        return MeasuredMetric(None, 0, 0, "not defined: no label has samples on both sides")
    low, high = sorted((sign * gap.low, sign * gap.high))
    support = int(found.n_slice[0] + found.n_rest[0])
    clusters = audit.clusters
    n_clusters = support if clusters is None else clusters.number
    return MeasuredMetric(type(gap)(sign * gap.value, low, high), support, n_clusters)


def _unknown(support: int, reason: str, _confidence: float) -> MeasuredMetric:
    return MeasuredMetric(None, support, 0, reason)


def _with_enough_clusters(ask: Measure, confidence: float) -> MeasuredMetric:
    """A number without a value if it rests on too few clusters to know its uncertainty."""
    found = ask(confidence)
    if found.value is None or found.n_clusters >= LEAST_CLUSTERS:
        return found
    reason = (
        f"its samples come from {found.n_clusters} of the {LEAST_CLUSTERS} clusters that are needed"
    )
    return MeasuredMetric(None, found.support, found.n_clusters, reason)
