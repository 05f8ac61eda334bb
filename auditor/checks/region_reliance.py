"""Region reliance: does what a region shows for an attribute value mislead the model?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from auditor.checks._regions import Pictures, Region, attention, coarse, filled, finer
from auditor.checks._swaps import Sides, Swaps, questions, sides
from auditor.checks._wording import (
    effect,
    interval,
    numbers,
    percent,
    points,
    several,
    signed_points,
    whom,
)
from auditor.records import Claim, Evidence, Examination, Oracle, Skipped, SliceKey
from auditor.registry import Options, plugin
from auditor.statistics import (
    Floats,
    Integers,
    PairedMean,
    sign_flip,
)

NAME = "region-reliance"
_SHOWN = 12
_FEWEST_SEARCHED = 8
"""Pictures to search a region on: with fewer it would be chance."""
_ENOUGH = 0.8
"""A small window with so much of a larger one's score is preferred: it says more about where."""
_LEAST_OF_LABEL = 8
"""Pictures of a label from which on it is looked at alone."""


@plugin("check", NAME)
class RegionReliance(Options):
    """Does what one region of the picture shows for an attribute value mislead the model?

    An intervention. In pictures of all values, a region is filled from other pictures of the same
    label: once from one that has the attribute value, once from one that has not. Both fillings are
    foreign, so that only the attribute's content differs. The region is found on some samples (16
    overlapping windows and the frame, by the change of the label's probability, then finer windows)
    and tested on others: by how much more often the model fails with the content of the side that
    fares worse with that label, and whether that is more than at random other places of the same
    size. The p-value is the larger one of the two sign-flip tests, as in every intersection-union
    test. Values without a gap are not examined: there is nothing to confirm.

    Where it holds, the gap of that attribute value is confirmed, and its place is known. A property
    of the whole picture (its texture, its brightness) has no such place and stays unconfirmed.

    Reference:
        R. L. Berger, "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24
        (1982) 295-300.
    """

    min_fall: float = Field(0.05, ge=0, le=1)
    """Smallest fall of accuracy that is told; its interval must lie above."""
    search_pictures: int = Field(12, ge=4)
    """Pictures of each side on which the region is searched."""
    test_pictures: int = Field(100, ge=20)
    """Largest number of pictures of each side on which it is tested."""
    max_comparisons: int = Field(12, ge=1)
    """Attribute values that are examined at most, those with the largest gaps first. Each takes
    about 52 forward passes for a search picture and 4 for a test picture."""

    def examine(self, evidence: Evidence) -> Examination:
        """Intervenes for every attribute value."""
        if evidence.model is None:
            return Examination(
                skipped=(Skipped(check=NAME, reason="the model is not at hand to be asked again"),)
            )
        wanted, idle = questions(evidence, self.min_fall)
        claims: list[Claim] = []
        skipped: list[Skipped] = []
        for question in wanted[: self.max_comparisons]:
            drawn = sides(evidence, question, self.search_pictures, self.test_pictures)
            if len(drawn.test) < evidence.min_support or len(drawn.search) < _FEWEST_SEARCHED:
                skipped.append(
                    Skipped(
                        check=NAME,
                        reason=f"{question.name} = {question.value}: too few pictures to swap regions "
                        "among, in labels that have this value and others",
                    )
                )
                continue
            claims.append(self._claim(evidence, evidence.model, drawn))
        if len(wanted) > self.max_comparisons:
            skipped.append(
                Skipped(
                    check=NAME,
                    reason=f"{len(wanted) - self.max_comparisons} attribute values with smaller "
                    "gaps were left out (checks.region-reliance.max_comparisons)",
                )
            )
        if idle:
            skipped.append(
                Skipped(
                    check=NAME,
                    reason=f"no pictures were swapped for {several(idle)}: there is no gap in the "
                    "error rate that could be confirmed",
                )
            )
        return Examination(tuple(claims), tuple(skipped))

    def _claim(self, evidence: Evidence, model: Oracle, sides: Sides) -> Claim:
        region = _found(model, sides)
        outcome = _tried(model, sides, region, evidence.seed)
        here, more = outcome.here, outcome.more
        question = sides.question
        key = SliceKey(attributes={question.name: question.value})
        holds = here.change.low > self.min_fall and more.change.low > 0
        turned = outcome.turned_to(evidence.classes)
        where = (
            f"the {region.place} of the picture" if not region.outside else "the picture's frame"
        )
        into = "" if turned is None else f", {percent(turned[1])} of these to {turned[0]}"
        looked = _looked(evidence, sides, region, None if turned is None else turned[0])
        witness = (
            ""
            if turned is None or looked is None
            else f" In the Grad-CAMs of {turned[0]}, {percent(looked[0])} of the evidence lies there "
            f"with that value, and {percent(looked[1])} with others."
        )
        return Claim(
            check=NAME,
            title=f"Swapping {where} between samples with {question.name} = {question.value} and "
            f"others costs {points(here.change.value)} of accuracy",
            slice=key,
            # Without an effect the test counts, and nothing is told of it.
            effect=effect("fall of accuracy when the region is swapped", here.change)
            if holds
            else None,
            limit=self.min_fall,
            p_value=max(here.p_value, more.p_value),
            support=len(sides.test),
            samples=outcome.samples(evidence),
            statement=f"An intervention: in {len(sides.test)} pictures, {where} ({percent(region.area)} of "
            f"it) was filled from other pictures of the same label: once from {whom(key)}, once from others. "
            f"With the content of the side that fares worse with that label, the model fails "
            f"{points(here.change.value)} more often ({interval(here.change, ' points')}{into}); at "
            f"random other places of the same size, {signed_points(outcome.elsewhere.change.value)}."
            + witness,
            action="Look at what these pictures show at that place. If it does not belong to the "
            "object, remove, mask or vary it in the training data, and audit again.",
            limits="It shows that this region's content moves the predictions; other regions may do "
            "so as well.",
            evidence={
                "place": region.place,
                "box": [
                    round(float(edge), 4) for edge in (region.x0, region.y0, region.x1, region.y1)
                ],
                "outside_of_box": region.outside,
                "fall": numbers(here.change),
                "fall_elsewhere": numbers(outcome.elsewhere.change),
                "failures_with_value": float(outcome.failed_with.mean()),
                "failures_with_others": float(outcome.failed_without.mean()),
                "turned_to": None if turned is None else turned[0],
                "attention": looked,
            },
            weight=0.0,
            confirms=(key, *(one for one in _confirmed(evidence, sides, outcome) if one != key))
            if holds
            else (),
        )


