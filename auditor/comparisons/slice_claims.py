"""Claims about slices by one attribute, each against the rest of the same labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from auditor.comparisons.clusters import (
    CompareCounts,
    design_effects,
    effective,
    gaps_of,
    rates_of,
    too_few_clusters,
)
from auditor.comparisons.gap_texts import RatesOfGap
from auditor.comparisons.limits import Limits, finite
from auditor.comparisons.slice_counts import Counts, SliceCounter, chunks
from auditor.phrasing import (
    advice,
    amount,
    class_name,
    count,
    interval,
    limits,
    members_of,
    percent,
    percents,
    plural,
    points,
    quoted,
    whom,
)
from auditor.records import (
    AuditData,
    Claim,
    ClaimKind,
    ComparisonSizes,
    Effect,
    Estimate,
    Slice,
    SliceComparison,
    SliceKey,
)
from auditor.statistics import (
    Floats,
    Gaps,
    Interval,
    Intervals,
    exact_p_value,
    proportion_gap,
    stratified_gap,
    stratified_ratio,
    worse_p_values,
)


class SliceClaims:
    """Compares slices by their counts and states each comparison as a claim."""

    def __init__(
        self,
        check: str,
        kind: ClaimKind,
        limits: Limits,
        audit: AuditData,
        counter: SliceCounter,
    ) -> None:
        self._check, self._kind = check, kind
        self._limits = limits
        self._audit = audit
        self._counter = counter

    def of_values(self, slices: Sequence[Slice]) -> Iterator[Claim]:
        """One claim for each attribute value, within all labels together."""
        for part in chunks(slices, len(self._audit.classes)):
            own = self._counter.of(part)
            yield from self._compared(part, own, self._counter.overall - own, stratified_gap)

    def of_labels(self, slices: Sequence[Slice]) -> Iterator[Claim]:
        """One claim for each attribute value within one label."""
        for part in chunks(slices, len(self._audit.classes)):
            own = self._counter.of(part)
            labels = np.array([self._audit.classes.index(str(one.key.label)) for one in part])
            rest = self._counter.overall - own
            cells = _column(own, labels), _column(rest, labels)
            yield from self._compared(part, *cells, _gap_of_one_label)

    def _compared(
        self,
        slices: Sequence[Slice],
        own: Counts,
        rest: Counts,
        compare: CompareCounts,
    ) -> Iterator[Claim]:
        rows = [one.rows for one in slices]
        gaps = gaps_of(self._audit, rows, own, rest, compare)
        worth = design_effects(gaps)
        own, rest = effective(own, worth), effective(rest, worth)
        ratios = stratified_ratio(own.failures, own.totals, rest.failures, rest.totals).ratio
        p_values = worse_p_values(gaps)
        rates = rates_of(self._audit, slices)
        for k, one in enumerate(slices):
            sizes = ComparisonSizes.of(own.totals[k], rest.failures[k], rest.totals[k])
            reason = self._untestable(one, gaps, k)
            if reason is not None:
                yield self._untested(one, rates[k], reason, sizes)
                continue
            comparison = SliceComparison(
                error_rate=Estimate.of(rates[k]),
                rest_error_rate=float(gaps.base_rate[k]),
                gap=Estimate.of(gaps.gap[k]),
                ratio=_known(ratios, k),
                excluded_gap=float(gaps.gap.high[k]),
            )
            claim = self._claim(one, comparison, ratios[k], float(p_values[k]), sizes)
            yield graded_by_exact_test(claim, own[[k]], rest[[k]], self._audit.alpha)

    def _untestable(self, one: Slice, gaps: Gaps, k: int) -> str | None:
        needed = self._audit.min_support
        n_slice, n_rest = int(gaps.n_slice[k]), int(gaps.n_rest[k])
        if one.support < needed:
            return f"{plural(one.support, 'sample')} of the {needed} that are needed"
        if n_slice < needed:
            return (
                f"{plural(n_slice, 'sample')} with labels that the rest has as well, of the {needed} "
                "that are needed"
            )
        if n_rest < needed:
            return (
                f"{plural(n_rest, 'other sample')} of the same labels to compare with, of the "
                f"{needed} that are needed"
            )
        return too_few_clusters(self._audit, one) if np.isnan(gaps.p_value[k]) else None

    def _claim(
        self,
        one: Slice,
        comparison: SliceComparison,
        ratio: Interval,
        p_value: float,
        sizes: ComparisonSizes,
    ) -> Claim:
        key, rate, gap = one.key, _present(comparison.error_rate), _present(comparison.gap)
        effect, limit = self._limits.effect(gap, ratio)
        target = self._counter.most_predicted(one)
        outcome = _outcome_in_words(target, rate, one)
        return Claim(
            check=self._check,
            kind=self._kind,
            title=_title(key, comparison, effect, outcome),
            slice=key,
            effect=effect,
            limit=limit,
            p_value=p_value,
            support=one.support,
            samples=self._counter.highest_loss(one) if gap.value > 0 else (),
            statement=_statement(one, comparison, effect, outcome),
            action=advice(key),
            limits=_CAUTION_WITHIN if key.label is not None else _CAUTION,
            evidence=(
                comparison.model_copy(
                    update={"most_predicted": None if target is None else target[0]}
                ),
            ),
            weight=max(0.0, gap.value) * one.support,
            question="value" if key.label is None else "value within label",
            level_weight=1 - one.support / max(len(self._audit.predictions), 1),
            sizes=(sizes,),
        )

    def _untested(self, one: Slice, rate: Interval, reason: str, sizes: ComparisonSizes) -> Claim:
        return Claim(
            check=self._check,
            kind=self._kind,
            title=f"There are too few {whom(one.key)} to compare",
            slice=one.key,
            effect=None,
            limit=self._limits.gap,
            p_value=None,
            support=one.support,
            samples=(),
            statement=(f"Not tested: {reason}.",),
            action=f"Evaluate more {whom(one.key)}; at least {self._audit.min_support} are needed.",
            limits="No conclusion is possible for this slice.",
            evidence=(SliceComparison(error_rate=Estimate.of(rate)),),
            untestable=reason,
            weight=float(one.support),
            sizes=(sizes,),
        )


_FEW_FAILURES = 50
"""Failures of slice or rest up to which the exact test decides whether a gap is more than a note."""
_CAUTION = (
    "Samples are compared within labels, so harder classes do not count against the slice; other "
    "differences between slice and rest are not held fixed."
)
_CAUTION_WITHIN = (
    "A comparison of error rates cannot show that the attribute is the cause: check the maps, and what "
    "else differs in this slice."
)


def graded_by_exact_test(claim: Claim, own: Counts, rest: Counts, alpha: float) -> Claim:
    """A claim about few failures is a note if the two-sided exact test does not exclude chance.

    The tests of slices are one-sided mid-p tests, whose p-value may be less than half of that.

    Args:
        claim: about the gap of a slice.
        own: (1, S) counts of the slice; effective ones for clustered samples.
        rest: (1, S) counts of the samples that it is compared with.
        alpha: level of the audit.
    """
    effect, p_value = claim.effect, claim.p_value
    few = min(own.failures.sum(), rest.failures.sum()) <= _FEW_FAILURES
    if effect is None or p_value is None or p_value > alpha or not few:
        return claim
    exact = exact_p_value(own.failures[0], own.totals[0], rest.failures[0], rest.totals[0])
    nothing = 1.0 if effect.unit == "ratio" else 0.0
    if exact <= alpha or effect.low <= nothing:
        return claim
    sentence = (
        f"The exact two-sided test has p = {exact:.2f}: with so few failures, this may be chance, so it is a "
        "note."
    )
    graded_by = effect.model_copy(update={"low": nothing})
    return replace(claim, graded_by=graded_by, statement=(*claim.statement, sentence))


def _column(counts: Counts, labels: NDArray[np.int64]) -> Counts:
    """(S, 1) counts of each slice in its own label."""
    each = np.arange(len(labels))
    return Counts(counts.failures[each, labels][:, None], counts.totals[each, labels][:, None])


def _gap_of_one_label(
    failures: Floats,
    totals: Floats,
    rest_failures: Floats,
    rest_totals: Floats,
    confidence: float = 0.95,
) -> Gaps:
    """(S,) gaps from (S, 1) counts, with the mid-p version of Fisher's exact test."""
    cells = (failures[:, 0], totals[:, 0], rest_failures[:, 0], rest_totals[:, 0])
    return proportion_gap(*cells, confidence)


