"""Region reliance: does what a region shows for an attribute value mislead the model?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field

from auditor.checks import Check, Need
from auditor.interventions.infill import borrowed
from auditor.interventions.matched_pairs import SearchAndTest
from auditor.interventions.paired_effects import Limits, PairedEffect, comparisons
from auditor.interventions.regions import LOOK_THERE, Region, attention, coarse, finer, sought
from auditor.phrasing import interval, percent, points, signed_points, whom
from auditor.records import (
    AuditData,
    Claim,
    ClaimKind,
    Effect,
    Estimate,
    EvidencePart,
    Examination,
    Intervention,
    InterventionEffect,
    ModelAccess,
    Quantities,
    Quantity,
    Skipped,
    SliceKey,
)
from auditor.registry import plugin
from auditor.statistics import PairedMean, sign_flip

NAME = "region-reliance"


@plugin("check", NAME)
class RegionReliance(Check):
    """Does what one region of the image shows for an attribute value mislead the model?

    An intervention. In images of all values, a region is filled from other images of the same
    label: once from one that has the attribute value, once from one that has not. Both fillings are
    foreign, so that only the attribute's content differs. The region is found on some samples (16
    overlapping windows and the frame, by the change of the label's probability, then finer windows)
    and tested on others: by how much more often the model fails with the content of the side that
    fares worse with that label, and whether that is more than at random other places of the same
    size. The p-value is the larger one of the two sign-flip tests, as in every intersection-union
    test. Values without a gap are not examined: there is nothing to confirm.

    Where it holds, the gap of that attribute value is confirmed, and its place is known. A property
    of the whole image (its texture, its brightness) has no such place and stays unconfirmed.

    Reference:
        R. L. Berger, "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24
        (1982) 295-300.
    """

    kind: ClassVar[ClaimKind] = "robustness"
    needs: ClassVar[frozenset[Need]] = frozenset({"model"})
    renamed: ClassVar[Mapping[str, str]] = {
        "search_pictures": "search_images",
        "test_pictures": "test_images",
    }

    min_fall: float = Field(0.05, ge=0, le=1)
    """Smallest fall of accuracy that is told; its interval must lie above."""
    search_images: int = Field(12, ge=4)
    """Images of each side on which the region is searched."""
    test_images: int = Field(100, ge=20)
    """Largest number of images of each side on which it is tested."""
    max_comparisons: int = Field(12, ge=1)
    """Attribute values that are examined at most, those with the largest gaps first. Each takes
    about 52 forward passes for a search image and 4 for a test image."""

    def examine(self, audit: AuditData) -> Examination:
        """Intervenes for every attribute value."""
        if audit.model is None:
            return Examination(
                skipped=(Skipped(check=NAME, reason="the model is not at hand to be asked again"),)
            )
        limits = Limits(self.min_fall, self.search_images, self.test_images, self.max_comparisons)
        asked, skipped = comparisons(audit, NAME, limits, "regions")
        claims = [self._claim(audit, audit.model, drawn) for drawn in asked]
        return Examination(tuple(claims), tuple(skipped))

    def _claim(self, audit: AuditData, model: ModelAccess, sides: SearchAndTest) -> Claim:
        region = _found(model, sides)
        tried = _tried(model, sides, region, audit.seed)
        outcome, more = tried.outcome, tried.more
        here = outcome.here
        question = sides.question
        key = SliceKey(attributes={question.name: question.value})
        holds = here.change.low > self.min_fall and more.change.low > 0
        turned = outcome.turned_to(audit.classes)
        flipped_to = None if turned is None else turned[0]
        where = region.words
        into = outcome.into(audit.classes)
        looked = _looked(audit, sides, region, flipped_to)
        statement = [
            (
                f"An intervention: in {len(sides.test)} images, {where} ({percent(region.area)} of "
                f"it) was filled from other images of the same label: once from {whom(key)}, once from "
                "others."
            ),
            (
                "With the content of the side that fares worse with that label, the model fails "
                f"{points(here.change.value)} more often ({interval(here.change, ' points')}{into}); at "
                f"random other places of the same size, {signed_points(tried.elsewhere.change.value)}."
            ),
        ]
        if looked is not None:
            statement.append(
                f"In the Grad-CAMs of {flipped_to}, {percent(looked[0])} of the evidence lies there "
                f"with that value, and {percent(looked[1])} with others."
            )
        return Claim(
            check=NAME,
            kind=self.kind,
            title=f"Swapping {where} between samples with {question.name} = {question.value} and "
            f"others costs {points(here.change.value)} of accuracy",
            slice=key,
            effect=Effect.measured(
                "drop in accuracy when the region is swapped", here.change, "points"
            )
            if holds
            else None,
            limit=self.min_fall,
            p_value=max(here.p_value, more.p_value),
            support=len(sides.test),
            samples=outcome.samples(audit),
            statement=tuple(statement),
            action=LOOK_THERE,
            limits="It shows that this region's content moves the predictions; other regions may do "
            "so as well.",
            evidence=_evidence(tried, region, flipped_to, looked),
            weight=0.0,
            confirms=outcome.confirms(audit) if holds else (),
        )


@dataclass(frozen=True)
class _Tried:
    """What the swap did at the region and at random other places.

    Attributes:
        outcome: at the region.
        elsewhere: mean change at other places.
        more: the region's less theirs.
    """

    outcome: PairedEffect
    elsewhere: PairedMean
    more: PairedMean


def _evidence(
    tried: _Tried, region: Region, flipped_to: str | None, looked: tuple[float, float] | None
) -> tuple[EvidencePart, ...]:
    """The intervention, and what the maps say of the region."""
    drop = InterventionEffect(
        name="additional failures when the region is swapped between images of one label",
        value=Estimate.of(tried.outcome.here.change),
        control=Estimate.of(tried.elsewhere.change),
        control_name="at other places of the same size",
        unit="points",
    )
    names = ("evidence in the region with the value", "evidence in the region with other values")
    parts = () if looked is None else zip(names, looked, strict=True)
    attention = (Quantity(name=name, value=part, unit="share") for name, part in parts)
    return (
        Intervention(
            method="swap-region", region=region.box(), effects=(drop,), flipped_to=flipped_to
        ),
        Quantities(items=(*tried.outcome.error_rates(), *attention)),
    )


def _found(model: ModelAccess, sides: SearchAndTest) -> Region:
    """The region whose content costs the label most probability; a small one where it will do."""
    swaps, worse = sides.search, sides.question.worse[sides.search.label]
    images = model.images(swaps.rows)
    have, lack = model.images(swaps.have), model.images(swaps.lack)
    each = np.arange(len(swaps))

    def score(region: Region) -> float:
        with_value, without = (
            model.predict(borrowed(images, donors, region))[each, swaps.label]
            for donors in (have, lack)
        )
        return float((worse * (without - with_value)).mean())

    return sought(score, coarse(), finer)


def _tried(model: ModelAccess, sides: SearchAndTest, region: Region, seed: int) -> _Tried:
    """Fills the region, and random others, from both sides."""
    generator = np.random.default_rng(seed)
    swaps = sides.test
    images = model.images(swaps.rows)
    have, lack = model.images(swaps.have), model.images(swaps.lack)
    others = region.elsewhere(len(swaps), generator)

    def asked(regions: Region | list[Region]) -> PairedEffect:
        with_value, without = (
            model.predict(borrowed(images, donors, regions)).argmax(1) for donors in (have, lack)
        )
        return PairedEffect.of(sides.question, swaps, with_value, without, seed)

    here, there = asked(region), asked(others)
    return _Tried(here, there.here, sign_flip(here.fell - there.fell, seed=seed))


def _looked(
    audit: AuditData, sides: SearchAndTest, region: Region, label: str | None
) -> tuple[float, float] | None:
    """Shares of the evidence for a label in the region, with the value and without."""
    if audit.maps is None or label is None:
        return None
    cells = [c for c in audit.maps.cells if c.attribute == sides.question.name and c.label == label]
    none = np.zeros(0, dtype=np.int64)
    parts = []
    for side in (True, False):
        chosen = [c.rows for c in cells if (c.value == sides.question.value) == side]
        part = attention(audit.maps.of(np.concatenate([none, *chosen])), region)
        if np.isnan(part).all():  # also where there is none
            return None
        parts.append(float(np.nanmean(part)))
    return parts[0], parts[1]
