"""Pairs of attribute values: error rates beyond what each value, and their sum, explain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from auditor.comparisons.clustered_pairs import PairContrasts, clustered_contrasts
from auditor.comparisons.clusters import inflation, rates_of, widened
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
    LEAST_CLUSTERS,
    Floats,
    Gaps,
    Interactions,
    Interval,
    stratified_gap,
    stratified_interaction,
    worse_p_values,
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
        self._too_few_clusters = 0

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
            sides = [
                [place[slice_identity(_parent(one.key, side))] for one in part] for side in (0, 1)
            ]
            parents = [(values[one], values[other]) for one, other in zip(*sides, strict=True)]
            first, second = (of_values[side] for side in sides)
            yield from self._part(part, both, first, second, parents)

    def skipped(self) -> Iterator[Skipped]:
        """How many pairs could not be tested."""
        if self._coinciding:
            yield Skipped(
                check=self._check,
                reason=f"{self._coinciding} pairs of attribute values were not tested: fewer than "
                f"{self._audit.min_support} samples have only one of the two values and the same "
                "labels, so the data cannot separate the pair from that value",
            )
        if self._too_few_clusters and self._audit.clusters is not None:
            yield Skipped(
                check=self._check,
                reason=f"{self._too_few_clusters} pairs of attribute values were not tested: fewer than "
                f"{LEAST_CLUSTERS} clusters by {self._audit.clusters.name} have both values, or only one "
                "of them",
            )

    def _part(
        self,
        part: Sequence[Slice],
        both: Counts,
        first: Counts,
        second: Counts,
        parents: Sequence[tuple[Slice, Slice]],
    ) -> Iterator[Claim]:
        contrasts = _contrasts(self._counter.overall, both, first, second)
        failure = self._audit.predictions["failure"].to_numpy(dtype=bool)
        factor = inflation(self._audit, failure, [one.rows for one in part])
        rates = rates_of(self._audit, part)
        needed, clustered = self._audit.min_support, self._audit.clusters is not None
        for k, one in enumerate(part):
            if contrasts.fewest(k) < needed or np.isnan(contrasts.beyond.p_value[k]):
                self._coinciding += 1
                continue
            found, p_value = contrasts.of(k, float(factor[k])), float(contrasts.p_values[k])
            # Clusters can only make p-values of this kind matter that are small without them.
            if clustered and p_value <= self._audit.alpha:
                found = clustered_contrasts(self._audit, one, *parents[k])
                p_value = float(np.maximum(p_value, found.p_value))
            if np.isnan(p_value):
                self._too_few_clusters += 1
                continue
            yield self._claim(one, rates[k], found, p_value, contrasts.sizes(k, factor[k]))

    def _claim(
        self,
        one: Slice,
        rate: Interval,
        found: PairContrasts,
        p_value: float,
        sizes: tuple[ComparisonSizes, ...],
    ) -> Claim:
        contrasts = [*found.against, found.beyond]
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
                    gap=Estimate.of(found.whole),
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


@dataclass(frozen=True)
class _Contrasts:
    """Contrasts of M pairs, from counts."""

    whole: Gaps
    against: tuple[Gaps, Gaps]
    beyond: Interactions
    p_values: Floats

    def fewest(self, k: int) -> float:
        """The smallest side of the comparisons of a pair with its values."""
        return float(min(min(gaps.n_slice[k], gaps.n_rest[k]) for gaps in self.against))

    def of(self, k: int, factor: float) -> PairContrasts:
        """The contrasts of a pair whose samples are worth less than independent ones by a factor."""
        found = (self.whole.gap[k], *(gaps.gap[k] for gaps in self.against))
        whole, one, other = (widened(gap, factor) for gap in found)
        beyond = widened(self.beyond.excess[k], factor, -2.0, 2.0)
        return PairContrasts(whole, (one, other), beyond, float(self.p_values[k]))

    def sizes(self, k: int, factor: float) -> tuple[ComparisonSizes, ...]:
        """Of the comparisons with the values, without their strata: there are very many pairs."""
        return tuple(
            ComparisonSizes(
                gaps.n_slice[[k]] / factor, gaps.n_rest[[k]] / factor, gaps.base_rate[[k]]
            )
            for gaps in self.against
        )


def _contrasts(overall: Counts, both: Counts, first: Counts, second: Counts) -> _Contrasts:
    first_only, second_only = first - both, second - both
    rest = overall - both
    neither = rest - first_only - second_only
    whole, one, other = (
        stratified_gap(both.failures, both.totals, side.failures, side.totals)
        for side in (rest, first_only, second_only)
    )
    cells = (both, first_only, second_only, neither)
    beyond = stratified_interaction(
        [cell.failures for cell in cells], [cell.totals for cell in cells]
    )
    tails = np.maximum(worse_p_values(one), worse_p_values(other))
    return _Contrasts(whole, (one, other), beyond, np.maximum(tails, beyond.p_value))


def _side(contrast: Interval) -> str:
    return "more" if contrast.value >= 0 else "less"


def _parent(pair: SliceKey, side: int) -> SliceKey:
    """One of the two values of a pair."""
    return SliceKey(attributes=dict([tuple(pair.attributes.items())[side]]))
