"""Appearance reliance: does the style of the images explain the gap of an attribute value?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from auditor.checks import Check, Need
from auditor.errors import BudgetExhaustedError
from auditor.interventions.matched_pairs import (
    ContrastPairs,
    InterventionBudget,
    over_budget,
    plan_contrasts,
)
from auditor.interventions.paired_effects import PairedEffect
from auditor.interventions.staged_test import stopped_sentence
from auditor.interventions.style_donors import StyleDonors, StyleEffects
from auditor.interventions.style_transfer import STYLE_TRANSFERS, StyleTransfer
from auditor.interventions.value_contrasts import observed_gap
from auditor.phrasing import (
    condition,
    count,
    interval,
    more_of_100,
    out_of_100,
    percent,
    points,
    quoted,
    several,
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
    Skipped,
    SliceKey,
)
from auditor.records.decisions import ONE_CLASS, TaskName
from auditor.registry import plugin
from auditor.statistics import Interval

NAME = "appearance-reliance"
_PER_SEARCH, _PER_TEST = 16, 4
"""Forward passes per search image and per test image, at most."""


@plugin("check", NAME)
class AppearanceReliance(Check):
    """Does the style of the images explain the gap of an attribute value?

    An intervention on whole images, for causes without a place: light, colour cast, blur, grain,
    compression. Images of all values are given the style of donor images of the same label: once of
    an image with the attribute value, once of an image without it. Both styles are foreign to the
    image, so that they differ only in what goes with the value. Of four style transfers (levels,
    sharpness, fine texture, levels with sharpness), the one that changes the label's probability most
    is chosen on some samples and tested on others: by how much more often the model fails with the
    style of the side that has the higher error rate for that label.

    A style carries traces of the object: hard objects lend a hard style. But the traces of a camera or
    a scanner are the same on all objects. The styles are therefore taken twice, from images of the
    same label and from images of other labels, and both effects must be significant. The p-value is
    the larger of the two sign-flip tests, as in every intersection-union test. An unnatural style may
    also mislead the model as such. An effect that is larger than the gap between unchanged images
    can be is therefore not counted. Values without a gap are not examined, because there is nothing to
    confirm.

    Reference:
        R. L. Berger, "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24
        (1982) 295-300. The style transfers have references of their own.
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
    """Images of each side on which to choose the style transfer."""
    test_images: int = Field(100, ge=20)
    """Largest number of images of each side on which to test it."""
    max_comparisons: int = Field(12, ge=1)
    """Largest number of attribute values to examine, those with the largest gaps first. Each takes 16
    forward passes per search image and 4 per test image."""

    def passes(self, size: AuditSize) -> Passes:
        """16 passes per search image and 4 per test image of either side, for each value with a gap."""
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
        planned, skipped = plan_contrasts(audit, NAME, budget, "styles")
        claims: list[Claim] = []
        for k, pairs in enumerate(planned):
            try:
                result = _transfer_styles(audit, audit.model, pairs, self.min_drop)
            except BudgetExhaustedError as error:
                skipped.append(over_budget(NAME, planned[k:], error))
                break
            if result is None:
                reason = (
                    f"{condition(pairs.contrast.attribute, pairs.contrast.value)}: only one label has "
                    "enough images with this value and others, so that their style cannot be separated from "
                    "their content"
                )
                skipped.append(Skipped(check=NAME, reason=reason))
            else:
                claims.append(self._claim(audit, result))
        return Examination(tuple(claims), tuple(skipped))

    def _claim(self, audit: AuditData, result: _StyleResult) -> Claim:
        effect, contrast = result.same_label, result.same_label.contrast
        same, other, gap = effect.mean.change, result.other_labels.mean.change, result.observed_gap
        key = SliceKey(attributes={contrast.attribute: contrast.value})
        # A transferred style with a far larger effect than the real one is a new style of its own.
        plausible = (
            not result.effects.stopped and min(same.value, other.value) > 0 and same.low <= gap.high
        )
        significant = plausible and same.low > self.min_drop and other.low > 0
        style = result.transfer.style
        one_direction = bool((contrast.direction[effect.pairs.label] >= 0).all())
        intervention = (
            f"Transferring the {style} of samples with "
            f"{condition(contrast.attribute, contrast.value)}"
            if one_direction
            else f"Exchanging the {style} between {whom(key)} and others"
        )
        return Claim(
            check=NAME,
            kind=self.kind,
            title=f"{intervention} makes {more_of_100(same.value)} predictions wrong"
            f"{_most(audit, effect)}",
            slice=key,
            effect=Effect.measured("drop in accuracy with the transferred style", same, "points")
            if significant
            else None,
            limit=self.min_drop,
            p_value=max(effect.mean.p_value, result.other_labels.mean.p_value)
            if plausible
            else 1.0,
            support=len(effect.pairs),
            samples=effect.samples(audit),
            statement=_statement(audit, result),
            action="Find out where this style comes from: a camera, the light, a scanner, a file format. "
            f"Vary the {style} in the training data, with images from more sources or by random "
            "augmentation, and audit again.",
            limits="It shows that the style changes the predictions. It does not show which aspect of the "
            "style does so, or whether the aspect has a place in the image after all.",
            evidence=_evidence(audit, result),
            weight=0.0,
            confirms=effect.confirmed_slices(audit) if significant else (),
        )


