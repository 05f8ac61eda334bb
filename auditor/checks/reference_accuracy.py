"""Reference accuracy: is the model less accurate on the audited data than on its training data?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from pydantic import Field

from auditor.checks import Check, Need
from auditor.comparisons.reference_images import STORY, AccuracyLoss, accuracy_loss, severity_of
from auditor.comparisons.slice_counts import SliceCounter
from auditor.phrasing import (
    class_name,
    count,
    interval,
    percent,
    percents,
    plural,
    points,
    quoted,
    several,
)
from auditor.records import (
    AuditData,
    AuditSize,
    Claim,
    Effect,
    Estimate,
    Examination,
    Passes,
    Quantities,
    Quantity,
    Skipped,
    Slice,
    SliceKey,
    Table,
)
from auditor.records.decisions import ONE_CLASS, TaskName
from auditor.records.predictions import codes
from auditor.registry import plugin

NAME = "reference-accuracy"
_NAMED = 3
"""Classes that are named in a sentence at most."""


@plugin("check", NAME)
class ReferenceAccuracy(Check):
    """Is the model less accurate on the audited data than on its reference (training) data?

    A random sample of the reference images is predicted. Its accuracy is compared with that on the
    audited data, as a whole and within each class, with intervals of the difference; the severity follows
    the difference within the same labels, because another mix of classes is no fault of the model.

    Some loss is normal, because a model is more accurate on images that it was trained on. Networks lose
    5 to 10 points between the training and the test images of CIFAR-10 and ImageNet, and another 3 to 15
    points on new images that were collected in the same way (B. Recht et al., "Do ImageNet classifiers
    generalize to ImageNet?", ICML 2019). So a loss is a warning if the interval shows that it is above 10
    points, and an alert above 20 points.
    """

    handles_clusters: ClassVar[bool] = True
    tasks: ClassVar[frozenset[TaskName]] = ONE_CLASS
    needs: ClassVar[frozenset[Need]] = frozenset({"model", "images", "reference"})

    max_images: int = Field(1000, ge=1)
    """Largest number of reference images that are predicted; of more, a random sample."""
    max_loss: float = Field(0.1, ge=0, lt=1)
    """Largest acceptable loss of accuracy (a share, 0 to 1); a warning if the interval lies above it."""
    alert_loss: float = Field(0.2, ge=0, lt=1)
    """A larger loss is an alert if the interval lies above it (a share, 0 to 1)."""

    def passes(self, size: AuditSize) -> Passes:
        """One for each reference image of the sample."""
        number = float(min(size.n_reference, self.max_images))
        return Passes(number, number)

    def examine(self, audit: AuditData) -> Examination:
        """Compares the accuracy on reference images with that on the audited ones."""
        found = accuracy_loss(audit, self.max_images)
        if isinstance(found, str):
            return Examination(skipped=(Skipped(check=NAME, reason=found),))
        skipped = []
        if found.sample.n_unreadable:
            n = plural(found.sample.n_unreadable, "reference image")
            skipped.append(Skipped(check=NAME, reason=f"{n} could not be read"))
        if not np.isfinite(found.p_value):
            reason = "the images come from too few clusters to estimate the uncertainty"
            return Examination(skipped=(*skipped, Skipped(check=NAME, reason=reason)))
        claims = (self._whole(audit, found), *self._classes(audit, found))
        return Examination(claims, tuple(skipped))

    def _whole(self, audit: AuditData, found: AccuracyLoss) -> Claim:
        counter = SliceCounter(audit)
        everything = Slice(SliceKey(), np.arange(len(audit.predictions), dtype=np.int64))
        reference, audited = percents(found.reference.value, found.audited.value)
        within = Effect.measured("loss of accuracy within labels", found.within, "points")
        return Claim(
            check=NAME,
            kind=self.kind,
            title=f"The accuracy is {reference} on reference images and {audited} on the audited ones",
            slice=SliceKey(),
            effect=Effect.measured("loss of accuracy", found.loss, "points"),
            limit=self.max_loss,
            p_value=found.p_value,
            support=found.n_audited,
            samples=counter.highest_loss(everything) if found.loss.value > 0 else (),
            statement=(
                _how_many(found),
                (
                    f"The accuracy is {_change(found.loss.value)} on the audited images "
                    f"({interval(found.loss, ' points')}); within the same labels (Mantel–Haenszel "
                    f"weights), {_change(found.within.value)} ({interval(found.within, ' points')})."
                ),
                *_worst_classes(audit, found, self.max_loss),
            ),
            action="Find out how the audited images differ from the training images: source, backgrounds, "
            "preprocessing, file format. Look at the audited images least like the reference, then train "
            "with such images, or limit the use of the model to images like the reference.",
            limits="Some loss is normal, because the accuracy on training images is optimistic; the "
            "comparison does not say whether the images differ or the network has memorised its training "
            "images.",
            evidence=(_quantities(found), _table(audit, found)),
            graded_by=within,
            weight=max(0.0, found.loss.value) * found.n_audited,
            ceiling=severity_of(found.within, self.max_loss, self.alert_loss),
            story=STORY,
        )

    def _classes(self, audit: AuditData, found: AccuracyLoss) -> Iterator[Claim]:
        """One claim for each class; where all lose as much as the whole, they only count as tests."""
        counter = SliceCounter(audit)
        label = codes(audit.predictions["label"])
        for k, code in enumerate(found.classes):
            one = Slice(SliceKey(label=audit.classes[code]), np.flatnonzero(label == code))
            loss = found.by_class[k]
            # What the whole shows needs no claim for each class: only what exceeds it.
            beyond = loss.low > max(found.loss.value, 0.0) + self.max_loss
            told_by_whole = found.loss.value > self.max_loss and not beyond
            audited = found.reference_by_class[k] - loss.value
            before, after = percents(found.reference_by_class[k], audited)
            name = quoted(audit.classes[code])
            yield Claim(
                check=NAME,
                kind=self.kind,
                title=f"{before} of the reference images of {name} are classified correctly, {after} "
                "of the audited ones",
                slice=one.key,
                effect=None
                if told_by_whole
                else Effect.measured("loss of accuracy", loss, "points"),
                limit=self.max_loss,
                p_value=float(found.class_p_values[k]),
                support=one.support,
                samples=counter.highest_loss(one) if loss.value > 0 else (),
                statement=(
                    (
                        f"Of {plural(int(found.counts[k, 0]), 'reference image')} of {name}, {before} are "
                        f"classified correctly, and of {plural(one.support, 'audited one')}, {after}: "
                        f"{_change(loss.value)} ({interval(loss, ' points')})."
                    ),
                ),
                action=f"Compare the audited images of {name} with the training images of that class: "
                "labels, sources and backgrounds.",
                limits="Some loss is normal, because the accuracy on training images is optimistic.",
                weight=max(0.0, loss.value) * one.support,
                ceiling=severity_of(loss, self.max_loss, self.alert_loss),
                joint="classes",
                story=STORY,
            )


def _change(loss: float) -> str:
    return f"{points(loss)} {'lower' if loss >= 0 else 'higher'}"


def _how_many(found: AccuracyLoss) -> str:
    n, all_of_them = len(found.sample.rows), found.sample.n_labelled
    drawn = f"{plural(n, 'reference image')},"
    if n + found.sample.n_unreadable < all_of_them:
        drawn = f"{count(n)} of {plural(all_of_them, 'reference image')}, drawn at random,"
    return (
        f"Of {drawn} {percent(found.reference.value)} are classified correctly "
        f"({interval(found.reference)}); of {plural(found.n_audited, 'audited image')}, "
        f"{percent(found.audited.value)} ({interval(found.audited)})."
    )


def _worst_classes(audit: AuditData, found: AccuracyLoss, limit: float) -> Iterator[str]:
    """The classes that are shown to lose most, if the losses differ."""
    worst = [
        k
        for k in np.argsort(-found.by_class.value, kind="stable")
        if found.by_class.low[k] > limit and found.class_p_values[k] <= audit.alpha
    ]
    if worst and len(found.classes) > 2:
        named = [
            f"{quoted(audit.classes[found.classes[k]])} ({points(found.by_class.value[k])})"
            for k in worst
        ]
        yield f"The loss is largest for {several(named, _NAMED)}."


def _quantities(found: AccuracyLoss) -> Quantities:
    numbers = (("reference images", found.reference), ("audited images", found.audited))
    return Quantities(
        items=(
            *(
                Quantity(name=f"accuracy on the {name}", value=Estimate.of(value), unit="share")
                for name, value in numbers
            ),
            Quantity(
                name="loss within the same labels", value=Estimate.of(found.within), unit="points"
            ),
            Quantity(name="reference images predicted", value=len(found.sample.rows), unit="count"),
        )
    )


def _table(audit: AuditData, found: AccuracyLoss) -> Table:
    order = np.argsort(-found.by_class.value, kind="stable")
    return Table(
        title="Accuracy of each class on reference and audited images",
        columns=("class", "reference images", "accuracy", "audited images", "accuracy", "loss"),
        rows=tuple(
            (
                class_name(audit.classes[found.classes[k]]),
                float(found.counts[k, 0]),
                float(found.reference_by_class[k]),
                float(found.counts[k, 1]),
                float(found.reference_by_class[k] - found.by_class.value[k]),
                float(found.by_class.value[k]),
            )
            for k in order
        ),
        units=(None, "count", "share", "count", "share", "points"),
    )
