"""Leakage: which audited images was the model trained on?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from auditor.checks import Check, Need
from auditor.errors import DataError
from auditor.imaging.small_copies import grey_copies
from auditor.near_duplicates.fingerprints import reach_note
from auditor.near_duplicates.training_images import (
    TrainingImages,
    network_features,
    readable_grey_copies,
)
from auditor.near_duplicates.training_matches import (
    CopyLimits,
    TrainingCopies,
    TrainingMatches,
    find_training_copies,
)
from auditor.near_duplicates.transformed_copies import TransformedCopies, find_transformed_copies
from auditor.phrasing import count, interval, percent, plural, several
from auditor.records import (
    AuditData,
    AuditSize,
    Claim,
    ClaimKind,
    Effect,
    Examination,
    FaultLabels,
    Images,
    Passes,
    Quantities,
    Quantity,
    SampleGroup,
    SampleGroups,
    SampleRef,
    Severity,
    Skipped,
    SliceKey,
)
from auditor.records.decisions import ONE_CLASS, TaskName
from auditor.records.predictions import FINGERPRINTS, PHASH, SHA256
from auditor.registry import plugin
from auditor.statistics import proportion

NAME = "leakage"
_SHOWN = 12
"""Samples that are listed at most."""
_LISTED = 500
"""Pairs that are listed in the evidence at most."""

Rows = NDArray[np.int64]


@plugin("check", NAME)
class Leakage(Check):
    """Which audited images was the model trained on?

    The training data is searched for the audited images: for equal files by SHA-256; for
    near-duplicates by a perceptual fingerprint, confirmed by the correlation of the pixels; and for
    images that were mirrored, cropped, rotated, toned or strongly compressed. Candidates for the
    latter come from thumbnails, and from the target layer's features if wanted; a copy is one that, after
    alignment, leaves much less of the image unexplained than any other training image. On images from
    its training data a model appears better than it is. The matches are counted, not tested. An image
    with another label in the training data is a conflict of the labels.
    """

    kind: ClassVar[ClaimKind] = "data"
    handles_clusters: ClassVar[bool] = True
    tasks: ClassVar[frozenset[TaskName]] = ONE_CLASS
    needs: ClassVar[frozenset[Need]] = frozenset({"images", "reference"})
    fault_labels: ClassVar[FaultLabels | None] = FaultLabels(
        many="labels that differ in training", one="another label in training"
    )
    renamed: ClassVar[Mapping[str, str]] = {"max_pictures": "max_images"}

    max_images: int = Field(20_000, ge=1)
    """Largest number of training images that are decoded; of more, a random sample."""
    max_distance: int = Field(6, ge=0, le=12)
    """Largest number of bits, of 64, in which the fingerprints of two copies differ."""
    min_correlation: float = Field(0.995, gt=0, le=1)
    """Smallest correlation of the pixels of two copies."""
    max_pairs: int = Field(5000, ge=0)
    """Largest number of pairs of similar fingerprints whose pixels are compared, the most similar
    first."""
    max_searched: int = Field(4000, ge=0)
    """Largest number of audited images for which transformed copies are searched; of more, a random
    sample."""
    max_described: int = Field(0, ge=0)
    """Largest number of audited or training images for which that search chooses candidates by the
    network's features, too; 0: by thumbnails alone."""
    min_fit: float = Field(0.9, gt=0, le=1)
    """Smallest correlation of a transformed copy after alignment."""
    max_ratio: float = Field(0.35, gt=0, lt=1)
    """Largest part that a transformed copy may leave unexplained of what the next best training image
    does."""
    max_share: float = Field(0.01, ge=0, le=1)
    """Largest acceptable share of audited images that are in the training data; above it, the finding
    is a warning."""

    def passes(self, size: AuditSize) -> Passes:
        """Features of the audited images, of their mirror images and of the training images, if used."""
        searched = min(size.n_samples, self.max_searched)
        trained = min(size.n_reference, self.max_images)
        used = trained > 0 and max(searched, trained) <= self.max_described
        number = float(2 * searched + trained) if used else 0.0
        return Passes(number, number)

    def examine(self, audit: AuditData) -> Examination:
        """Searches the training data for the audited images."""
        frame, trained = audit.predictions, audit.reference_images
        if trained is None or not len(trained):
            why = (
                "no training data is given"
                if audit.reference is None
                else "the training data's images are not available: its table has no paths"
            )
            return Examination(
                skipped=(_skipped(f"{why}; whether it contains audited images is unknown"),)
            )
        if audit.images is None or not {*FINGERPRINTS}.issubset(frame):
            return Examination(skipped=(_skipped("the audited images have no fingerprints"),))
        chosen = np.arange(len(trained))
        if len(chosen) > self.max_images:
            generator = np.random.default_rng(audit.seed)
            chosen = np.sort(generator.choice(chosen, self.max_images, replace=False))
        training = TrainingImages.read(trained, chosen, audit.reference_copies)
        copies = find_training_copies(
            grey_copies(audit.images, audit.copies),
            frame[SHA256],
            frame[PHASH],
            training,
            CopyLimits(self.max_distance, self.min_correlation, self.max_pairs),
        )
        transformed, skipped = self._transformed(audit, audit.images, training, copies.pairs.first)
        claims = []
        if len(copies):
            claims.append(_copies(audit, copies, self.max_share))
        if len(transformed):
            claims.append(_transformed(audit, transformed, self.max_share))
        not_compared = [*_not_compared(training, copies.n_not_compared)]
        if copies.reach < self.max_distance:
            option = f"checks.{NAME}.max_distance"
            not_compared.append(_skipped(reach_note(copies.reach, self.max_distance, option)))
        return Examination(tuple(claims), (*not_compared, *skipped))

    def _transformed(
        self, audit: AuditData, images: Images, training: TrainingImages, copies: Rows
    ) -> tuple[TransformedCopies, list[Skipped]]:
        """Transformed copies among the images that are no plain copies, and what was left out."""
        reasons: list[str] = []
        rows = np.setdiff1d(np.arange(len(audit.predictions)), copies)
        if len(rows) > self.max_searched:
            reasons.append(
                f"{self.max_searched} of {len(rows)} audited images, drawn at random, were searched for "
                "as mirrored, cropped and rotated copies (checks.leakage.max_searched)"
            )
            generator = np.random.default_rng(audit.seed)
            rows = np.sort(generator.choice(rows, self.max_searched, replace=False))
        rows, grey = readable_grey_copies(images, rows, audit.copies)
        features = None
        model = audit.model if self.max_described else None
        if model is not None and max(len(rows), len(training.rows)) > self.max_described:
            reasons.append(
                "candidates for transformed copies were chosen by thumbnails alone: the network's "
                f"features are used for up to {self.max_described} images "
                "(checks.leakage.max_described)"
            )
        elif model is not None and len(rows) and len(training.rows):
            try:
                features = network_features(model, images, rows, training)
            except DataError as error:
                reasons.append(f"no network features of the training images: {error}")
        found = find_transformed_copies(grey, training.grey, features, self.min_fit, self.max_ratio)
        matches = TransformedCopies(
            rows[found.image], training.rows[found.original], found.mirrored, found.correlation
        )
        return matches, [_skipped(reason) for reason in reasons]


