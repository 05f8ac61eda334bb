"""Performance gap: is the error rate of a slice higher than that of the rest, class by class?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
from pydantic import Field

from auditor.checks import Check
from auditor.comparisons.confounding import (
    Confounding,
    explained_by,
    held_fixed,
    title_suffix,
)
from auditor.comparisons.intersections import Intersections
from auditor.comparisons.slice_counts import Counts, SliceCounter, chunks
from auditor.phrasing import advice, interval, percent, points, quoted, whom
from auditor.records import AuditData, Claim, Effect, Estimate, Examination, Slice, SliceComparison
from auditor.registry import plugin
from auditor.statistics import (
    Gaps,
    Interval,
    detectable_gap,
    proportion_gap,
    stratified_gap,
    wilson,
)

NAME = "performance-gap"
_REGRESSED = 5
"""Number of claims, those with most failures first, that also get a regression on all attributes."""


@plugin("check", NAME)
class PerformanceGap(Check):
    """Is the error rate of a slice higher than of the rest, class by class?

    Three questions, each with its own test: an attribute value against the rest of the same labels
    (Mantel and Haenszel's weights, Cochran–Mantel–Haenszel test); an attribute value within one label
    (Newcombe's interval, Fisher's exact test, mid-p); two values together against the rest of *each* of
    them and against the sum of what both add, so that a pair is found only for what its values do not
    already explain. The last one is an intersection-union test: its p-value is the largest of three
    one-sided ones.

    Reference:
        R. L. Berger, "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24
        (1982) 295-300, for the intersection-union test.
    """

    # The error rate is the first question of an audit, and it answers most of what the other checks
    # ask about a value.
    weight: ClassVar[float] = 4.0

    max_gap: float = Field(0.05, ge=0, le=1)
    """Largest acceptable gap in error rate (a share, 0 to 1)."""

    def examine(self, audit: AuditData) -> Examination:
        """Compares every slice with the rest."""
        counter = SliceCounter(audit)
        values, within, crossed = _by_question(audit.slices)
        found = _Claims(self.max_gap, audit, counter)
        claims = [*found.of_values(values), *found.of_labels(within)]
        held = _with_others_fixed(claims, values + within, audit)
        pairs = Intersections(NAME, self.max_gap, audit, counter)
        return Examination((*held, *pairs.claims(crossed, values)), tuple(pairs.skipped()))


def _by_question(slices: Sequence[Slice]) -> tuple[list[Slice], list[Slice], list[Slice]]:
    single = [one for one in slices if len(one.key.attributes) == 1]
    return (
        [one for one in single if one.key.label is None],
        [one for one in single if one.key.label is not None],
        [one for one in slices if len(one.key.attributes) == 2 and one.key.label is None],
    )


def _with_others_fixed(
    claims: Sequence[Claim], slices: Sequence[Slice], audit: AuditData
) -> Iterator[Claim]:
    """Adds to every significant gap what is left of it with other attributes held fixed."""
    significant = [
        one
        for one in claims
        if one.effect is not None and one.effect.value > 0 and one.p_value is not None
        if one.p_value <= audit.alpha
    ]
    largest = sorted(significant, key=lambda one: -one.weight)[:_REGRESSED]
    confounding = Confounding(audit)
    for claim, one in zip(claims, slices, strict=True):
        if not any(claim is other for other in significant) or claim.effect is None:
            yield claim
            continue
        gap = Interval(claim.effect.value, claim.effect.low, claim.effect.high)
        gaps = confounding.one_by_one(one, gap)
        regressed = gaps and any(claim is other for other in largest)
        held = held_fixed(gaps, confounding.jointly(one) if regressed else None, gap)
        yield replace(
            claim,
            title=claim.title + title_suffix(held),
            evidence=(*claim.evidence, held),
            explained_by=explained_by(held),
        )


class _Claims:
    """Compares slices by their counts and states each comparison as a claim."""

    def __init__(self, limit: float, audit: AuditData, counter: SliceCounter) -> None:
        self._limit = limit
        self._audit = audit
        self._counter = counter

    def of_values(self, slices: list[Slice]) -> Iterator[Claim]:
        for part in chunks(slices, len(self._audit.classes)):
            own = self._counter.of(part)
            rest = self._counter.overall - own
            gaps = stratified_gap(own.failures, own.totals, rest.failures, rest.totals)
            yield from self._compared(part, own, gaps)

    def of_labels(self, slices: list[Slice]) -> Iterator[Claim]:
        for part in chunks(slices, len(self._audit.classes)):
            own = self._counter.of(part)
            labels = [self._audit.classes.index(str(one.key.label)) for one in part]
            each = np.arange(len(part))
            rest = Counts(
                self._counter.overall.failures[0, labels] - own.failures[each, labels],
                self._counter.overall.totals[0, labels] - own.totals[each, labels],
            )
            gaps = proportion_gap(
                own.failures[each, labels], own.totals[each, labels], rest.failures, rest.totals
            )
            yield from self._compared(part, own, gaps)

    def _compared(self, slices: Sequence[Slice], own: Counts, gaps: Gaps) -> Iterator[Claim]:
        rates = wilson(own.failures.sum(1), own.totals.sum(1))
        base = np.where(np.isfinite(gaps.base_rate), gaps.base_rate, 0.5)
        detectable = detectable_gap(gaps.n_slice, gaps.n_rest, base, alpha=self._audit.alpha)
        needed = self._audit.min_support
        for k, one in enumerate(slices):
            smallest = float(detectable[k]) if np.isfinite(detectable[k]) else None
            reason = _untestable(one, int(gaps.n_slice[k]), int(gaps.n_rest[k]), needed, smallest)
            if reason is None:
                gap, rest = gaps.gap[k], float(gaps.base_rate[k])
                yield self._claim(one, rates[k], gap, rest, float(gaps.p_value[k]), smallest)
            else:
                yield self._untested(one, rates[k], reason, smallest)

    def _claim(
        self,
        one: Slice,
        rate: Interval,
        gap: Interval,
        rest: float,
        p_value: float,
        smallest: float | None,
    ) -> Claim:
        key = one.key
        called_as = self._counter.most_predicted(one)
        called = _called(called_as, rate, one.support)
        if key.label is not None:
            title = (
                f"{percent(rate.value)} of the {whom(key)} are {called}; "
                f"{percent(rest)} of the other {quoted(key.label)} samples"
            )
            against = f"of the other {quoted(key.label)} samples, {percent(rest)} are misclassified"
            limits = (
                "It compares error rates and cannot show that the attribute itself is the cause: check "
                "the maps, and what else differs in this slice."
            )
        else:
            title = (
                f"{percent(rate.value)} of the {whom(key)} are {called}: "
                f"{points(gap.value)} {'more' if gap.value >= 0 else 'less'} than the rest of the "
                "same labels"
            )
            against = f"of the rest, with labels in the same proportion, {percent(rest)}"
            limits = (
                "It compares within labels, so harder classes do not count against the slice; other "
                "differences between slice and rest are not held fixed."
            )
        statement = (
            (
                f"Of {one.support} {whom(key)}, {percent(rate.value)} are {called} "
                f"({interval(rate)}); {against}."
            ),
            f"The gap is {points(gap.value)} ({interval(gap, ' points')}).",
        )
        return Claim(
            check=NAME,
            kind=PerformanceGap.kind,
            title=title,
            slice=key,
            effect=Effect.measured("error-rate gap", gap, "points"),
            limit=self._limit,
            p_value=p_value,
            support=one.support,
            samples=self._counter.highest_loss(one) if gap.value > 0 else (),
            statement=statement,
            action=advice(key),
            limits=limits,
            evidence=(
                SliceComparison(
                    error_rate=Estimate.of(rate),
                    rest_error_rate=rest,
                    gap=Estimate.of(gap),
                    detectable_gap=smallest,
                    most_predicted=None if called_as is None else called_as[0],
                ),
            ),
            weight=max(0.0, gap.value) * one.support,
        )

    def _untested(self, one: Slice, rate: Interval, reason: str, smallest: float | None) -> Claim:
        return Claim(
            check=NAME,
            kind=PerformanceGap.kind,
            title=f"There are too few {whom(one.key)} to compare",
            slice=one.key,
            effect=None,
            limit=self._limit,
            p_value=None,
            support=one.support,
            samples=(),
            statement=(
                (
                    f"Of {one.support} {whom(one.key)}, {percent(rate.value)} are misclassified "
                    f"({interval(rate)})."
                ),
                f"Not tested: {reason}.",
            ),
            action=f"Evaluate more {whom(one.key)}; at least {self._audit.min_support} are needed.",
            limits="No conclusion is possible for this slice.",
            evidence=(SliceComparison(error_rate=Estimate.of(rate), detectable_gap=smallest),),
            untestable=reason,
            weight=float(one.support),
        )


def _called(called_as: tuple[str, int] | None, rate: Interval, support: int) -> str:
    """``called defective`` where nearly all failures go to one class, else ``misclassified``."""
    if called_as is None or called_as[1] < 0.95 * rate.value * support:
        return "misclassified"
    return f"called {called_as[0]}"


def _untestable(
    one: Slice, n_slice: int, n_rest: int, needed: int, smallest: float | None
) -> str | None:
    if one.support < needed or n_slice < needed:
        n = min(one.support, n_slice)
        few = f"{n} samples" if n != 1 else "1 sample"
    elif n_rest < needed:
        few = f"{n_rest} other samples of the same labels to compare with"
    else:
        return None
    if smallest is None:
        return f"no gap could have been seen with {few}"
    return f"a gap under {points(smallest)} could not have been seen with {few}"