@dataclass(frozen=True)
class _Outcome:
    """What the intervention did.

    Attributes:
        swaps: the pictures.
        failed_with: (n,) whether the model fails with the value's content.
        failed_without: (n,) whether it fails with that of the others.
        fell: (n,) failure with the content that fares worse, minus failure with the other one.
        predicted: (n,) with the content that fares worse.
        here: mean of ``fell`` with its test.
        elsewhere: the same at other places.
        more: here less elsewhere.
    """

    swaps: Swaps
    failed_with: NDArray[np.bool_]
    failed_without: NDArray[np.bool_]
    fell: Floats
    predicted: Integers
    here: PairedMean
    elsewhere: PairedMean
    more: PairedMean

    def turned_to(self, classes: tuple[str, ...]) -> tuple[str, float] | None:
        """The class that the predictions turn to, and the share of them that does."""
        turned = self.predicted[self.fell > 0]
        if len(turned) == 0:
            return None
        counts = np.bincount(turned, minlength=len(classes))
        return classes[int(counts.argmax())], float(counts.max() / len(turned))

    def samples(self, evidence: Evidence) -> tuple[str, ...]:
        """Ids of the pictures that the swap led astray."""
        rows = self.swaps.rows[self.fell > 0][:_SHOWN]
        return tuple(evidence.predictions["sample"].iloc[rows].astype(str))


