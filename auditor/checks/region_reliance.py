"""Region reliance: does the content of an image region explain the gap of an attribute value?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field

from auditor.checks import Check, Need
from auditor.errors import BudgetExhaustedError
from auditor.interventions.examples import paired_examples
from auditor.interventions.infill import paste
from auditor.interventions.matched_pairs import (
    ContrastPairs,
    InterventionBudget,
    over_budget,
    plan_contrasts,
)
from auditor.interventions.paired_effects import PairedEffect
from auditor.interventions.regions import (
    REGION_ACTION,
    ImageArray,
    Region,
    evidence_share,
)
from auditor.interventions.staged_test import Columns, in_stages, stopped_sentence
from auditor.interventions.swap_search import SwappedRegion, SwapSearch
from auditor.phrasing import (
    condition,
    interval,
    more_of_100,
    percent,
    plural,
    points,
    quoted,
    signed_points,
    whom,
)
from auditor.records import (
    AuditData,
    AuditSize,
    Claim,
    ClaimKind,
    Effect,
    Estimate,
    EvidencePart,
    Examination,
    Intervention,
    InterventionEffect,
    InterventionExample,
    ModelAccess,
    Passes,
    Quantities,
    Quantity,
    Skipped,
    SliceKey,
)
from auditor.records.decisions import ONE_CLASS, TaskName
from auditor.registry import plugin
from auditor.statistics import Floats, Integers, PairedMean, is_futile, sign_flip

NAME = "region-reliance"
_PER_SEARCH, _PER_TEST = 42, 4
"""Forward passes per search image and per test image, at most."""


@plugin("check", NAME)
class RegionReliance(Check):
    """Does the content of an image region explain the gap of an attribute value?

    An intervention. In images of all values, a region is filled from donor images of the same label:
    once from an image with the attribute value, once from an image without it. Both fillings are
    foreign to the image, so that they differ only in the content that goes with the value. The region
    is found on some samples (16 overlapping windows and the border, by the change of the label's
    probability, then smaller windows) and tested on others. Two tests must be significant: the model
    fails more often with the content of the side that has the higher error rate for that label, and
    the difference is larger than at random other places of the same size. The p-value is the larger
    of the two sign-flip tests, as in every intersection-union test. Values without a gap are not
    examined, because there is nothing to confirm.

    A significant result confirms the gap of the attribute value and locates its cause. A property of
    the whole image, such as its texture or its brightness, has no such place and stays unconfirmed.

    Reference:
        R. L. Berger, "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24
        (1982) 295-300.
    """

    kind: ClassVar[ClaimKind] = "robustness"
    needs: ClassVar[frozenset[Need]] = frozenset({"model"})
    handles_clusters: ClassVar[bool] = True
    tasks: ClassVar[frozenset[TaskName]] = ONE_CLASS
    renamed: ClassVar[Mapping[str, str]] = {
        "min_fall": "min_drop",
        "search_pictures": "search_images",
        "test_pictures": "test_images",
    }

    min_drop: float = Field(0.05, ge=0, le=1)
    """Smallest drop in accuracy that is reported (a share, 0 to 1); its interval must lie above."""
    search_images: int = Field(12, ge=4)
    """Images of each side on which to search for the region."""
    test_images: int = Field(100, ge=20)
    """Largest number of images of each side on which to test it."""
    max_comparisons: int = Field(12, ge=1)
    """Largest number of attribute values to examine, those with the largest gaps first. Each takes
    about 42 forward passes per search image and 4 per test image."""

    def passes(self, size: AuditSize) -> Passes:
        """42 passes per search image and 4 per test image of either side, for each value with a gap."""
        values = min(self.max_comparisons, size.n_values)
        searched, tested = (
            min(one, size.n_samples / 2) for one in (self.search_images, self.test_images)
        )
        return Passes(0.0, values * 2 * (_PER_SEARCH * searched + _PER_TEST * tested))

    def examine(self, audit: AuditData) -> Examination:
        """Intervenes for every attribute value with a gap."""
        if audit.model is None:
            return Examination(skipped=(Skipped(check=NAME, reason="the model is not available"),))
        budget = InterventionBudget(
            self.min_drop, self.search_images, self.test_images, self.max_comparisons
        )
        planned, skipped = plan_contrasts(audit, NAME, budget, "regions")
        claims: list[Claim] = []
        for k, pairs in enumerate(planned):
            try:
                claims.append(self._claim(audit, audit.model, pairs))
            except BudgetExhaustedError as error:
                skipped.append(over_budget(NAME, planned[k:], error))
                break
        return Examination(tuple(claims), tuple(skipped))

    def _claim(self, audit: AuditData, model: ModelAccess, pairs: ContrastPairs) -> Claim:
        found = SwapSearch.of(model, pairs).find(self.min_drop)
        region = found.region
        swap = _Swap.at(audit, model, pairs, found, self.min_drop)
        effect, drop = swap.effect, swap.effect.mean.change
        contrast = pairs.contrast
        significant = not swap.stopped and drop.low > self.min_drop and swap.excess.change.low > 0
        evidence_in_region = _evidence_in_region(audit, swap)
        return Claim(
            check=NAME,
            kind=self.kind,
            title=f"Exchanging {region.description} between samples with "
            f"{condition(contrast.attribute, contrast.value)} and others makes "
            f"{more_of_100(drop.value)} predictions wrong",
            slice=SliceKey(attributes={contrast.attribute: contrast.value}),
            effect=Effect.measured("drop in accuracy when the region is swapped", drop, "points")
            if significant
            else None,
            limit=self.min_drop,
            p_value=1.0 if swap.stopped else max(effect.mean.p_value, swap.excess.p_value),
            support=len(effect.pairs),
            samples=effect.samples(audit),
            statement=_statement(audit, swap, evidence_in_region),
            action=REGION_ACTION,
            limits="It shows that the content of this region changes the predictions. Other regions may "
            "do so as well.",
            evidence=_evidence(audit, swap, evidence_in_region),
            weight=0.0,
            confirms=effect.confirmed_slices(audit) if significant else (),
        )


@dataclass(frozen=True)
class _Swap:
    """The effect of swapping a region, and random other regions of the same size.

    Attributes:
        region: the region.
        effect: its effect.
        control: mean effect of the other regions.
        excess: effect of the region minus that of the other regions, image by image.
        n_planned: number of images of the full test; more than were used if the test was stopped.
        examples: images before and after.
    """

    region: Region
    effect: PairedEffect
    control: PairedMean
    excess: PairedMean
    n_planned: int
    examples: tuple[InterventionExample, ...] = ()

    @property
    def stopped(self) -> bool:
        """Whether the test was stopped because it was futile."""
        return len(self.effect.pairs) < self.n_planned

    @classmethod
    def at(
        cls,
        audit: AuditData,
        model: ModelAccess,
        pairs: ContrastPairs,
        found: SwappedRegion,
        limit: float,
    ) -> _Swap:
        """Fills the region, and the other regions, from both sides in the test images."""
        seed, test, region = audit.seed, pairs.test, found.region
        controls = region.control_regions(len(test), np.random.default_rng(seed))

        def swapped(chosen: Integers) -> tuple[Floats, ...]:
            part = test.at(chosen)
            images = model.images(part.rows)
            sides = model.images(part.with_value), model.images(part.without_value)
            return tuple(
                model.predict(paste(images, donors, regions))
                for regions in (region, [controls[k] for k in chosen])
                for donors in sides
            )

        def effects(chosen: Integers, found: Columns) -> tuple[PairedEffect, PairedEffect]:
            part, decided = test.at(chosen), [model.decide(one) for one in found]
            here, elsewhere = decided[:2], decided[2:]
            return (
                PairedEffect.of(pairs.contrast, part, here[0], here[1], seed),
                PairedEffect.of(pairs.contrast, part, elsewhere[0], elsewhere[1], seed),
            )

        def futile(chosen: Integers, columns: Columns) -> bool:
            here, control = effects(chosen, columns)
            return (
                not found.promising
                or is_futile(here.difference, len(test), limit)
                or is_futile(here.difference - control.difference, len(test), 0.0)
            )

        result = in_stages(len(test), swapped, futile)
        here, control = effects(result.chosen, result.columns)
        used = here.pairs
        excess = sign_flip(here.difference - control.difference, seed=seed, groups=used.cluster)

        def filled(donors: Integers) -> Callable[[Integers], ImageArray]:
            return lambda chosen: paste(
                model.images(used.rows[chosen]), model.images(donors[chosen]), region
            )

        examples = paired_examples(
            audit,
            pairs.contrast,
            used,
            (result.columns[0], result.columns[1]),
            (filled(used.with_value), filled(used.without_value)),
            "Region filled from",
        )
        return cls(region, here, control.mean, excess, len(test), examples)


def _evidence_in_region(audit: AuditData, swap: _Swap) -> tuple[float, float] | None:
    """Mean share of the evidence in the region, with the attribute value and with others.

    Returns:
        The shares in the maps of the class that most flipped predictions go to; None without maps.
    """
    label = swap.effect.flipped_to(audit.classes)
    if audit.maps is None or label is None:
        return None
    contrast = swap.effect.contrast
    cells = [c for c in audit.maps.cells if c.attribute == contrast.attribute and c.label == label]
    none = np.zeros(0, dtype=np.int64)
    means = []
    for has_value in (True, False):
        rows = [c.rows for c in cells if (c.value == contrast.value) == has_value]
        shares = evidence_share(audit.maps.of(np.concatenate([none, *rows])), swap.region)
        if np.isnan(shares).all():  # also if there are no maps
            return None
        means.append(float(np.nanmean(shares)))
    return means[0], means[1]


def _statement(
    audit: AuditData, swap: _Swap, evidence_in_region: tuple[float, float] | None
) -> tuple[str, ...]:
    effect, drop = swap.effect, swap.effect.mean.change
    key = SliceKey(attributes={effect.contrast.attribute: effect.contrast.value})
    region = swap.region
    sentences = [
        (
            f"An intervention: in {plural(len(effect.pairs), 'image')}, {region.description} "
            f"({percent(region.area)} of its area) was filled from other images of the same label, "
            f"once from {whom(key)} and once from others."
        ),
        (
            "With the content of the side that has the higher error rate for that label, the model fails "
            f"{points(drop.value)} more often ({interval(drop, ' points')}"
            f"{effect.flip_clause(audit.classes)})."
        ),
        (
            "At random other places of the same size, the difference is "
            f"{signed_points(swap.control.change.value)}."
        ),
    ]
    flipped_to = effect.flipped_to(audit.classes)
    if evidence_in_region is not None and flipped_to is not None:
        with_value, others = evidence_in_region
        sentences.append(
            f"In the Grad-CAMs of {quoted(flipped_to)}, {percent(with_value)} of the evidence lies in "
            f"this region with that value, and {percent(others)} with others."
        )
    return *sentences, *stopped_sentence(len(effect.pairs), swap.n_planned)


def _evidence(
    audit: AuditData, swap: _Swap, evidence_in_region: tuple[float, float] | None
) -> tuple[EvidencePart, ...]:
    drop = InterventionEffect(
        name="additional failures when the region is swapped between images of one label",
        value=Estimate.of(swap.effect.mean.change),
        control=Estimate.of(swap.control.change),
        control_name="at other places of the same size",
        unit="points",
    )
    names = ("evidence in the region with the value", "evidence in the region with other values")
    shares = () if evidence_in_region is None else zip(names, evidence_in_region, strict=True)
    from_maps = (Quantity(name=name, value=value, unit="share") for name, value in shares)
    return (
        Intervention(
            method="swap-region",
            region=swap.region.box(),
            effects=(drop,),
            flipped_to=swap.effect.flipped_to(audit.classes),
            examples=swap.examples,
        ),
        Quantities(items=(*swap.effect.error_rates(), *from_maps)),
    )
