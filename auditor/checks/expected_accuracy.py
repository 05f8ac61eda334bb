"""Expected accuracy: is the model less accurate than its publisher says?"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field
from scipy.stats import binom

from auditor.checks import Check, Need
from auditor.comparisons.clusters import inflation, shares_of
from auditor.comparisons.reference_images import severity_of
from auditor.comparisons.slice_counts import SliceCounter
from auditor.errors import DataError, UnreadableImageError
from auditor.imaging.raster_formats import open_raster
from auditor.phrasing import interval, percent, percents, plural, points, several
from auditor.records import (
    AuditData,
    AuditSize,
    Claim,
    DecodedImage,
    Effect,
    Estimate,
    Examination,
    Images,
    Passes,
    Quantities,
    Quantity,
    Slice,
    SliceKey,
)
from auditor.records.decisions import ONE_CLASS, TaskName
from auditor.registry import plugin
from auditor.statistics import Integers, Interval, mcnemar

NAME = "expected-accuracy"


@plugin("check", NAME)
class ExpectedAccuracy(Check):
    """Is the model less accurate than ``model.expected.accuracy``, its published accuracy?

    The published number is taken as exact. A model that loses more than a few points on the data for
    which a number is published is usually used wrongly: the check tries other preprocessings, and what
    another JPEG compression costs. Evaluations of one model by different libraries differ by 1 or 2 points
    (decoder, resize). So a loss is reported above 2 points, is a warning if the interval shows that, and
    an alert if it shows more than 10 points, the gap that the gate has to exclude by default.
    """

    handles_clusters: ClassVar[bool] = True
    tasks: ClassVar[frozenset[TaskName]] = ONE_CLASS
    needs: ClassVar[frozenset[Need]] = frozenset({"model", "images"})

    max_loss: float = Field(0.02, ge=0, lt=1)
    """Largest acceptable loss of accuracy (a share, 0 to 1)."""
    alert_loss: float = Field(0.1, ge=0, lt=1)
    """A larger loss is an alert if the interval lies above it (a share, 0 to 1)."""
    max_images: int = Field(256, ge=0)
    """Images on which reasons are tried; 0: none are tried."""

    def passes(self, size: AuditSize) -> Passes:
        """About a dozen alternatives on each image on which they are tried."""
        number = 12.0 * min(self.max_images, size.n_samples) if size.has_expected else 0.0
        return Passes(0.0, number)

    def examine(self, audit: AuditData) -> Examination:
        """Compares the measured accuracy with the published one."""
        expected = audit.expected_accuracy
        if expected is None:
            return Examination()
        failed = audit.predictions["failure"].to_numpy(dtype=bool)
        everything = np.arange(len(failed), dtype=np.int64)
        measured = shares_of(audit, ~failed, [everything])[0]
        size = len(failed) / float(inflation(audit, failed, [everything])[0])
        p_value = float(binom.cdf(round(measured.value * size), round(size), expected))
        loss = Interval(
            expected - measured.value, expected - measured.high, expected - measured.low
        )
        tried = _Reasons.of(audit, self.max_images) if loss.low > self.max_loss else None
        one, other = percents(measured.value, expected)
        counter = SliceCounter(audit)
        return Examination(
            (
                Claim(
                    check=NAME,
                    kind=self.kind,
                    title=f"The accuracy is {one}; the published one is {other}",
                    slice=SliceKey(),
                    effect=Effect.measured("accuracy below the published one", loss, "points"),
                    limit=self.max_loss,
                    p_value=p_value,
                    support=len(failed),
                    samples=counter.highest_loss(Slice(SliceKey(), everything)),
                    statement=(
                        (
                            f"Of {plural(len(failed), 'sample')}, {one} are classified correctly "
                            f"({interval(measured)}): {points(loss.value)} below the published {other} "
                            f"({interval(loss, ' points')})."
                        ),
                        *(tried.sentences if tried is not None else ()),
                    ),
                    action=_action(tried),
                    limits="The published accuracy is taken as exact, and as measured on such data: another "
                    "selection of samples or classes has another accuracy.",
                    evidence=(
                        Quantities(
                            items=(
                                Quantity(
                                    name="accuracy", value=Estimate.of(measured), unit="share"
                                ),
                                Quantity(name="published accuracy", value=expected, unit="share"),
                            )
                        ),
                    ),
                    weight=max(0.0, loss.value) * len(failed),
                    ceiling=severity_of(loss, self.max_loss, self.alert_loss),
                    story="expected",
                ),
            )
        )


@dataclass(frozen=True)
class _Reasons:
    """Likely reasons that were tried."""

    sentences: tuple[str, ...]
    better: str | None = None

    @classmethod
    def of(cls, audit: AuditData, number: int) -> _Reasons | None:
        """Tries them on a random sample; None where nothing can be tried."""
        if audit.model is None or not number:
            return None
        rng = np.random.default_rng(audit.seed)
        rows = np.sort(rng.permutation(len(audit.predictions))[:number]).astype(np.int64)
        advice = audit.model.preprocessing_advice(rows)
        sentences = []
        if advice.better is not None:
            sentences.append(f"Another preprocessing fits better: {advice.better}.")
        elif advice.tried:
            sentences.append(
                f"On {plural(advice.n_images, 'image')}, no other preprocessing is shown to be better; "
                f"tried: {several(advice.tried, len(advice.tried))}."
            )
        return cls((*sentences, *_compression(audit, rows)), advice.better)


def _action(tried: _Reasons | None) -> str:
    if tried is not None and tried.better is not None:
        return "Correct the preprocessing and audit again."
    return (
        "Compare preprocessing, file format and image size with those of the published evaluation, and "
        "check the order of the classes."
    )


def _compression(audit: AuditData, rows: Integers) -> Iterator[str]:
    """What JPEG compression costs: the images are encoded once more at the quality of their files."""
    if audit.images is None or audit.model is None:
        return
    qualities = [_quality(audit.images, int(row)) for row in rows]
    known = np.array([one for one in qualities if one is not None])
    if len(known) * 2 < len(rows) or not len(known):
        return
    quality = int(np.median(known))
    try:
        again = audit.model.probabilities_of(_Reencoded(audit.images, quality), rows)
    except DataError:
        return  # an image that was readable at the start of the audit no longer is
    label = audit.predictions["label"].cat.codes.to_numpy()[rows]
    failed = audit.predictions["failure"].to_numpy(dtype=bool)[rows]
    fails = audit.model.decide(again) != label
    change = mcnemar((fails & ~failed).sum(), (failed & ~fails).sum(), len(rows))
    if change.p_value[()] <= audit.alpha and change.change.value[()] > 0:
        before, after = percents(1 - float(failed.mean()), 1 - float(fails.mean()))
        yield (
            f"The network is sensitive to compression: encoded once more as JPEG at the median quality of "
            f"the files, {quality}, {after} of {plural(len(rows), 'image')} are classified correctly "
            f"instead of {before}. Compression may explain a part of the loss."
        )
    else:
        lost = percent(max(0.0, float(change.change.high[()])))
        yield (
            f"The images are JPEG files (median quality {quality}); encoding them once more at that quality "
            f"has no significant effect (up to {lost} more failures)."
        )


def _quality(images: Images, row: int) -> float | None:
    try:
        stored = images[row].stored.get("jpeg_quality")
    except UnreadableImageError:
        return None
    return None if stored is None else float(stored)


@dataclass(frozen=True)
class _Reencoded:
    """Images encoded as JPEG once more."""

    images: Images
    quality: int

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> DecodedImage:
        decoded = self.images[index]
        stream = io.BytesIO()
        decoded.image.save(stream, "JPEG", quality=self.quality)
        with open_raster(stream) as image:
            return DecodedImage(image.convert("RGB"), decoded.sha256, decoded.stored)
