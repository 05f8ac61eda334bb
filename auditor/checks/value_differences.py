"""Value differences: compares the values of an attribute with the best one and with a reference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from auditor.checks import Check
from auditor.comparisons.clusters import design_effects, effective, gaps_of
from auditor.comparisons.limits import Limits
from auditor.comparisons.slice_counts import SliceCounter
from auditor.comparisons.value_counts import DRAWS, ValueCounts, values_of_attributes
from auditor.phrasing import (
    advice,
    amount,
    attribute_name,
    condition,
    count,
    interval,
    limits,
    percent,
    percents,
    points,
    several,
    value_name,
    whom,
)
from auditor.records import (
    AuditData,
    Claim,
    ComparisonSizes,
    Effect,
    Examination,
    Skipped,
    Slice,
    ValueSpread,
)
from auditor.registry import plugin
from auditor.statistics import (
    Integers,
    Interval,
    ValueComparisons,
    compare_with_best,
    compare_with_reference,
    stratified_gap,
    stratified_ratio,
    worse_p_values,
)

NAME = "value-differences"
_FEWEST = 3
"""With two values, performance-gap already compares them with each other."""


@plugin("check", NAME)
class ValueDifferences(Check):
    """How do the values of an attribute compare with the best one, and with a reference value?

    If one site of five is better than the other four, each of the four is close to the average of all
    others, and a comparison with the rest does not show the difference. Each value is therefore also
    compared with the value that is most clearly better, and with ``slices.reference`` if it is stated,
    within labels. Intervals and tests account for the choice of the best value. A value that is better
    than the rest is reported if most others are worse than the best one: then the model works well
    only for a minority.

    Reference:
        The docstrings of ``auditor.statistics.pairwise``.
    """

    handles_clusters: ClassVar[bool] = True
    compares_attributes: ClassVar[bool] = True

    max_gap: float = Field(0.05, ge=0, le=1)
    """Largest acceptable gap in error rate between two values (a share, 0 to 1)."""
    max_ratio: float | None = Field(2.0, gt=1, le=1e6)
    """Largest acceptable ratio of two values' error rates of up to 10 %; null: no limit."""

    def examine(self, audit: AuditData) -> Examination:
        """Compares the values of every attribute."""
        counter = SliceCounter(audit)
        claims: list[Claim] = []
        skipped: list[Skipped] = []
        limits = Limits(self.max_gap, self.max_ratio)
        for counts in values_of_attributes(audit, counter):
            compared = _Compared(counts, limits, audit, counter)
            reference = audit.declared.reference_values.get(counts.attribute)
            if len(counts.values) >= _FEWEST:
                claims += compared.with_best()
            if reference is not None and reference not in counts.values:
                reason = (
                    f"{counts.attribute}: the reference value {reference} has fewer than "
                    f"{audit.min_support} samples"
                )
                skipped.append(Skipped(check=NAME, reason=reason))
            elif reference is not None and len(counts.values) > 1:
                claims += compared.with_reference(counts.values.index(reference))
        return Examination(tuple(claims), tuple(skipped))


