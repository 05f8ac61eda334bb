"""Image properties: does the error rate depend on blur, light, compression or the like?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.stats import norm

from auditor.checks import Check
from auditor.comparisons.clusters import design_effects, gaps_of, rates_of
from auditor.comparisons.confounding import Confounding
from auditor.comparisons.explanations import explained_by, held_fixed, title_suffix
from auditor.comparisons.gap_texts import RatesOfGap
from auditor.comparisons.slice_counts import Counts, SliceCounter
from auditor.phrasing import attribute_name, count, points, several, whom
from auditor.records import (
    AuditData,
    Claim,
    ComparisonSizes,
    Effect,
    Estimate,
    Examination,
    Quantities,
    Quantity,
    Slice,
    SliceComparison,
)
from auditor.records.predictions import codes
from auditor.registry import plugin
from auditor.statistics import (
    Floats,
    Gaps,
    Interval,
    cramers_v,
    proportion_gap,
    stratified_gap,
)
from auditor.statistics.intervals import two_sided_z

NAME = "image-properties"
_MIRRORED = 0.4
"""Association (Cramér's V) from which on a band and an attribute describe the same images: a band with
half of the images of one of two equally frequent values, and no others, has 0.58."""
_CONFIDENCES = tuple(float(1 - 2 * norm.sf(z)) for z in (0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 7))
"""Confidence levels of the intervals that are inverted to p-values; the smallest p-value is 1e-12."""


@plugin("check", NAME)
class ImageProperties(Check):
    """Does the error rate depend on properties without annotation: blur, light, colour, compression?

    Properties are measured from the images and cut into bands. A band is compared with the rest of
    the same labels, and within each label. Darker or fainter images are a little harder for any
    model, so the null hypothesis is not that there is no gap, but that the gap is acceptable: the
    p-value is the larger of that test's (by inverting the interval of the gap) and the usual one. A gap
    that an annotated attribute, or a property with a clearer gap, explains is reported with it.
    """

    handles_clusters: ClassVar[bool] = True

    max_gap: float = Field(0.05, ge=0, lt=1)
    """Largest acceptable gap in error rate between a band and the rest (a share, 0 to 1)."""

    def examine(self, audit: AuditData) -> Examination:
        """Compares every band of every property with the rest."""
        slices = [one for one in audit.computed_slices if one.support >= audit.min_support]
        if not slices:
            return Examination()
        counter = SliceCounter(audit)
        values = [one for one in slices if one.key.label is None]
        within = [one for one in slices if one.key.label is not None]
        tested = [
            *(self._tested(audit, values, _Against.rest(counter, values, audit)) if values else ()),
            *(
                self._tested(audit, within, _Against.label(counter, within, audit))
                if within
                else ()
            ),
        ]
        claims = [self._claim(one, audit, counter) for one in tested]
        return Examination(tuple(_explained(claims, tested, audit)))

    def _tested(
        self, audit: AuditData, slices: Sequence[Slice], against: _Against
    ) -> Iterator[_Tested]:
        gaps = against.gaps()
        exceeds = against.p_exceeds(self.max_gap, gaps.gap.value)
        p_values = np.where(np.isnan(gaps.p_value), np.nan, np.fmax(exceeds, gaps.p_value / 2))
        worth = design_effects(gaps)
        for k, one in enumerate(slices):
            enough = min(gaps.n_slice[k], gaps.n_rest[k]) >= audit.min_support
            if enough and np.isfinite(p_values[k]):
                yield _Tested(
                    one,
                    gaps.gap[k],
                    float(gaps.base_rate[k]),
                    float(p_values[k]),
                    ComparisonSizes(
                        gaps.n_slice[[k]] / worth[k],
                        gaps.n_rest[[k]] / worth[k],
                        gaps.base_rate[[k]],
                        self.max_gap,
                    ),
                )

    def _claim(self, tested: _Tested, audit: AuditData, counter: SliceCounter) -> Claim:
        one, gap = tested.slice, tested.gap
        rate = rates_of(audit, [one])[0]
        who = whom(one.key)
        name = attribute_name(next(iter(one.key.attributes)))
        rates = RatesOfGap(rate, tested.rest, gap)
        return Claim(
            check=NAME,
            kind=self.kind,
            title=rates.difference(who),
            slice=one.key,
            effect=Effect.measured("error-rate gap", gap, "points"),
            limit=self.max_gap,
            p_value=tested.p_value,
            support=one.support,
            samples=counter.highest_loss(one) if gap.value > 0 else (),
            statement=(
                *rates.sentences(f"{count(one.support)} {who}"),
                f"The test is whether the gap exceeds {points(self.max_gap)}.",
                f"The {name} was computed from the images, not annotated.",
            ),
            action=f"Check whether images of such {name} come from one source, and whether they occur "
            "in use. Then train with more of them, or with images changed in that way, and audit "
            "again.",
            limits="Images that differ in a property may differ in much else; the property itself need "
            "not be the cause.",
            evidence=(
                SliceComparison(
                    error_rate=Estimate.of(rate),
                    rest_error_rate=tested.rest,
                    gap=Estimate.of(gap),
                ),
            ),
            weight=max(0.0, gap.value) * one.support,
            computed=True,
            sizes=(tested.sizes,),
        )


@dataclass(frozen=True)
class _Tested:
    """A slice with its gap, the error rate of the rest, the p-value and the sizes of the comparison."""

    slice: Slice
    gap: Interval
    rest: float
    p_value: float
    sizes: ComparisonSizes


@dataclass(frozen=True)
class _Against:
    """Slices and their rest, with counts; labels, if any, on the last axis."""

    audit: AuditData
    slices: Sequence[Slice]
    own: Counts
    others: Counts

    @classmethod
    def rest(cls, counter: SliceCounter, slices: Sequence[Slice], audit: AuditData) -> _Against:
        """Against all other samples, label by label."""
        own = counter.of(slices)
        return cls(audit, slices, own, counter.overall - own)

    @classmethod
    def label(cls, counter: SliceCounter, slices: Sequence[Slice], audit: AuditData) -> _Against:
        """Against the other samples of each slice's label."""
        failure = audit.predictions["failure"].to_numpy(dtype=np.float64)
        label = [audit.classes.index(str(one.key.label)) for one in slices]
        failures = np.array([failure[one.rows].sum() for one in slices])
        totals = np.array([one.support for one in slices], dtype=np.float64)
        every = counter.overall
        own = Counts(failures, totals)
        return cls(
            audit, slices, own, Counts(every.failures[0, label], every.totals[0, label]) - own
        )

    def gaps(self, confidence: float = 0.95, *, tested: bool = True) -> Gaps:
        """The gaps of the slices, with intervals of that confidence."""
        compare = stratified_gap if self.own.failures.ndim > 1 else proportion_gap
        rows = [one.rows for one in self.slices]
        return gaps_of(self.audit, rows, self.own, self.others, compare, confidence, tested=tested)

    def __getitem__(self, chosen: list[int]) -> _Against:
        return _Against(
            self.audit,
            [self.slices[k] for k in chosen],
            Counts(self.own.failures[chosen], self.own.totals[chosen]),
            Counts(self.others.failures[chosen], self.others.totals[chosen]),
        )

    def p_exceeds(self, limit: float, value: Floats) -> Floats:
        """One-sided p-values of "the gap is at most the limit"; 1 where the gap is.

        Args:
            limit: the largest acceptable gap.
            value: (M,) the gaps.
        """
        p_values = np.ones(len(value))
        larger = np.flatnonzero(value > limit).tolist()
        if not larger:
            return p_values
        those = self[larger]
        p_values[larger] = p_exceeds(
            limit, value[larger], lambda confidence: those.gaps(confidence, tested=False).gap.low
        )
        return p_values


def p_exceeds(limit: float, value: Floats, low_at: Callable[[float], Floats]) -> Floats:
    """One-sided p-values of "the gap is at most the limit", by inverting the interval.

    Args:
        limit: the largest acceptable gap.
        value: (M,) the gaps, above the limit.
        low_at: takes a confidence and returns the (M,) lower limits.
    """
    arms = [two_sided_z(one) for one in _CONFIDENCES]
    lows = np.stack([value, *(low_at(one) for one in _CONFIDENCES)])
    # Lower limits fall as the half-widths grow, and np.interp needs ascending positions.
    reach = [np.interp(-limit, -low, [0.0, *arms]) for low in lows.T]
    return np.asarray(norm.sf(reach), dtype=np.float64)


def _explained(claims: Sequence[Claim], tested: Sequence[_Tested], audit: AuditData) -> list[Claim]:
    """Adds to each property's clearest gap what explains it, and the same to its other gaps.

    Annotated attributes and properties with a clearer gap are held fixed: of two properties that
    describe the same images, one represents both.
    """
    clear = [k for k, one in enumerate(claims) if (one.p_value or 0.0) <= audit.alpha]
    clear.sort(key=lambda k: (claims[k].p_value or 0.0, -claims[k].weight))
    clearest: dict[str, int] = {}
    for k in clear:
        clearest.setdefault(_property(claims[k]), k)
    changed = list(claims)
    clearer: list[Slice] = []
    for k in clearest.values():
        changed[k] = _held(claims[k], tested[k], audit, clearer)
        clearer.append(tested[k].slice)
    for k in clear:
        causes = changed[clearest[_property(claims[k])]].explained_by
        changed[k] = replace(changed[k], explained_by=causes)
    return changed


def _held(claim: Claim, tested: _Tested, audit: AuditData, clearer: Sequence[Slice]) -> Claim:
    """A claim with what remains of its gap when other attributes are held fixed."""
    names = [next(iter(one.key.attributes)) for one in clearer]
    audit = replace(audit, attributes=(*audit.attributes, *names))
    confounding = Confounding(audit, claim.limit)
    held = held_fixed(confounding.one_by_one(tested.slice, tested.gap), tested.gap)
    associated = _associated(audit, tested.slice)
    same = [one for one in clearer if _same_failures(audit, tested, one)]
    # A property is weak evidence of a cause: where most of its gap disappears with another attribute
    # held fixed, it is reported as a part of that cause, with the remaining gap.
    weakening = [one.attribute for one in held.gaps if one.state == "weakens"]
    causes = [next(iter(one.key.attributes)) for one in same] + list(associated) + weakening
    suffix = title_suffix(held, tested.gap) or (
        f"; {attribute_name(causes[0])} accounts for most of it" if causes else ""
    )
    strengths = Quantities(
        items=tuple(
            Quantity(name=f"association with {name} (Cramér's V)", value=strength, unit="score")
            for name, strength in associated.items()
        )
    )
    return replace(
        claim,
        title=claim.title + suffix,
        statement=(*claim.statement, *_related(same, associated)),
        evidence=(*claim.evidence, held, *([strengths] if associated else [])),
        explained_by=tuple(dict.fromkeys((*explained_by(held), *causes))),
    )


def _associated(audit: AuditData, one: Slice) -> dict[str, float]:
    """Attributes that describe the same images as a slice, with Cramér's V, the strongest first."""
    inside = np.zeros(len(audit.predictions), dtype=bool)
    inside[one.rows] = True
    strength = {name: _association(audit, inside, name) for name in audit.attributes}
    ordered = sorted(strength, key=lambda name: -strength[name])
    return {name: strength[name] for name in ordered if strength[name] >= _MIRRORED}


def _related(same: Sequence[Slice], associated: Mapping[str, float]) -> Iterator[str]:
    if same:
        yield f"Outside of {whom(same[0].key)}, little of the gap is left."
    if associated:
        yield (
            f"These images are associated with {several([attribute_name(one) for one in associated])} "
            "(Cramér's V "
            f"{max(associated.values()):.2f})."
        )


def _same_failures(audit: AuditData, tested: _Tested, other: Slice) -> bool:
    """Whether a slice has no gap outside of another slice: the same images fail."""
    frame = audit.predictions
    label = codes(frame["label"])
    failure = frame["failure"].to_numpy(dtype=bool)
    inside, outside = np.zeros(len(frame), dtype=bool), np.ones(len(frame), dtype=bool)
    inside[tested.slice.rows] = True
    outside[other.rows] = False
    if tested.slice.key.label is not None:
        outside &= label == audit.classes.index(tested.slice.key.label)
    own, rest = (
        [np.bincount(label[part], minlength=len(audit.classes)) for part in (side & failure, side)]
        for side in (inside & outside, ~inside & outside)
    )
    left = stratified_gap(own[0], own[1], rest[0], rest[1]).gap[()]
    return left.value < tested.gap.value / 2 and left.high < tested.gap.value


def _association(audit: AuditData, inside: NDArray[np.bool_], name: str) -> float:
    """Bias-corrected Cramér's V of slice membership and a column; 0 where that is constant."""
    column = audit.predictions[name]
    value, n_values = codes(column), len(column.cat.categories)
    table = np.stack([np.bincount(value[part], minlength=n_values) for part in (inside, ~inside)])
    strength = float(cramers_v(table[:, table.sum(0) > 0]))
    return strength if np.isfinite(strength) else 0.0


def _property(claim: Claim) -> str:
    return next(iter(claim.slice.attributes))
