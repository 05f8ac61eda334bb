"""Covariate shift: can the audited images be told apart from the reference images?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from pydantic import Field

from auditor.checks import Check, Need
from auditor.comparisons.image_shift import ImageShift, PropertyDifference, image_shift
from auditor.comparisons.reference_images import STORY, accuracy_loss, severity_of
from auditor.phrasing import amount, percent, plural, points, several
from auditor.records import (
    AuditData,
    AuditSize,
    Claim,
    ClaimKind,
    Effect,
    Estimate,
    Examination,
    Passes,
    Quantities,
    Quantity,
    SampleGroup,
    SampleGroups,
    SampleRef,
    Severity,
    Skipped,
    SliceKey,
    Table,
)
from auditor.records.decisions import ONE_CLASS, TaskName
from auditor.registry import plugin
from auditor.statistics.two_sample import TwoSample

NAME = "covariate-shift"
_SHOWN = 12
"""Images that are shown."""
_NAMED = 3
"""Properties that are named in a sentence."""
_SMALL = 0.3
"""Standardised differences below are not named: they are invisible in single images."""


@plugin("check", NAME)
class CovariateShift(Check):
    """Can the audited images be told apart from the reference (training) images of the same labels?

    A logistic regression is fitted on one half of the images and tested on the other, in both directions:
    once on the image properties and thumbnails, once on the features of the target layer. Its area under
    the ROC curve is the share of pairs of an audited and a reference image in which it recognises the
    audited one: 50 % if they come from one distribution. Equally many images of each label are compared.

    A network may know its training images by heart, so that its features tell them from new images of the
    same kind. Therefore the features alone are never more than a note, and need a larger effect.
    A shift is only a note unless the accuracy is lower on the audited images: a shift without a loss
    is no fault of the model.

    Reference: D. Lopez-Paz and M. Oquab, "Revisiting classifier two-sample tests", ICLR 2017.
    """

    kind: ClassVar[ClaimKind] = "data"
    handles_clusters: ClassVar[bool] = True
    tasks: ClassVar[frozenset[TaskName]] = ONE_CLASS
    needs: ClassVar[frozenset[Need]] = frozenset({"model", "images", "reference"})

    max_images: int = Field(500, ge=40)
    """Largest number of audited images, and of reference images, that are compared."""
    max_auroc: float = Field(0.6, ge=0.5, lt=1)
    """Largest acceptable share of pairs in which the images are told apart by properties and thumbnails."""
    max_feature_auroc: float = Field(0.75, ge=0.5, lt=1)
    """Largest acceptable share of pairs in which the images are told apart by the network's features."""
    max_loss: float = Field(0.1, ge=0, lt=1)
    """Largest acceptable loss of accuracy (a share, 0 to 1); a shift with a larger one is a warning."""
    alert_loss: float = Field(0.2, ge=0, lt=1)
    """A shift with a loss of accuracy above it is an alert (a share, 0 to 1)."""

    def passes(self, size: AuditSize) -> Passes:
        """The features of both sides, and the predictions of the reference images."""
        number = 3.0 * min(size.n_reference, size.n_samples, self.max_images)
        return Passes(number, number)

    def examine(self, audit: AuditData) -> Examination:
        """Compares audited and reference images of the same labels."""
        found = image_shift(audit, self.max_images)
        if isinstance(found, str):
            return Examination(skipped=(Skipped(check=NAME, reason=found),))
        if np.isnan(found.images.auroc.value):
            reason = "the images come from too few clusters to be divided into halves"
            return Examination(skipped=(Skipped(check=NAME, reason=reason),))
        loss = accuracy_loss(audit, self.max_images)
        ceiling: Severity = "note"
        if not isinstance(loss, str) and loss.p_value <= audit.alpha:
            ceiling = severity_of(loss.within, self.max_loss, self.alert_loss)
        fell = "" if ceiling == "note" or isinstance(loss, str) else points(loss.loss.value)
        return Examination(
            (
                self._of_images(audit, found, ceiling, fell),
                self._of_features(audit, found),
            )
        )

    def _of_images(
        self, audit: AuditData, found: ImageShift, ceiling: Severity, fell: str
    ) -> Claim:
        named = [one for one in found.properties if abs(one.difference) >= _SMALL][:_NAMED]
        differ = several([_in_words(one) for one in named], _NAMED) if named else ""
        share = percent(found.images.auroc.value)
        samples = _samples(audit, found)
        return Claim(
            check=NAME,
            kind=self.kind,
            title=f"Audited and reference images are told apart in {share} of pairs"
            + (f"; {named[0].name} differs most" if named else ""),
            slice=SliceKey(),
            effect=_effect(found.images),
            limit=self.max_auroc,
            p_value=found.images.p_value,
            support=len(found.rows),
            samples=samples,
            statement=(
                (
                    f"{plural(len(found.rows), 'audited image')} and as many reference images of the same "
                    f"labels were compared. A classifier of image properties and thumbnails recognises "
                    f"the audited image in {share} of pairs that it has not seen; chance is 50 %."
                ),
                *([f"The largest differences: {differ}."] if differ else []),
                "The accuracy is not shown to be lower on the audited images, so this is a note."
                if not fell
                else f"The accuracy is {fell} lower on the audited images.",
                "The images shown are the failures least like the reference.",
            ),
            action="Look at the audited images least like the reference. If use brings such images, add "
            "them to the training data; if not, audit images like those of use.",
            limits="The test says that the images differ, not that the difference causes failures; "
            "differences that neither properties nor thumbnails show are left to the features.",
            evidence=(
                _least_like(audit, found),
                _table(found),
                Quantities(items=(*_quantity("properties and thumbnails", found.images),)),
            ),
            ceiling=ceiling,
            story=STORY,
        )

    def _of_features(self, audit: AuditData, found: ImageShift) -> Claim:
        share = percent(found.features.auroc.value)
        return Claim(
            check=NAME,
            kind=self.kind,
            title="By the network's features, audited and reference images are told apart in "
            f"{share} of pairs",
            slice=SliceKey(),
            effect=_effect(found.features),
            limit=self.max_feature_auroc,
            p_value=found.features.p_value,
            support=len(found.rows),
            samples=_samples(audit, found),
            statement=(
                (
                    "A classifier of the target layer's features recognises the audited image in "
                    f"{share} of pairs that it has not seen; chance is 50 %."
                ),
            ),
            action="Compare the accuracy on held-out images of the training's source with that on the "
            "audited images: it tells memorised training images from images of another kind.",
            limits="A network that has memorised its training images gives them other features than new "
            "images of the same kind.",
            evidence=(
                Quantities(items=(*_quantity("features of the target layer", found.features),)),
            ),
            ceiling="note",
            story=STORY,
        )