@dataclass(frozen=True)
class _Wording:
    """What a claim says of matches.

    Attributes:
        title: what the images have in common, after their number.
        match: the same in detail.
        action: what to do with the images, as the beginning of a sentence.
        limits: what the claim cannot say.
        ceiling: highest severity.
    """

    title: str
    match: str
    action: str
    limits: str
    ceiling: Severity


def _copies(audit: AuditData, found: TrainingCopies, limit: float) -> Claim:
    n, n_equal = len(found), int(found.equal.sum())
    verb = "is" if n == 1 else "are"
    wording = _Wording(
        title=f"{verb} in the training data",
        match=f"{verb} in the training data{_how(n, n_equal)}",
        action="Remove",
        limits="It finds copies of images, not other images of the same object, person or series.",
        ceiling="warning",
    )
    matches = TrainingMatches(audit, found.pairs.first, found.pairs.second)
    return _claim(matches, found.notes, wording, limit)


def _transformed(audit: AuditData, found: TransformedCopies, limit: float) -> Claim:
    verb = "matches" if len(found) == 1 else "match"
    wording = _Wording(
        title=f"{verb} one training image after alignment",
        match=f"{verb} one training image after a small shift, rotation or change of scale, and no other "
        f"nearly as well{_mirrored(int(found.mirrored.sum()))}",
        action="Look at the pairs. Where they are copies, remove",
        limits="Neighbouring images of a series and objects of the same make also match: look at the "
        "pairs. Copies that were cropped by much more than a tenth of the side, or rotated by much more "
        "than five degrees, are not found.",
        # A match is inferred: it is no warning before a person has looked at the pairs.
        ceiling="note",
    )
    matches = TrainingMatches(audit, found.image, found.original)
    return _claim(matches, found.notes, wording, limit)