@dataclass(frozen=True)
class _Compared:
    """The comparisons of one attribute's values."""

    counts: ValueCounts
    limits: Limits
    audit: AuditData
    counter: SliceCounter

    def with_best(self) -> Iterator[Claim]:
        """One claim for each value against the best one, then one for each that is better than the rest."""
        own = self.counts.worth
        found = compare_with_best(own.failures, own.totals, n_draws=DRAWS, seed=self.audit.seed)
        spread = self.counts.spread("best", found, self.audit.seed)
        yield from self._pairs(found, "best", spread)
        yield from self._better(found, spread)

    def with_reference(self, reference: int) -> Iterator[Claim]:
        """One claim for each value except the reference."""
        own = self.counts.worth
        found = compare_with_reference(
            own.failures, own.totals, reference, n_draws=DRAWS, seed=self.audit.seed
        )
        spread = self.counts.spread("reference", found, self.audit.seed)
        yield from self._pairs(found, "reference", spread)

    def _pairs(
        self,
        found: ValueComparisons,
        against: Literal["best", "reference"],
        spread: ValueSpread | None,
    ) -> Iterator[Claim]:
        tested = [k for k in range(len(self.counts.values)) if np.isfinite(found.p_value[k])]
        clearest = min(tested, key=lambda k: found.p_value[k], default=None)
        n_pairs = len(tested) * (len(tested) - 1) / 2 if against == "best" else len(tested)
        own, other = self.counts.worth[tested], self.counts.worth[found.comparator[tested].tolist()]
        ratios = stratified_ratio(
            own.failures,
            own.totals,
            other.failures,
            other.totals,
            confidence=1 - 0.05 / max(n_pairs, 1),
        ).ratio
        for k, ratio in zip(tested, ratios, strict=True):
            evidence = () if spread is None or k != clearest else (spread,)
            yield replace(self._pair(k, found, ratio, against), evidence=evidence)

    def _pair(
        self,
        k: int,
        found: ValueComparisons,
        ratio: Interval,
        against: Literal["best", "reference"],
    ) -> Claim:
        """A claim about a value and the one that it is compared with."""
        counts, one, other = self.counts, self.counts.slices[k], int(found.comparator[k])
        own = counts.worth
        gap = found.gap[k]
        effect, limit = self.limits.effect(gap, ratio)
        named = condition(counts.attribute, counts.values[other])
        rate, other_rate = percents(counts.rates[k], counts.rates[other])
        return Claim(
            check=NAME,
            kind=ValueDifferences.kind,
            title=f"{rate} of {whom(one.key)} are misclassified, {other_rate} "
            f"of those with {named}{', the reference' if against == 'reference' else ''}",
            slice=one.key,
            effect=effect,
            limit=limit,
            p_value=float(found.p_value[k]),
            support=one.support,
            samples=self.counter.highest_loss(one) if gap.value > 0 else (),
            statement=(_against(effect, gap, named, against),),
            action=advice(one.key),
            limits="Samples are compared within labels; other differences are not held fixed.",
            weight=self._excess_failures()[k],
            question="value against the best" if against == "best" else "values compared",
            joint=f"{counts.attribute}: {against}",
            sizes=(ComparisonSizes.of(own.totals[k], own.failures[other], own.totals[other]),),
        )

    def _better(self, found: ValueComparisons, spread: ValueSpread | None) -> Iterator[Claim]:
        """One claim for each value: is it better than the rest?"""
        own, rest = self.counts.own, self.counts.rest
        # Gaps of independent samples need the counts alone.
        clustered = self.audit.clusters is not None
        outside = [self._others(one) for one in self.counts.slices] if clustered else []
        gaps = gaps_of(self.audit, outside, rest, own, stratified_gap)
        n_samples = len(self.audit.predictions)
        worth = design_effects(gaps)
        own, rest = effective(own, worth), effective(rest, worth)
        ratios = stratified_ratio(rest.failures, rest.totals, own.failures, own.totals).ratio
        p_values, rates = worse_p_values(gaps), self.counts.intervals
        minority = self._minority(found, float(np.nanmax(gaps.gap.value, initial=0.0)))
        for k, one in enumerate(self.counts.slices):
            enough = min(gaps.n_slice[k], gaps.n_rest[k]) >= self.audit.min_support
            if not enough or np.isnan(p_values[k]):
                continue
            effect, limit = self.limits.effect(gaps.gap[k], ratios[k])
            rate, gap = rates[k], gaps.gap[k]
            # In these comparisons, the value itself is what the rest is compared with.
            own_rate = float(gaps.base_rate[k])
            rest_rate = own_rate + gap.value
            yield Claim(
                check=NAME,
                kind=ValueDifferences.kind,
                title=self._only(k, minority, own_rate, rest_rate),
                slice=one.key,
                # A value that is better than the rest is reported only if most values are worse.
                effect=effect if minority[k] else None,
                limit=limit,
                p_value=float(p_values[k]),
                support=one.support,
                samples=self.counter.highest_loss(Slice(one.key, self._others(one)))
                if minority[k]
                else (),
                statement=(
                    (
                        f"Of {count(one.support)} {whom(one.key)}, {percent(rate.value)} are misclassified "
                        f"({interval(rate)})."
                    ),
                    (
                        f"With labels weighted alike, it is {percent(own_rate)}, and {percent(rest_rate)} of "
                        f"the rest: a gap of {points(gap.value)} ({interval(gap, ' points')})."
                    ),
                ),
                action=f"Find out how the {whom(one.key)} differ, and train with more samples of the "
                "other values.",
                limits="Samples are compared within labels; other differences are not held fixed.",
                evidence=(spread,) if spread is not None and minority[k] else (),
                weight=max(0.0, gap.value) * (n_samples - one.support),
                question="values compared",
                level_weight=1 / len(self.counts.values),
                sizes=(ComparisonSizes.of(rest.totals[k], own.failures[k], own.totals[k]),),
            )

    def _others(self, one: Slice) -> Integers:
        """The samples that are not in a slice."""
        outside = np.ones(len(self.audit.predictions), dtype=bool)
        outside[one.rows] = False
        return np.flatnonzero(outside)

    def _minority(self, found: ValueComparisons, largest: float) -> NDArray[np.bool_]:
        """The values that are not worse than the best one, (V,), if most others are.

        A value is worse if it differs significantly, or by over half of what the rest differs from the
        best value; then the difference of the rest is not that of a few values. The finding does not
        rest on this, but on the test of the best value against all others together.

        Args:
            found: every value against the best one.
            largest: largest gap of a value's rest.
        """
        typical = found.gap.value > max(self.limits.gap, largest / 2)
        worse = (found.comparator >= 0) & ((found.gap.low > 0) | typical)
        support = self.counts.support
        most = worse.sum() >= len(worse) / 2 and support[worse].sum() > support.sum() / 2
        return np.asarray(~worse if most else np.zeros_like(worse), dtype=np.bool_)

    def _only(self, k: int, minority: NDArray[np.bool_], rate: float, rest: float) -> str:
        counts = self.counts
        who = whom(counts.slices[k].key)
        if not minority[k]:
            more = "less" if rest >= rate else "more"
            return f"{percent(rate)} of {who} are misclassified, {points(rest - rate)} {more} than others"
        best = [
            value_name(counts.attribute, value)
            for value, better in zip(counts.values, minority, strict=True)
            if better
        ]
        named = f"Only {attribute_name(counts.attribute)} = {several(best)}"
        if len(best) == 1:
            return f"{named} has a low error rate: {percent(rate)}, against {percent(rest)} of the rest"
        return (
            f"{named} have a low error rate: {percent(rate)} with "
            f"{value_name(counts.attribute, counts.values[k])}, against "
            f"{percent(rest)} of the rest"
        )

    def _excess_failures(self) -> list[float]:
        """(V,) failures in excess of those at the error rate of the rest."""
        own, rest = self.counts.own, self.counts.rest
        gap = stratified_gap(own.failures, own.totals, rest.failures, rest.totals).gap.value
        return [float(one) for one in np.maximum(np.nan_to_num(gap), 0) * self.counts.support]


def _against(
    effect: Effect, gap: Interval, named: str, against: Literal["best", "reference"]
) -> str:
    chosen = "the value that is most clearly better" if against == "best" else "the reference value"
    if effect.unit == "ratio":
        size = f"the error rate is {amount(effect.value, 'ratio')} as high (95 % interval "
        size += f"{limits(effect, 'ratio')})"
    else:
        more = "higher" if gap.value >= 0 else "lower"
        size = f"the error rate is {points(gap.value)} {more} ({interval(gap, ' points')}"
        size += ", jointly with all other values)"
    return f"Compared with {named}, {chosen}, within labels: {size}."
