"""Appearance reliance: does the overall look of images with an attribute value mislead the model?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field

from auditor.checks import Check, Need
from auditor.interventions.matched_pairs import MatchedPairs, Question
from auditor.interventions.paired_effects import Limits, PairedEffect, comparisons, unchanged
from auditor.interventions.style_transfer import TRANSFERS, ImageArray, Transfer
from auditor.phrasing import interval, points, signed_points, whom
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
    Skipped,
    SliceKey,
)
from auditor.registry import plugin
from auditor.statistics import Floats, Integers, Interval

NAME = "appearance-reliance"


@plugin("check", NAME)
class AppearanceReliance(Check):
    """Does the overall look of the images with an attribute value mislead the model?

    An intervention on whole images, for causes that have no place: light, colour cast, blur,
    grain, compression. Images of all values are given the look of other images: once of one that
    has the attribute value, once of one of the same label that has not. Both looks are foreign, so
    that only what the value adds to them differs. Of four ways to give a look (levels, sharpness,
    finest detail, levels with sharpness) the one that changes the label's probability most is chosen
    on some samples, and tested on others: by how much more often the model fails with the look of
    the side that fares worse with that label.

    A look comes with traces of its object: hard objects lend a hard look. But what belongs to a
    camera or a scanner is the same on all objects. So the looks are taken twice, from images of the
    same label and from images of other labels, and both have to do it: the p-value is the larger
    one of the two sign-flip tests, as in every intersection-union test. A look that is given and not
    taken may also mislead as such; so what misleads by more than the gap between unchanged images
    can be does not count. Values without a gap are not examined: there is nothing to confirm.

    Reference:
        R. L. Berger, "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24
        (1982) 295-300. The ways to give a look are cited where they are written.
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
    """Images of each side on which the way to give a look is chosen."""
    test_images: int = Field(100, ge=20)
    """Largest number of images of each side on which it is tested."""
    max_comparisons: int = Field(12, ge=1)
    """Attribute values that are examined at most, those with the largest gaps first. Each takes 16
    forward passes for a search image and 4 for a test image."""

    def examine(self, audit: AuditData) -> Examination:
        """Intervenes for every attribute value."""
        if audit.model is None:
            return Examination(
                skipped=(Skipped(check=NAME, reason="the model is not at hand to be asked again"),)
            )
        limits = Limits(self.min_fall, self.search_images, self.test_images, self.max_comparisons)
        asked, skipped = comparisons(audit, NAME, limits, "looks")
        claims: list[Claim] = []
        for drawn in asked:
            lenders = [swaps.across(audit.seed) for swaps in (drawn.search, drawn.test)]
            if lenders[0] is None or lenders[1] is None:
                reason = (
                    f"{drawn.question.name} = {drawn.question.value}: only one label has enough "
                    "images with this value and others, so that their look can't be told from what "
                    "they show"
                )
                skipped.append(Skipped(check=NAME, reason=reason))
                continue
            model = audit.model
            search = _Looks.of(model, drawn.question, drawn.search, lenders[0])
            chosen = max(TRANSFERS, key=search.cost)
            test = _Looks.of(model, drawn.question, drawn.test, lenders[1])
            claims.append(self._claim(audit, chosen, *test.outcomes(chosen, audit.seed)))
        return Examination(tuple(claims), tuple(skipped))

    def _claim(
        self, audit: AuditData, chosen: Transfer, outcome: PairedEffect, other: PairedEffect
    ) -> Claim:
        question = outcome.question
        here, across = outcome.here.change, other.here.change
        key = SliceKey(attributes={question.name: question.value})
        gap = unchanged(audit, question, outcome.swaps)
        # A given look that misleads far more than the real one does is a look of its own.
        apt = min(here.value, across.value) > 0 and here.low <= gap.high
        holds = apt and here.low > self.min_fall and across.low > 0
        into = outcome.into(audit.classes)
        who = whom(key)
        one_way = bool((question.worse[outcome.swaps.label] >= 0).all())
        what = (
            f"Giving samples the {chosen.look} of those with {question.name} = {question.value}"
            if one_way
            else f"Swapping the {chosen.look} between {who} and others"
        )
        return Claim(
            check=NAME,
            kind=self.kind,
            title=f"{what} costs {points(here.value)} of accuracy",
            slice=key,
            effect=Effect.measured("drop in accuracy with the transferred style", here, "points")
            if holds
            else None,
            limit=self.min_fall,
            p_value=max(outcome.here.p_value, other.here.p_value) if apt else 1.0,
            support=len(outcome.swaps),
            samples=outcome.samples(audit),
            statement=(
                (
                    f"An intervention: {len(outcome.swaps)} images were given the {chosen.look} of other "
                    f"images of the same label: once of {who}, once of others."
                ),
                (
                    "With the look of the side that fares worse with that label, the model fails "
                    f"{points(here.value)} more often ({interval(here, ' points')}{into}); between "
                    f"unchanged images, the gap is {signed_points(gap.value)}."
                ),
                (
                    "With looks from images of other labels, which show nothing of the object, it is "
                    f"{signed_points(across.value)} ({interval(across, ' points')})."
                ),
            ),
            action="Find out where this look comes from: a camera, the light, a scanner, a file format. "
            "Vary it in the training data, by images from more sources or by changing the "
            f"{chosen.look} at random while training, and audit again.",
            limits="It shows that the look moves the predictions. Which part of it does so, and "
            "whether it has a place in the image after all, is not told apart.",
            evidence=_evidence(audit, chosen, outcome, other, gap),
            weight=0.0,
            confirms=outcome.confirms(audit) if holds else (),
        )


