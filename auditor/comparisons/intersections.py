"""Pairs of attribute values: error rates beyond what each value, and their sum, explain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from auditor.comparisons.slice_counts import Counts, SliceCounter, chunks, slice_identity
from auditor.phrasing import advice, interval, percent, points, whom
from auditor.records import (
    AuditData,
    Claim,
    ComparisonSizes,
    Effect,
    Estimate,
    IntersectionContrast,
    Skipped,
    Slice,
    SliceComparison,
    SliceKey,
)
from auditor.statistics import (
    Gaps,
    Interval,
    stratified_gap,
    stratified_interaction,
    wilson,
)


class Intersections:
    """Tests pairs of values for what their values do not already explain.

    A pair must fail more often than the rest of the first value, than the rest of the second, and than
    the sum of what both add. The claim is all three, so its p-value is the largest.

    Reference:
        R. L. Berger, "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24
        (1982) 295-300, for the intersection-union test.
    """

    def __init__(self, check: str, limit: float, audit: AuditData, counter: SliceCounter) -> None:
        self._check = check
        self._limit = limit
        self._audit = audit
        self._counter = counter
        self._coinciding = 0

    def claims(self, slices: Sequence[Slice], values: Sequence[Slice]) -> Iterator[Claim]:
        """One claim for every pair that the data can separate from its values.

        Args:
            slices: the pairs, without a label.
            values: the slices of single values, without a label.
        """
        place = {slice_identity(one.key): k for k, one in enumerate(values)}
        of_values = self._counter.of(values)
        for part in chunks(slices, len(self._audit.classes)):
            both = self._counter.of(part)
            parents = [
                of_values[[place[slice_identity(_parent(one.key, side))] for one in part]]
                for side in (0, 1)
            ]
            yield from self._part(part, both, *parents)

    def skipped(self) -> Iterator[Skipped]:
        """How many pairs could not be tested."""
        if self._coinciding:
            yield Skipped(
                check=self._check,
                reason=f"{self._coinciding} pairs of attribute values were not tested: fewer than "
                f"{self._audit.min_support} samples have only one of the two values and the same "
                "labels, so the data cannot separate the pair from that value",
            )

    def _part(
        self, part: Sequence[Slice], both: Counts, first: Counts, second: Counts
    ) -> Iterator[Claim]:
        first_only, second_only = first - both, second - both
        rest = self._counter.overall - both
        neither = rest - first_only - second_only
        whole, *against = (
            stratified_gap(both.failures, both.totals, other.failures, other.totals)
            for other in (rest, first_only, second_only)
        )
        cells = (both, first_only, second_only, neither)
        beyond = stratified_interaction(
            [cell.failures for cell in cells], [cell.totals for cell in cells]
        )
        rates = wilson(both.failures.sum(1), both.totals.sum(1))
        needed = self._audit.min_support
        for k, one in enumerate(part):
            fewest = min(min(gaps.n_slice[k], gaps.n_rest[k]) for gaps in against)
            if fewest < needed or np.isnan(beyond.p_value[k]):
                self._coinciding += 1
                continue
            # One-sided: the probability of a gap this large or larger.
            tails = [
                gaps.p_value[k] / 2 if gaps.gap.value[k] > 0 else 1 - gaps.p_value[k] / 2
                for gaps in against
            ]
            contrasts = [*(gaps.gap[k] for gaps in against), beyond.excess[k]]
            yield self._claim(
                one,
                rates[k],
                whole.gap[k],
                contrasts,
                float(max(*tails, beyond.p_value[k])),
                tuple(_sizes(gaps, k) for gaps in against),
            )

    def _claim(
        self,
        one: Slice,
        rate: Interval,
        gap: Interval,
        contrasts: list[Interval],
        p_value: float,
        sizes: tuple[ComparisonSizes, ...],
    ) -> Claim:
        least = min(contrasts, key=lambda contrast: contrast.value)
        names = list(one.key.attributes.items())
        alone = " and ".join(
            f"{points(contrast.value)} {_side(contrast)} than the other samples with {name} = {value}"
            for contrast, (name, value) in zip(contrasts[:2], names, strict=True)
        )
        return Claim(
            check=self._check,
            kind="outcome",
            title=f"{percent(rate.value)} of the {whom(one.key)} are misclassified: more than both "
            "values explain",
            slice=one.key,
            effect=Effect.measured(
                "error-rate gap beyond what each value explains", least, "points"
            ),
            limit=self._limit,
            p_value=p_value,
            support=one.support,
            samples=self._counter.highest_loss(one) if least.value > 0 else (),
            statement=(
                (
                    f"Of {one.support} {whom(one.key)}, {percent(rate.value)} are misclassified "
                    f"({interval(rate)}): {alone}, and {points(contrasts[2].value)} "
                    f"{_side(contrasts[2])} than the sum of what both values add, within labels."
                ),
                f"The effect is the smallest of the three ({interval(least, ' points')}).",
            ),
            action=advice(one.key),
            limits="It compares within labels and with each of the two attributes; what else differs "
            "is not held fixed.",
            evidence=(
                SliceComparison(
                    error_rate=Estimate.of(rate),
                    gap=Estimate.of(gap),
                ),
                IntersectionContrast(
                    against_each={
                        name: Estimate.of(contrast)
                        for contrast, (name, _) in zip(contrasts[:2], names, strict=True)
                    },
                    beyond_sum=Estimate.of(contrasts[2]),
                ),
            ),
            weight=max(0.0, least.value) * one.support,
            sizes=sizes,
        )


def _sizes(gaps: Gaps, k: int) -> ComparisonSizes:
    """Of one comparison, without its strata: there are very many pairs."""
    own, rest, rate = gaps.n_slice[k], gaps.n_rest[k], gaps.base_rate[k]
    return ComparisonSizes(np.array([own]), np.array([rest]), np.array([rate]))


def _side(contrast: Interval) -> str:
    return "more" if contrast.value >= 0 else "less"


def _parent(pair: SliceKey, side: int) -> SliceKey:
    """One of the two values of a pair."""
    return SliceKey(attributes=dict([tuple(pair.attributes.items())[side]]))
