"""Intersections of attribute values: error rates beyond what fewer values, and their sum, explain."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from auditor.comparisons.clustered_intersections import CrossedContrasts, clustered_contrasts
from auditor.comparisons.clusters import inflation, rates_of, widened
from auditor.comparisons.slice_counts import Counts, SliceCounter, chunks, slice_identity
from auditor.phrasing import advice, interval, percent, points, whom
from auditor.phrasing.clusters import cluster_count
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
    interaction_cells,
    stratified_gap,
    stratified_interaction,
    worse_p_values,
)

_CONTAINED = {2: "that value", 3: "that pair"}
_CONTAINED_IN_TITLE = {2: "both values", 3: "its pairs of values"}
_ADDED = {2: "both values", 3: "its values and pairs"}
"""What an intersection of two or three values is compared with, in words."""


class Intersections:
    """Tests intersections of two or three values for what fewer of the values do not already explain.

    A pair must fail more often than the rest of the first value, than the rest of the second, and than
    the sum of what both add. A triple must fail more often than the rest of each of its three pairs, and
    than the sum of what its values and pairs add. The claim is all of these, so its p-value is the
    largest.

    Reference:
        R. L. Berger, "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24
        (1982) 295-300, for the intersection-union test.
    """

    def __init__(self, check: str, limit: float, audit: AuditData, counter: SliceCounter) -> None:
        self._check = check
        self._limit = limit
        self._audit = audit
        self._counter = counter
        self._coinciding: Counter[int] = Counter()
        self._too_few_clusters: Counter[int] = Counter()
        self._containing = {
            slice_identity(one.key): one
            for one in audit.slices
            if one.key.label is None and not one.tail
        }

    def claims(self, slices: Sequence[Slice]) -> Iterator[Claim]:
        """One claim for every intersection that the data can separate from what contains it.

        Args:
            slices: intersections, without a label.
        """
        for number in (2, 3):
            chosen = [one for one in slices if len(one.key.attributes) == number]
            for part in chunks(chosen, len(self._audit.classes)):
                yield from self._part(part, number)

    def skipped(self) -> Iterator[Skipped]:
        """How many intersections could not be tested."""
        for number, what, fewer in (
            (2, "pairs", "one of the two values"),
            (3, "triples", "two of the three values"),
        ):
            if self._coinciding[number]:
                yield Skipped(
                    check=self._check,
                    reason=f"{self._coinciding[number]} {what} of attribute values were not tested: fewer "
                    f"than {self._audit.min_support} samples have only {fewer} and the same labels, so "
                    f"the data cannot separate the {what[:-1]} from {_CONTAINED[number]}",
                )
            if self._too_few_clusters[number] and self._audit.clusters is not None:
                yield Skipped(
                    check=self._check,
                    reason=f"{self._too_few_clusters[number]} {what} of attribute values were not tested: "
                    f"fewer than {cluster_count(LEAST_CLUSTERS, self._audit.clusters.name)} have all "
                    "values, "
                    "or only some of them",
                )

    def _part(self, part: Sequence[Slice], number: int) -> Iterator[Claim]:
        if not part:
            return
        contrasts = _contrasts(self._counts(part, number), number)
        failure = self._audit.predictions["failure"].to_numpy(dtype=bool)
        factor = inflation(self._audit, failure, [one.rows for one in part])
        rates = rates_of(self._audit, part)
        needed, clustered = self._audit.min_support, self._audit.clusters is not None
        for k, one in enumerate(part):
            if contrasts.fewest(k) < needed or np.isnan(contrasts.beyond.p_value[k]):
                self._coinciding[number] += 1
                continue
            found, p_value = contrasts.of(k, float(factor[k])), float(contrasts.p_values[k])
            # Clusters can only make p-values of this kind matter that are small without them.
            if clustered and p_value <= self._audit.alpha:
                parents, values = (self._of(_subsets(one.key, n)) for n in (number - 1, 1))
                found = clustered_contrasts(self._audit, one, parents, values)
                p_value = float(np.maximum(p_value, found.p_value))
            if np.isnan(p_value):
                self._too_few_clusters[number] += 1
                continue
            yield self._claim(one, rates[k], found, p_value, contrasts.sizes(k, factor[k]))

    def _of(self, keys: Sequence[SliceKey]) -> list[Slice]:
        return [self._containing[slice_identity(key)] for key in keys]

    def _counts(self, part: Sequence[Slice], number: int) -> dict[tuple[bool, ...], Counts]:
        """Counts of the samples that have at least some of the values, (M, K) each."""
        found = {(False,) * number: self._counter.overall, (True,) * number: self._counter.of(part)}
        for cell in interaction_cells(number)[1:-1]:
            slices = [self._containing[slice_identity(_kept(one.key, cell))] for one in part]
            place = {id(one): k for k, one in enumerate({id(one): one for one in slices}.values())}
            distinct = list({id(one): one for one in slices}.values())
            found[cell] = self._counter.of(distinct)[[place[id(one)] for one in slices]]
        return found

    def _claim(
        self,
        one: Slice,
        rate: Interval,
        found: CrossedContrasts,
        p_value: float,
        sizes: tuple[ComparisonSizes, ...],
    ) -> Claim:
        contrasts = [*found.against, found.beyond]
        least = min(contrasts, key=lambda contrast: contrast.value)
        number = len(one.key.attributes)
        parents = _subsets(one.key, number - 1)
        alone = ", ".join(
            f"{points(contrast.value)} {_side(contrast)} than the other {whom(parent)}"
            for contrast, parent in zip(found.against, parents, strict=True)
        )
        return Claim(
            check=self._check,
            kind="outcome",
            title=f"{percent(rate.value)} of {whom(one.key)} fail, more than "
            f"{_CONTAINED_IN_TITLE[number]} explain",
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
                    f"({interval(rate)}): {alone}, and {points(found.beyond.value)} "
                    f"{_side(found.beyond)} than the sum of what {_ADDED[number]} add, within labels."
                ),
                (
                    f"The effect is the smallest of these ({interval(least, ' points')}), and the test is "
                    f"about that: it says nothing of the gap that {_ADDED[number]} explain."
                ),
            ),
            action=advice(one.key),
            limits="It compares within labels and with fewer of the values; what else differs "
            "is not held fixed.",
            evidence=(
                SliceComparison(
                    error_rate=Estimate.of(rate),
                    gap=Estimate.of(found.whole),
                ),
                IntersectionContrast(
                    against_each={
                        " and ".join(parent.attributes): Estimate.of(contrast)
                        for contrast, parent in zip(found.against, parents, strict=True)
                    },
                    beyond_sum=Estimate.of(found.beyond),
                ),
            ),
            weight=max(0.0, least.value) * one.support,
            sizes=sizes,
        )


@dataclass(frozen=True)
class _Contrasts:
    """Contrasts of M intersections, from counts."""

    whole: Gaps
    against: tuple[Gaps, ...]
    beyond: Interactions
    p_values: Floats

    def fewest(self, k: int) -> float:
        """The smallest side of the comparisons with fewer values."""
        return float(min(min(gaps.n_slice[k], gaps.n_rest[k]) for gaps in self.against))

    def of(self, k: int, factor: float) -> CrossedContrasts:
        """The contrasts of one whose samples are worth less than independent ones by a factor."""
        widest = float(len(self.against))
        whole, *against = (widened(gaps.gap[k], factor) for gaps in (self.whole, *self.against))
        beyond = widened(self.beyond.excess[k], factor, -(2 ** (widest - 1)), 2 ** (widest - 1))
        return CrossedContrasts(whole, tuple(against), beyond, float(self.p_values[k]))

    def sizes(self, k: int, factor: float) -> tuple[ComparisonSizes, ...]:
        """Of the comparisons with fewer values, without their strata: there are very many of them."""
        return tuple(
            ComparisonSizes(
                gaps.n_slice[[k]] / factor, gaps.n_rest[[k]] / factor, gaps.base_rate[[k]]
            )
            for gaps in self.against
        )


def _contrasts(counts: dict[tuple[bool, ...], Counts], number: int) -> _Contrasts:
    """Contrasts from the counts of the samples that have at least some of the values."""
    cells = interaction_cells(number)
    own = counts[cells[0]]
    whole, *against = (
        stratified_gap(own.failures, own.totals, rest.failures, rest.totals)
        for rest in (counts[cell] - own for cell in (cells[-1], *cells[1 : 1 + number]))
    )
    exact = [_exactly(counts, cell) for cell in cells]
    beyond = stratified_interaction(
        [cell.failures for cell in exact], [cell.totals for cell in exact]
    )
    p_values = [worse_p_values(one) for one in against]
    return _Contrasts(whole, tuple(against), beyond, np.max([*p_values, beyond.p_value], axis=0))


def _exactly(counts: dict[tuple[bool, ...], Counts], cell: tuple[bool, ...]) -> Counts:
    """Counts of the samples that have these values and none of the others, by inclusion and exclusion."""
    shape = counts[(True,) * len(cell)].totals.shape
    failures, totals = np.zeros(shape), np.zeros(shape)
    for other, one in counts.items():
        if all(has or not wanted for has, wanted in zip(other, cell, strict=True)):
            sign = (-1) ** (sum(other) - sum(cell))
            failures, totals = failures + sign * one.failures, totals + sign * one.totals
    return Counts(failures, totals)


def _side(contrast: Interval) -> str:
    return "more" if contrast.value >= 0 else "less"


def _kept(key: SliceKey, cell: tuple[bool, ...]) -> SliceKey:
    """Some of the values of an intersection."""
    return SliceKey(attributes=dict(itertools.compress(key.attributes.items(), cell)))


def _subsets(key: SliceKey, number: int) -> list[SliceKey]:
    """All choices of so many of the values, in the order of `interaction_cells`."""
    cells = interaction_cells(len(key.attributes))
    return [_kept(key, cell) for cell in cells if sum(cell) == number]