def _effect(found: TwoSample) -> Effect:
    return Effect.measured("pairs that are told apart", found.auroc, "share")


def _samples(audit: AuditData, found: ImageShift) -> tuple[str, ...]:
    """The least similar failures, whose maps the report shows, then the least similar others."""
    names = audit.predictions["sample"].to_numpy(dtype=object)
    failed = audit.predictions["failure"].to_numpy(dtype=bool)
    rows = found.least_like_reference
    ordered = [*rows[failed[rows]], *rows[~failed[rows]]]
    return tuple(str(name) for name in names[ordered[:_SHOWN]])


def _in_words(one: PropertyDifference) -> str:
    """Such as ``brightness 0.31 instead of 0.62 (1.4 standard deviations lower)``."""
    way = "higher" if one.difference > 0 else "lower"
    by = f"{abs(one.difference):.1f} standard deviations {way}"
    if one.is_share:
        return f"{one.name} in {percent(one.audited)} instead of {percent(one.reference)} of images"
    audited, reference = (amount(value, "score") for value in (one.audited, one.reference))
    return f"{one.name} {audited} instead of {reference} ({by})"


def _quantity(name: str, found: TwoSample) -> Iterator[Quantity]:
    yield Quantity(name=f"pairs told apart by {name}", value=Estimate.of(found.auroc), unit="share")


def _least_like(audit: AuditData, found: ImageShift) -> SampleGroups:
    label = audit.predictions["label"].astype(str).to_numpy(dtype=object)
    names = audit.predictions["sample"].astype(str).to_numpy(dtype=object)
    rows = found.least_like_reference[:_SHOWN]
    members = tuple(SampleRef(sample=names[row], label=label[row]) for row in rows)
    return SampleGroups(
        title="Audited images least like the reference",
        groups=(SampleGroup(members=members, note="least like the reference first"),),
    )


def _table(found: ImageShift) -> Table:
    return Table(
        title="Image properties of audited and reference images",
        columns=("property", "audited", "reference", "standardised difference"),
        rows=tuple(
            (one.name, one.audited, one.reference, one.difference)
            for one in found.properties
            if one.difference
        ),
    )
