"""Leakage: which audited images was the model trained on?"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps
from pydantic import Field

from auditor.errors import DataError, UnreadableImageError
from auditor.imaging.perceptual_hash import phash
from auditor.near_duplicates.fingerprints import NearPairs, alike, crossing_pairs, prints_of
from auditor.near_duplicates.transformed_copies import (
    SIDE,
    Features,
    Matches,
    changed_copies,
    shades,
)
from auditor.phrasing import effect, interval, percent, several
from auditor.records import (
    AuditData,
    Claim,
    DecodedImage,
    Examination,
    Images,
    ModelAccess,
    Severity,
    Skipped,
    SliceKey,
)
from auditor.records.predictions import FINGERPRINTS, PHASH, SHA256
from auditor.registry import Options, plugin
from auditor.statistics import wilson

NAME = "leakage"
_SHOWN = 12
_LISTED = 500
"""Pairs that are listed in the evidence at most."""

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]


@plugin("check", NAME)
class Leakage(Options):
    """Which audited images was the model trained on?

    The training data's images are searched for those of the audited data: equal files by SHA-256;
    nearly equal images by a perceptual fingerprint, confirmed by the correlation of the pixels;
    and images that were mirrored, cropped, turned, toned or saved coarsely, whose candidates come
    from thumbnails and from what the target layer says of them: such a copy, once fitted, leaves
    much less of the image unexplained than any other training image. A model knows what it was
    trained on: such samples make it look better than it is. Counted, not tested. An image with
    another label in training is a conflict of the data.
    """

    renamed: ClassVar[Mapping[str, str]] = {"max_pictures": "max_images"}

    max_images: int = Field(20_000, ge=1)
    """Training images that are decoded; of more, so many are drawn at random."""
    max_distance: int = Field(6, ge=0, le=12)
    """Bits of 64 that the fingerprints of two copies may differ in."""
    min_correlation: float = Field(0.995, gt=0, le=1)
    """Smallest correlation of the pixels of two copies."""
    max_pairs: int = Field(5000, ge=0)
    """Pairs of like fingerprints whose pixels are compared; the likest come first."""
    max_searched: int = Field(4000, ge=0)
    """Audited images for which changed copies are looked for; of more, so many are drawn."""
    max_described: int = Field(2000, ge=0)
    """Images of either side up to which the network describes them for that search."""
    min_fit: float = Field(0.9, gt=0, le=1)
    """Smallest correlation of a changed copy, once fitted."""
    max_ratio: float = Field(0.35, gt=0, lt=1)
    """Largest part that a changed copy may leave unexplained of what the next best image does."""
    max_share: float = Field(0.01, ge=0, le=1)
    """Largest acceptable share of audited images that are in the training data; from there on it is
    a warning."""

    def examine(self, audit: AuditData) -> Examination:
        """Looks for the audited images among those of the training data."""
        frame = audit.predictions
        trained = audit.reference_images
        if trained is None or not len(trained):
            why = (
                "no training data is given"
                if audit.reference is None
                else "the training data's images are not at hand: its table names none"
            )
            return _skipped(f"{why}; whether the model was trained on audited images is unknown")
        if audit.images is None or not {*FINGERPRINTS}.issubset(frame):
            return _skipped("the audited images were not fingerprinted")
        chosen = np.arange(len(trained))
        if len(chosen) > self.max_images:
            generator = np.random.default_rng(audit.seed)
            chosen = np.sort(generator.choice(chosen, self.max_images, replace=False))
        known = _fingerprinted(trained, chosen)
        equal = _equal(frame[SHA256].tolist(), known)
        near, left = self._near(audit, audit.images, trained, known)
        pairs = _first_of_each(equal, near)
        changed, told = self._changed(audit, audit.images, trained, known, pairs.first)
        leaks = (
            _Leaks(audit, pairs.first, pairs.second),
            _Leaks(audit, changed.first, changed.second),
        )
        claims = []
        if len(pairs):
            claims.append(leaks[0].as_copies(len(equal), pairs.distance, self.max_share))
        if len(changed):
            claims.append(leaks[1].as_changed(changed, self.max_share))
        return Examination(tuple(claims), (*_limits(known, len(trained), left), *told))

    def _near(
        self, audit: AuditData, images: Images, trained: Images, known: _Known
    ) -> tuple[NearPairs, int]:
        prints, rows = prints_of(audit.predictions[PHASH].tolist())
        theirs, their_rows = prints_of(known.phash)
        found = crossing_pairs(prints, theirs, self.max_distance).closest_first()
        pairs = NearPairs(rows[found.first], known.rows[their_rows[found.second]], found.distance)
        same, left = alike(pairs, images, trained, self.min_correlation, self.max_pairs)
        return pairs[same], left

    def _changed(
        self, audit: AuditData, images: Images, trained: Images, known: _Known, copies: Rows
    ) -> tuple[Matches, list[Skipped]]:
        """Changed copies among the images that are no plain ones, and what was not looked at."""
        told: list[str] = []
        rows = np.setdiff1d(np.arange(len(audit.predictions)), copies)
        if len(rows) > self.max_searched:
            told.append(
                f"for mirrored, cropped and turned copies, {self.max_searched} of {len(rows)} audited "
                "images, drawn at random, were examined (checks.leakage.max_searched)"
            )
            generator = np.random.default_rng(audit.seed)
            rows = np.sort(generator.choice(rows, self.max_searched, replace=False))
        seen = [(row, _shades(images, int(row))) for row in rows]
        rows = np.array([row for row, one in seen if one is not None], dtype=np.int64)
        pixels = _stacked([one for _, one in seen if one is not None])
        features = None
        if max(len(rows), len(known.rows)) > self.max_described:
            told.append(
                f"candidates for changed copies were looked for by thumbnails alone: the network "
                f"describes up to {self.max_described} images (checks.leakage.max_described)"
            )
        elif audit.model is not None and len(rows) and len(known.rows):
            try:
                features = _described(audit.model, images, rows, trained, known.rows)
            except DataError as error:
                told.append(f"the network could not describe the training images: {error}")
        found = changed_copies(pixels, known.shades, features, self.min_fit, self.max_ratio)
        matches = Matches(
            rows[found.first], known.rows[found.second], found.mirrored, found.likeness
        )
        return matches, [Skipped(check=NAME, reason=reason) for reason in told]


@dataclass(frozen=True)
class _Known:
    """Fingerprints of training images; those that can't be read are left out.

    Attributes:
        rows: (n,) positions in the training data.
        sha256: n fingerprints of files.
        phash: n perceptual fingerprints.
        shades: (n, 64, 64) small grey copies.
        n_unreadable: how many could not be read.
    """

    rows: Rows
    sha256: list[str]
    phash: list[str | None]
    shades: NDArray[np.uint8]
    n_unreadable: int


def _fingerprinted(images: Images, rows: Rows) -> _Known:
    def one(row: int) -> tuple[int, str, str | None, NDArray[np.uint8]] | None:
        try:
            image = images[row]
        except UnreadableImageError:
            return None
        return row, image.sha256, phash(image.image), shades(image.image)

    # Pillow decodes outside of Python's lock, so threads suffice.
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 16)) as pool:
        found = [told for told in pool.map(one, rows.tolist(), chunksize=64) if told is not None]
    return _Known(
        np.array([row for row, *_ in found], dtype=np.int64),
        [sha256 for _, sha256, _, _ in found],
        [seen for _, _, seen, _ in found],
        _stacked([small for *_, small in found]),
        len(rows) - len(found),
    )


def _shades(images: Images, row: int) -> NDArray[np.uint8] | None:
    """A grey copy, None where the image can't be read (any more)."""
    try:
        return shades(images[row].image)
    except UnreadableImageError:
        return None


