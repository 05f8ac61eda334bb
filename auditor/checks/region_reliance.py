"""Region reliance: does what a region shows for an attribute value mislead the model?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from auditor.checks._fills import borrowed
from auditor.checks._outcomes import Limits, Outcome, comparisons
from auditor.checks._regions import LOOK_THERE, Region, attention, coarse, finer, sought
from auditor.checks._swaps import Sides
from auditor.checks._wording import (
    effect,
    interval,
    numbers,
    percent,
    points,
    signed_points,
    whom,
)
from auditor.records import Claim, Evidence, Examination, Oracle, Skipped, SliceKey
from auditor.registry import Options, plugin
from auditor.statistics import PairedMean, sign_flip

NAME = "region-reliance"


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
        limits = Limits(
            self.min_fall, self.search_pictures, self.test_pictures, self.max_comparisons
        )
        asked, skipped = comparisons(evidence, NAME, limits, "regions")
        claims = [self._claim(evidence, evidence.model, drawn) for drawn in asked]
        return Examination(tuple(claims), tuple(skipped))

    def _claim(self, evidence: Evidence, model: Oracle, sides: Sides) -> Claim:
        region = _found(model, sides)
        tried = _tried(model, sides, region, evidence.seed)
        outcome, more = tried.outcome, tried.more
        here = outcome.here
        question = sides.question
        key = SliceKey(attributes={question.name: question.value})
        holds = here.change.low > self.min_fall and more.change.low > 0
        turned = outcome.turned_to(evidence.classes)
        where = region.words
        into = outcome.into(evidence.classes)
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
            f"random other places of the same size, {signed_points(tried.elsewhere.change.value)}."
            + witness,
            action=LOOK_THERE,
            limits="It shows that this region's content moves the predictions; other regions may do "
            "so as well.",
            evidence={
                **region.record(),
                "fall": numbers(here.change),
                "fall_elsewhere": numbers(tried.elsewhere.change),
                **outcome.record(evidence.classes),
                "attention": looked,
            },
            weight=0.0,
            confirms=outcome.confirms(evidence) if holds else (),
        )


@dataclass(frozen=True)
class _Tried:
    """What the swap did at the region and at random other places.

    Attributes:
        outcome: at the region.
        elsewhere: mean change at other places.
        more: the region's less theirs.
    """

    outcome: Outcome
    elsewhere: PairedMean
    more: PairedMean


def _found(model: Oracle, sides: Sides) -> Region:
    """The region whose content costs the label most probability; a small one where it will do."""
    swaps, worse = sides.search, sides.question.worse[sides.search.label]
    pictures = model.pictures(swaps.rows)
    have, lack = model.pictures(swaps.have), model.pictures(swaps.lack)
    each = np.arange(len(swaps))

    def score(region: Region) -> float:
        with_value, without = (
            model.predict(borrowed(pictures, donors, region))[each, swaps.label]
            for donors in (have, lack)
        )
        return float((worse * (without - with_value)).mean())

    return sought(score, coarse(), finer)


def _tried(model: Oracle, sides: Sides, region: Region, seed: int) -> _Tried:
    """Fills the region, and random others, from both sides."""
    generator = np.random.default_rng(seed)
    swaps = sides.test
    pictures = model.pictures(swaps.rows)
    have, lack = model.pictures(swaps.have), model.pictures(swaps.lack)
    others = region.elsewhere(len(swaps), generator)

    def asked(regions: Region | list[Region]) -> Outcome:
        with_value, without = (
            model.predict(borrowed(pictures, donors, regions)).argmax(1) for donors in (have, lack)
        )
        return Outcome.of(sides.question, swaps, with_value, without, seed)

    here, there = asked(region), asked(others)
    return _Tried(here, there.here, sign_flip(here.fell - there.fell, seed=seed))


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