def _claim(
    matches: TrainingMatches, notes: Sequence[str], wording: _Wording, limit: float
) -> Claim:
    samples, total = matches.samples, len(matches.audit.predictions)
    n = len(samples)
    share = proportion(n, total)[()]
    names = np.array(samples, dtype=object)
    conflicts = tuple(names[matches.conflicts])
    # The model predicts what it was trained on: the label in the training data may be the wrong one.
    faulty = tuple(names[matches.conflicts & matches.predicted_as_trained])
    statement = [
        (
            f"{count(n)} of {count(total)} audited images ({percent(share.value)}, {interval(share)}), "
            f"{'such as ' if n > 3 else ''}"
            f"{several(samples)}, {wording.match}."
        ),
        _error_rates(matches),
    ]
    if conflicts:
        statement.append(
            f"{plural(len(conflicts), 'of them has', 'of them have')} another label in the training data; "
            f"for {count(len(faulty))} of these, the model predicts that label and counts as wrong."
        )
    return Claim(
        check=NAME,
        kind=Leakage.kind,
        title=f"{count(n)} of {count(total)} audited images {wording.title}",
        slice=SliceKey(),
        effect=Effect.measured(
            "share of audited images with a match in the training data", share, "share"
        ),
        limit=limit,
        p_value=None,
        support=n,
        samples=tuple(dict.fromkeys([*conflicts, *samples]))[:_SHOWN],
        statement=tuple(statement),
        action=f"{wording.action} these images from the audited data (or train without them), and audit "
        "again: on them, the model shows what it has memorised, not how it generalises."
        + (" Correct the labels that contradict each other." if conflicts else ""),
        limits=wording.limits,
        evidence=(_pairs(matches, notes), _quantities(matches, len(conflicts), len(faulty))),
        weight=float(n),
        ceiling=wording.ceiling,
        counted=True,
        faulty=faulty,
    )


def _how(n: int, n_equal: int) -> str:
    """How the copies match, as an addition to a sentence."""
    if n_equal == n:
        return ", as equal files"
    if not n_equal:
        return ", with small changes"
    return f" ({count(n_equal)} as equal files, {count(n - n_equal)} with small changes)"


def _mirrored(number: int) -> str:
    return f" ({count(number)} of them mirrored)" if number else ""


def _error_rates(matches: TrainingMatches) -> str:
    parts = [
        f"{percent(rate)} for {whom}"
        for rate, whom in zip(matches.error_rates, ("these images", "the others"), strict=True)
        if rate is not None
    ]
    return f"The error rate is {' and '.join(parts)}."


def _pairs(matches: TrainingMatches, notes: Sequence[str]) -> SampleGroups:
    pairs = zip(
        matches.samples,
        matches.labels,
        matches.training_names,
        matches.training_labels,
        notes,
        strict=True,
    )
    groups = tuple(
        SampleGroup(
            members=(
                SampleRef(sample=sample, label=label),
                SampleRef(sample=name, label=training_label, source="reference"),
            ),
            note=note,
        )
        for sample, label, name, training_label, note in islice(pairs, _LISTED)
    )
    return SampleGroups(title="Matches in the training data", groups=groups)


def _quantities(matches: TrainingMatches, n_conflicts: int, n_faulty: int) -> Quantities:
    rate, rest = matches.error_rates
    return Quantities(
        items=(
            Quantity(name="error rate of the matched images", value=rate, unit="share"),
            Quantity(name="error rate of the others", value=rest, unit="share"),
            Quantity(name="images with another training label", value=n_conflicts, unit="count"),
            Quantity(name="failures predicted as that label", value=n_faulty, unit="count"),
        )
    )


def _not_compared(training: TrainingImages, n_pairs: int) -> Iterator[Skipped]:
    """What of the training data was not compared, and why."""
    if training.n_searched < len(training.images):
        yield _skipped(
            f"{training.n_searched} of {len(training.images)} training images, drawn at random, were "
            "searched (checks.leakage.max_images)"
        )
    if training.n_unreadable:
        yield _skipped(f"unreadable training images: {training.n_unreadable}")
    if n_pairs:
        yield _skipped(
            f"the pixels of {plural(n_pairs, 'pair')} with similar fingerprints were not compared "
            "(checks.leakage.max_pairs); those of the most similar pairs were"
        )


def _skipped(reason: str) -> Skipped:
    return Skipped(check=NAME, reason=reason)