def _stacked(small: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return np.stack(small) if small else np.empty((0, SIDE, SIDE), dtype=np.uint8)


@dataclass(frozen=True)
class _Mirrored:
    """Images with left and right exchanged."""

    images: Images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> DecodedImage:
        image = self.images[index]
        return DecodedImage(ImageOps.mirror(image.image), image.sha256, image.stored)


def _described(
    model: ModelAccess, images: Images, rows: Rows, trained: Images, known: Rows
) -> Features:
    return Features(
        model.features(rows),
        model.features_of(_Mirrored(images), rows),
        model.features_of(trained, known),
    )


def _equal(files: list[str], known: _Known) -> NearPairs:
    holder = {sha256: int(row) for sha256, row in zip(known.sha256, known.rows, strict=True)}
    found = [(k, holder[sha256]) for k, sha256 in enumerate(files) if sha256 in holder]
    table = np.array(found, dtype=np.int64).reshape(-1, 2)
    return NearPairs(table[:, 0], table[:, 1], np.zeros(len(table), dtype=np.int64))


def _first_of_each(equal: NearPairs, near: NearPairs) -> NearPairs:
    """One pair an audited sample, equal files before near ones."""
    first, second, distance = (
        np.concatenate([getattr(equal, name), getattr(near, name)])
        for name in ("first", "second", "distance")
    )
    once = np.unique(first, return_index=True)[1]
    return NearPairs(first[once], second[once], distance[once])


class _Leaks:
    """Audited samples with the training images that they are copies of."""

    def __init__(self, audit: AuditData, rows: Rows, trained: Rows) -> None:
        frame = audit.predictions
        self.names = [str(one) for one in frame["sample"].iloc[rows]]
        self.n, self.trained = len(frame), trained
        failure = frame["failure"].to_numpy(dtype=bool)
        leaked = np.zeros(len(frame), dtype=bool)
        leaked[rows] = True
        self.rates = [
            float(failure[part].mean()) if part.any() else None for part in (leaked, ~leaked)
        ]
        labels = audit.reference_labels
        self.taught = [None if labels is None else labels[row] for row in trained]
        own, called = (frame[name].astype(str).iloc[rows] for name in ("label", "predicted"))
        self.other = [
            name
            for name, label, taught in zip(self.names, own, self.taught, strict=True)
            if taught in audit.classes and taught != label
        ]
        torn = set(self.other)
        # What says of them what it was taught does as the data asks.
        self.faulty = tuple(
            name
            for name, said, taught in zip(self.names, called, self.taught, strict=True)
            if name in torn and said == taught
        )

    def as_copies(self, n_equal: int, distance: Rows, limit: float) -> Claim:
        """The claim that they are in the training data."""
        n = len(self.names)
        columns = {"distance": [int(one) for one in distance]}
        return self._claim(
            f"{n} of {self.n} audited images are in the training data",
            f"are in the training data, {n_equal} as equal files and {n - n_equal} changed a little",
            "It finds copies of images, not other images of the same object, person or series.",
            "Take",
            "warning",
            limit,
            columns,
        )

    def as_changed(self, found: Matches, limit: float) -> Claim:
        """The claim that they are in the training data mirrored, cropped, turned or toned."""
        mirrored = int(found.mirrored.sum())
        columns: dict[str, list[bool] | list[float]] = {
            "mirrored": found.mirrored.tolist(),
            "correlation": [round(float(one), 4) for one in found.likeness],
        }
        return self._claim(
            f"{len(self.names)} of {self.n} audited images match one training image once moved, "
            "turned or scaled",
            "match one training image once moved, turned or scaled a little, and no other comes near; "
            f"{mirrored} of them are mirrored",
            "Neighbours in a series, and objects made alike from one piece, match as copies do: look at "
            "the pairs. Copies cropped or turned by far more than a tenth are not found.",
            # A match is inferred: nobody is warned of it before a person has looked at the pairs.
            "Look at the pairs. Where they are copies, take",
            "note",
            limit,
            columns,
        )

    def _claim(
        self,
        title: str,
        told: str,
        limits: str,
        begin: str,
        ceiling: Severity,
        limit: float,
        columns: dict[str, list[int]] | dict[str, list[bool] | list[float]],
    ) -> Claim:
        n = len(self.names)
        share = wilson(n, self.n)[()]
        failed = " and ".join(
            f"{percent(rate)} of {who}"
            for rate, who in zip(self.rates, ("them", "the others"), strict=True)
            if rate is not None
        )
        other = (
            f" {len(self.other)} of them bear another label there; {len(self.faulty)} of these are "
            "failures in which the model says that label."
            if self.other
            else ""
        )
        pairs = [
            {"sample": name, "training_row": int(row) + 1, "training_label": taught}
            | {key: values[k] for key, values in columns.items()}
            for k, (name, row, taught) in enumerate(
                zip(self.names[:_LISTED], self.trained, self.taught, strict=False)
            )
        ]
        return Claim(
            check=NAME,
            title=title,
            slice=SliceKey(),
            effect=effect("share of audited images with a match in the training data", share),
            limit=limit,
            p_value=None,
            support=n,
            samples=tuple(dict.fromkeys([*self.other, *self.names]))[:_SHOWN],
            statement=f"{n} of {self.n} audited images ({percent(share.value)}, {interval(share)}), "
            f"such as {several(self.names)}, {told}. Misclassified are {failed}.{other}",
            action=f"{begin} these images out of the audited data (or train without them), and audit "
            "again: of them, the model tells what it was taught and not what it has learnt."
            + (" Correct the labels that contradict each other." if other else ""),
            limits=limits,
            evidence={
                "pairs": pairs,
                "error_rate": self.rates[0],
                "rest_error_rate": self.rates[1],
                "other_label": len(self.other),
                "at_fault": len(self.faulty),
            },
            weight=float(n),
            ceiling=ceiling,
            counted=True,
            faulty=self.faulty,
        )


def _limits(known: _Known, n_trained: int, n_left: int) -> Iterator[Skipped]:
    """What of the training data was not compared, and why."""
    if len(known.rows) + known.n_unreadable < n_trained:
        yield _told(
            f"{len(known.rows) + known.n_unreadable} of {n_trained} training images, drawn at "
            "random, were searched (checks.leakage.max_images)"
        )
    if known.n_unreadable:
        yield _told(f"{known.n_unreadable} training images can't be read")
    if n_left:
        yield _told(
            f"the pixels of {n_left} pairs with like fingerprints were not compared "
            "(checks.leakage.max_pairs); the likest were"
        )


def _told(reason: str) -> Skipped:
    return Skipped(check=NAME, reason=reason)


def _skipped(reason: str) -> Examination:
    return Examination(skipped=(_told(reason),))