def _found(model: Oracle, sides: Sides) -> Region:
    """The region whose content costs the label most probability; a small one where it will do."""
    swaps, worse = sides.search, sides.question.worse[sides.search.label]
    pictures = model.pictures(swaps.rows)
    have, lack = model.pictures(swaps.have), model.pictures(swaps.lack)
    each = np.arange(len(swaps))

    def score(region: Region) -> float:
        with_value, without = (
            model.predict(filled(pictures, donors, region))[each, swaps.label]
            for donors in (have, lack)
        )
        return float((worse * (without - with_value)).mean())

    scores = {region: score(region) for region in coarse()}
    best = max(scores, key=lambda region: scores[region])
    fine = {region: score(region) for region in finer(best)}
    finest = max(fine, key=lambda region: fine[region], default=best)
    return finest if fine.get(finest, -np.inf) >= _ENOUGH * scores[best] else best


def _tried(model: Oracle, sides: Sides, region: Region, seed: int) -> _Outcome:
    """Fills the region, and random others, from both sides."""
    generator = np.random.default_rng(seed)
    swaps, worse = sides.test, sides.question.worse[sides.test.label]
    pictures = model.pictures(swaps.rows)
    have, lack = model.pictures(swaps.have), model.pictures(swaps.lack)
    others = region.elsewhere(len(swaps), generator)

    def asked(donors: Pictures, regions: Region | list[Region]) -> Integers:
        shares = model.predict(filled(pictures, donors, regions))
        return np.asarray(shares.argmax(1), dtype=np.int64)

    with_value, without = asked(have, region), asked(lack, region)
    failed_with, failed_without = with_value != swaps.label, without != swaps.label
    fell = worse * (failed_with.astype(np.float64) - failed_without)
    there = worse * (
        (asked(have, others) != swaps.label).astype(np.float64)
        - (asked(lack, others) != swaps.label)
    )
    here, elsewhere, more = (sign_flip(change, seed=seed) for change in (fell, there, fell - there))
    predicted = np.where(worse > 0, with_value, without)
    return _Outcome(swaps, failed_with, failed_without, fell, predicted, here, elsewhere, more)


def _confirmed(evidence: Evidence, sides: Sides, outcome: _Outcome) -> Iterator[SliceKey]:
    """The slices whose gap the swap brings about: values, and labels where it does in them alone."""
    question, seed = sides.question, evidence.seed
    keys = {1.0: {question.name: question.value}}
    if question.other is not None:
        keys[-1.0] = {question.name: question.other}
    # A value as a whole fails more only if the labels do not make up for each other.
    whole = sign_flip(outcome.failed_with.astype(np.float64) - outcome.failed_without, seed=seed)
    sign = float(np.sign(whole.change.value))
    if sign in keys and whole.p_value <= evidence.alpha:
        yield SliceKey(attributes=keys[sign])
    codes, counts = np.unique(sides.test.label, return_counts=True)
    large = codes[counts >= _LEAST_OF_LABEL]
    for code in large:
        alone = sign_flip(outcome.fell[sides.test.label == code], seed=seed)
        sign = float(question.worse[code])
        if sign in keys and alone.change.value > 0 and alone.p_value <= evidence.alpha / len(large):
            yield SliceKey(attributes=keys[sign], label=evidence.classes[code])


def _looked(
    evidence: Evidence, sides: Sides, region: Region, label: str | None
) -> tuple[float, float] | None:
    """Shares of the evidence for a label in the region, with the value and without."""
    if evidence.maps is None or label is None:
        return None
    cells = [
        c for c in evidence.maps.cells if c.attribute == sides.question.name and c.label == label
    ]
    none = np.zeros(0, dtype=np.int64)
    parts = []
    for side in (True, False):
        chosen = [c.rows for c in cells if (c.value == sides.question.value) == side]
        part = attention(evidence.maps.of(np.concatenate([none, *chosen])), region)
        if np.isnan(part).all():  # also where there is none
            return None
        parts.append(float(np.nanmean(part)))
    return parts[0], parts[1]