def _evidence(
    audit: AuditData, chosen: Transfer, outcome: PairedEffect, other: PairedEffect, gap: Interval
) -> tuple[EvidencePart, ...]:
    """The intervention with styles of both origins, each beside the gap between unchanged images."""
    turned = outcome.turned_to(audit.classes)
    effects = (
        InterventionEffect(
            name=f"additional failures with the style of images of {labels}",
            value=Estimate.of(one.here.change),
            control=Estimate.of(gap),
            control_name="between unchanged images",
            unit="points",
        )
        for labels, one in (("the same label", outcome), ("other labels", other))
    )
    return (
        Intervention(
            method="transfer-style",
            variant=chosen.look,
            effects=tuple(effects),
            flipped_to=None if turned is None else turned[0],
        ),
        Quantities(items=outcome.error_rates()),
    )


@dataclass(frozen=True)
class _Looks:
    """Images, and those that lend them a look.

    Attributes:
        model: the audited model.
        question: what is asked.
        swaps: which samples they are.
        other: (n,) whose lenders, of another label, lend as well.
        images: (n, 3, H, W).
        have: (n, 3, H, W), with the attribute value.
        lack: (n, 3, H, W), without it.
    """

    model: ModelAccess
    question: Question
    swaps: MatchedPairs
    other: Integers
    images: ImageArray
    have: ImageArray
    lack: ImageArray

    @classmethod
    def of(
        cls, model: ModelAccess, question: Question, swaps: MatchedPairs, other: Integers
    ) -> _Looks:
        """Decodes the images."""
        seen = (model.images(rows) for rows in (swaps.rows, swaps.have, swaps.lack))
        return cls(model, question, swaps, other, *seen)

    def cost(self, transfer: Transfer) -> float:
        """Probability that the label loses with the look of the worse side; the smaller of both."""
        each, label = np.arange(len(self.swaps)), self.swaps.label
        worse = self.question.worse[label]
        return min(
            float((worse * (without - with_value)[each, label]).mean())
            for with_value, without in self._asked(transfer)
        )

    def outcomes(self, transfer: Transfer, seed: int) -> tuple[PairedEffect, PairedEffect]:
        """With looks from images of the same label, and from images of other labels."""
        same, other = (
            PairedEffect.of(
                self.question, self.swaps, with_value.argmax(1), without.argmax(1), seed
            )
            for with_value, without in self._asked(transfer)
        )
        return same, other

    def _asked(self, transfer: Transfer) -> Iterator[tuple[Floats, Floats]]:
        """Probabilities (n, K) with the value's look and without: of the same label, and of others."""
        everyone: Integers = np.arange(len(self.swaps))
        for lenders in (everyone, self.other):
            with_value, without = (
                self.model.predict(transfer(self.images, donors[lenders]))
                for donors in (self.have, self.lack)
            )
            yield with_value, without