def _known(ratios: Intervals, k: int) -> Estimate | None:
    return Estimate.of(finite(ratios[k])) if np.isfinite(ratios.value[k]) else None


def _present(estimate: Estimate | None) -> Interval:
    if estimate is None:
        raise ValueError("expected a slice that could be compared")
    return Interval(estimate.value, estimate.low, estimate.high)


def _outcome_in_words(target: tuple[str, int] | None, rate: Interval, one: Slice) -> str:
    """``predicted as defective`` if nearly all failures go to one class, else ``misclassified``.

    With several labels it is ``misclassified as``: correct predictions may be that class as well.
    """
    if target is None or target[1] < 0.95 * rate.value * one.support:
        return "misclassified"
    called = "misclassified" if one.key.label is None else "predicted"
    return f"{called} as {class_name(target[0])}"


def _title(key: SliceKey, comparison: SliceComparison, effect: Effect, outcome: str) -> str:
    rates = _rates(comparison)
    if key.label is not None:
        own, rest = percents(rates.rate.value, rates.rest)
        return f"{own} of {members_of(key)} are {outcome}, {rest} of others"
    if effect.unit == "ratio":
        return rates.both(whom(key), outcome)
    return rates.difference(whom(key), outcome)


def _statement(
    one: Slice, comparison: SliceComparison, effect: Effect, outcome: str
) -> tuple[str, ...]:
    key, rates = one.key, _rates(comparison)
    who = f"{count(one.support)} {whom(key)}"
    if key.label is None:
        sentences = [*rates.sentences(who, outcome)]
    else:
        sentences = [
            (
                f"Of {who}, {percent(rates.rate.value)} are {outcome} ({interval(rates.rate)}); of the "
                f"other {quoted(key.label)} samples, {percent(rates.rest)} are misclassified."
            ),
            f"The gap is {points(rates.gap.value)} ({interval(rates.gap, ' points')}).",
        ]
    if effect.unit == "ratio":
        sentences.append(
            f"The error rate is {amount(effect.value, 'ratio')} that of the rest (95 % interval "
            f"{limits(effect, 'ratio')})."
        )
    return tuple(sentences)


def _rates(comparison: SliceComparison) -> RatesOfGap:
    return RatesOfGap(
        _present(comparison.error_rate),
        comparison.rest_error_rate or 0.0,
        _present(comparison.gap),
    )
