"""Image properties: does the error rate go along with blur, light, compression or the like?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.stats import norm

from auditor.comparisons.confounding import (
    Confounding,
    as_evidence,
    explained_by,
    in_words,
    title_suffix,
)
from auditor.comparisons.slice_counts import SliceCounter
from auditor.phrasing import effect, interval, numbers, percent, points, several, whom
from auditor.records import AuditData, Claim, Examination, Slice
from auditor.records.predictions import property_name
from auditor.registry import Options, plugin
from auditor.statistics import (
    Floats,
    Gaps,
    Interval,
    cramers_v,
    detectable_gap,
    proportion_gap,
    stratified_gap,
    wilson,
)
from auditor.statistics.intervals import two_sided_z

NAME = "image-properties"
_MIRRORED = 0.4
"""Association (Cramér's V) from which on a band says of an image what an attribute says: half of the
images with one of two even values, and no others, have 0.58."""
_CONFIDENCES = tuple(float(1 - 2 * norm.sf(z)) for z in (0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 7))
"""Of the intervals between whose limits a p-value is read off; the smallest p-value is 1e-12."""


@plugin("check", NAME)
class ImageProperties(Options):
    """Does the error rate go along with what nobody annotated: blur, light, colour, compression?

    Properties are measured from the images and cut into bands; a band is compared with the rest
    of the same labels, and within each label. Darker or fainter images are a little harder for any
    model, so the hypothesis is not that there is no gap, but that the gap is acceptable: the p-value
    is the larger of that test's (by inverting the interval of the gap) and of the usual one. What an
    annotated attribute explains, or a property with a clearer gap, is told as a part of it.
    """

    max_gap: float = Field(0.05, ge=0, lt=1)
    """Largest acceptable gap in error rate between a band and the rest (a share, 0 to 1)."""

    def examine(self, audit: AuditData) -> Examination:
        """Compares every band of every property with the rest."""
        slices = [one for one in audit.computed_slices if one.support >= audit.min_support]
        if not slices:
            return Examination()
        tally = SliceCounter(audit)
        values = [one for one in slices if one.key.label is None]
        within = [one for one in slices if one.key.label is not None]
        tested = [
            *(self._tested(audit, values, _Against.rest(tally, values)) if values else ()),
            *(self._tested(audit, within, _Against.label(tally, within, audit)) if within else ()),
        ]
        claims = [self._claim(one, tally) for one in tested]
        return Examination(tuple(_explained(claims, tested, audit)))

    def _tested(
        self, audit: AuditData, slices: Sequence[Slice], against: _Against
    ) -> Iterator[_Tested]:
        gaps = against.gaps()
        p_values = np.fmax(against.p_beyond(self.max_gap), gaps.p_value / 2)
        base = np.where(np.isfinite(gaps.base_rate), gaps.base_rate, 0.5)
        smallest = detectable_gap(gaps.n_slice, gaps.n_rest, base, alpha=audit.alpha)
        for k, one in enumerate(slices):
            if min(gaps.n_slice[k], gaps.n_rest[k]) >= audit.min_support:
                yield _Tested(
                    one,
                    gaps.gap[k],
                    float(gaps.base_rate[k]),
                    float(p_values[k]),
                    float(smallest[k]) if np.isfinite(smallest[k]) else None,
                )

    def _claim(self, tested: _Tested, tally: SliceCounter) -> Claim:
        one, gap = tested.slice, tested.gap
        n_failures = int(tally.of([one]).failures.sum())
        rate = wilson(n_failures, one.support)[()]
        who = whom(one.key)
        name = property_name(next(iter(one.key.attributes))).replace("_", " ")
        return Claim(
            check=NAME,
            title=f"{percent(rate.value)} of the {who} are misclassified: {points(gap.value)} "
            f"{'more' if gap.value >= 0 else 'less'} than the rest of the same labels",
            slice=one.key,
            effect=effect("error-rate gap", gap),
            limit=self.max_gap,
            p_value=tested.p_value,
            support=one.support,
            samples=tally.worst(one) if gap.value > 0 else (),
            statement=f"Of {one.support} {who}, {percent(rate.value)} are misclassified "
            f"({interval(rate)}); of the rest, with labels in the same proportion, "
            f"{percent(tested.rest)}. The gap is {points(gap.value)} ({interval(gap, ' points')}); "
            f"tested is whether it exceeds {points(self.max_gap)}. Nobody annotated the {name}: it was "
            "computed from the images.",
            action=f"Look whether images of such {name} come from one source, and whether they occur "
            "in use. Then train with more of them, or with images changed in that way, and audit "
            "again.",
            limits="What differs in a property may differ in much else; the property itself need not be "
            "the cause.",
            evidence={
                "error_rate": numbers(rate),
                "rest_error_rate": tested.rest,
                "gap": numbers(gap),
                "detectable_gap": tested.smallest,
            },
            weight=max(0.0, gap.value) * one.support,
            computed=True,
        )


@dataclass(frozen=True)
class _Tested:
    """A slice with its gap, the rest's error rate, the p-value and the gap that could be seen."""

    slice: Slice
    gap: Interval
    rest: float
    p_value: float
    smallest: float | None


@dataclass(frozen=True)
class _Against:
    """Counts of slices and of what they are compared with; labels, if any, on the last axis."""

    failures: Floats
    totals: Floats
    rest_failures: Floats
    rest_totals: Floats

    @classmethod
    def rest(cls, tally: SliceCounter, slices: Sequence[Slice]) -> _Against:
        """Against all other samples, label by label."""
        own = tally.of(slices)
        rest = tally.everything - own
        return cls(own.failures, own.totals, rest.failures, rest.totals)

    @classmethod
    def label(cls, tally: SliceCounter, slices: Sequence[Slice], audit: AuditData) -> _Against:
        """Against the other samples of each slice's label."""
        failure = audit.predictions["failure"].to_numpy(dtype=np.float64)
        label = [audit.classes.index(str(one.key.label)) for one in slices]
        failures = np.array([failure[one.rows].sum() for one in slices])
        totals = np.array([one.support for one in slices], dtype=np.float64)
        every = tally.everything
        return cls(
            failures,
            totals,
            every.failures[0, label] - failures,
            every.totals[0, label] - totals,
        )

    def gaps(self, confidence: float = 0.95) -> Gaps:
        compare = stratified_gap if self.failures.ndim > 1 else proportion_gap
        return compare(self.failures, self.totals, self.rest_failures, self.rest_totals, confidence)

    def p_beyond(self, limit: float) -> Floats:
        """One-sided p-values of "the gap is at most the limit": where the interval touches it."""
        value = self.gaps().gap.value
        arms = [two_sided_z(one) for one in _CONFIDENCES]
        lows = np.stack([value, *(self.gaps(one).gap.low for one in _CONFIDENCES)])
        # Lower limits fall as the arms grow, and np.interp wants its places ascending.
        reach = [np.interp(-limit, -low, [0.0, *arms]) for low in lows.T]
        return np.where(value > limit, norm.sf(reach), 1.0)


def _explained(claims: Sequence[Claim], tested: Sequence[_Tested], audit: AuditData) -> list[Claim]:
    """Adds to each property's clearest gap what explains it, and to its other gaps by reference.

    Properties are held against the annotated attributes and against properties with a clearer gap:
    of two that mirror each other, one has to speak for both.
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
    """A claim with what becomes of its gap when other attributes are held fixed."""
    names = [next(iter(one.key.attributes)) for one in clearer]
    audit = replace(audit, attributes=(*audit.attributes, *names))
    held = Confounding(audit).one_by_one(tested.slice, tested.gap)
    inside = np.zeros(len(audit.predictions), dtype=bool)
    inside[tested.slice.rows] = True
    likeness = {name: _association(audit, inside, name) for name in audit.attributes}
    mirrored = {
        name: likeness[name]
        for name in sorted(likeness, key=lambda name: -likeness[name])
        if likeness[name] >= _MIRRORED
    }
    like = (
        f"These images go together with {several(list(mirrored))} (Cramér's V "
        f"{max(mirrored.values()):.2f})."
        if mirrored
        else ""
    )
    same = [one for one in clearer if _same_failures(audit, tested, one)]
    if same:
        like = f"Outside of {whom(same[0].key)}, little of the gap is left. {like}".rstrip()
    # A property is the weaker witness: where most of its gap goes with another attribute held
    # fixed, it is told as a part of that cause, with what is left of it.
    weakening = [one.attribute for one in held if one.state == "weakens"]
    causes = [next(iter(one.key.attributes)) for one in same] + list(mirrored) + weakening
    suffix = title_suffix(held) or (f"; most of it goes with {causes[0]}" if causes else "")
    words = (claim.statement, in_words(held, None, tested.gap), like)
    return replace(
        claim,
        title=claim.title + suffix,
        statement=" ".join(one for one in words if one),
        evidence=dict(claim.evidence) | as_evidence(held, None) | {"mirrors": mirrored},
        explained_by=tuple(dict.fromkeys((*explained_by(held), *causes))),
    )


def _same_failures(audit: AuditData, tested: _Tested, other: Slice) -> bool:
    """Whether a slice's gap is gone outside of another slice: the same images fail."""
    frame = audit.predictions
    label = frame["label"].cat.codes.to_numpy(dtype=np.int64)
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
    """Bias-corrected Cramér's V of being in a slice and a column; 0 where that does not vary."""
    column = audit.predictions[name].cat
    codes = column.codes.to_numpy(dtype=np.int64)
    n_values = len(column.categories)
    table = np.stack([np.bincount(codes[part], minlength=n_values) for part in (inside, ~inside)])
    strength = float(cramers_v(table[:, table.sum(0) > 0]))
    return strength if np.isfinite(strength) else 0.0


def _property(claim: Claim) -> str:
    return next(iter(claim.slice.attributes))