@dataclass(frozen=True)
class _StyleResult:
    """The effect of a style transfer on the test images.

    Attributes:
        transfer: the style transfer.
        effects: the effects of styles from images of the same label and of other labels.
        observed_gap: the gap between unchanged images.
        examples: images before and after.
    """

    transfer: StyleTransfer
    effects: StyleEffects
    observed_gap: Interval
    examples: tuple[InterventionExample, ...]

    @property
    def same_label(self) -> PairedEffect:
        """Effect of styles from images of the same label."""
        return self.effects.same_label

    @property
    def other_labels(self) -> PairedEffect:
        """Effect of styles from images of other labels."""
        return self.effects.other_labels


def _transfer_styles(
    audit: AuditData, model: ModelAccess, pairs: ContrastPairs, limit: float
) -> _StyleResult | None:
    """Chooses a style transfer on the search images and applies it to the test images.

    Returns:
        The effect, or None if the images have only one label.
    """
    seed = audit.seed
    search_others = pairs.search.of_other_labels(seed)
    test_others = pairs.test.of_other_labels(seed)
    if search_others is None or test_others is None:
        return None
    search = StyleDonors(model, pairs.contrast, pairs.search, search_others)
    transfer = max(STYLE_TRANSFERS, key=search.cost)
    test = StyleDonors(model, pairs.contrast, pairs.test, test_others)
    found = test.effects(transfer, seed, limit)
    return _StyleResult(
        transfer,
        found,
        observed_gap(audit, pairs.contrast, found.same_label.pairs.label),
        test.examples(audit, transfer, found),
    )


def _statement(audit: AuditData, result: _StyleResult) -> tuple[str, ...]:
    effect, contrast = result.same_label, result.same_label.contrast
    same, other = effect.mean.change, result.other_labels.mean.change
    key = SliceKey(attributes={contrast.attribute: contrast.value})
    transferred = (
        f"An intervention: {len(effect.pairs)} images were given the {result.transfer.style} of other "
        f"images of the same label, once of {whom(key)} and once of others."
    )
    same_label = (
        "With the style of the side that has the higher error rate for that label, the model fails "
        f"{points(same.value)} more often ({interval(same, ' points')}"
        f"{effect.flip_clause(audit.classes)})."
    )
    unchanged = f"Between unchanged images, the gap is {signed_points(result.observed_gap.value)}."
    other_labels = (
        "With styles from images of other labels, which carry no trace of the object, the difference "
        f"is {signed_points(other.value)} ({interval(other, ' points')})."
    )
    stopped = stopped_sentence(len(effect.pairs), result.effects.n_planned)
    return (
        transferred,
        same_label,
        *_by_label(audit, effect),
        unchanged,
        other_labels,
        *stopped,
    )


def _most(audit: AuditData, effect: PairedEffect) -> str:
    """The label that the style affects most, for the title; empty if it affects all alike."""
    rates = effect.rates_by_label()
    if not rates:
        return ""
    worst = max(rates, key=lambda one: abs(one.change))
    return f" ({out_of_100(abs(worst.change))} for label {quoted(audit.classes[worst.code])})"


def _by_label(audit: AuditData, effect: PairedEffect) -> Iterator[str]:
    """Error rates of the labels, if the effect differs between them; those that differ most first."""
    rates = sorted(effect.rates_by_label(), key=lambda one: -abs(one.change))
    if not rates:
        return
    key = SliceKey(attributes={effect.contrast.attribute: effect.contrast.value})
    listed = [
        f"{quoted(audit.classes[one.code])} {percent(one.with_value)} against "
        f"{percent(one.without_value)} (n = {count(one.n)})"
        for one in rates
    ]
    yield (
        f"The effect differs between labels. Error rates with the style of {whom(key)} against that of "
        f"others: {several(listed, 4)}."
    )


def _evidence(audit: AuditData, result: _StyleResult) -> tuple[EvidencePart, ...]:
    effects = (
        InterventionEffect(
            name=f"additional failures with the style of images of {labels}",
            value=Estimate.of(effect.mean.change),
            control=Estimate.of(result.observed_gap),
            control_name="between unchanged images",
            unit="points",
        )
        for labels, effect in (
            ("the same label", result.same_label),
            ("other labels", result.other_labels),
        )
    )
    return (
        Intervention(
            method="transfer-style",
            variant=result.transfer.style,
            effects=tuple(effects),
            flipped_to=result.same_label.flipped_to(audit.classes),
            examples=result.examples,
        ),
        Quantities(items=result.same_label.error_rates()),
    )
