"""Leakage: which audited pictures was the model trained on?"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from auditor.checks._lookalikes import Pairs, alike, crossing_pairs, prints_of
from auditor.checks._wording import effect, interval, percent, several
from auditor.errors import UnreadableImageError
from auditor.properties import phash
from auditor.records import Claim, Evidence, Examination, Images, Skipped, SliceKey
from auditor.registry import Options, plugin
from auditor.statistics import wilson

NAME = "leakage"
_SHOWN = 12
_LISTED = 500
"""Pairs that are listed in the evidence at most."""


@plugin("check", NAME)
class Leakage(Options):
    """Which audited pictures was the model trained on?

    The training data's pictures are searched for those of the audited data: equal files by SHA-256,
    nearly equal pictures by a perceptual fingerprint, confirmed by the correlation of the pixels. A
    model knows what it was trained on: such samples make it look better than it is. Counted, not
    tested.
    """

    max_pictures: int = Field(20_000, ge=1)
    """Training pictures that are decoded; of more, so many are drawn at random."""
    max_distance: int = Field(6, ge=0, le=12)
    """Bits of 64 that the fingerprints of two copies may differ in."""
    min_correlation: float = Field(0.995, gt=0, le=1)
    """Smallest correlation of the pixels of two copies."""
    max_pairs: int = Field(5000, ge=0)
    """Pairs of like fingerprints whose pixels are compared; the likest come first."""

    def examine(self, evidence: Evidence) -> Examination:
        """Looks for the audited pictures among those of the training data."""
        frame = evidence.predictions
        trained = evidence.reference_images
        if trained is None or not len(trained):
            why = (
                "no training data is given"
                if evidence.reference is None
                else "the training data's pictures are not at hand: its table names none"
            )
            return _skipped(f"{why}; whether the model was trained on audited pictures is unknown")
        if evidence.images is None or "sha256" not in frame or "phash" not in frame:
            return _skipped("the audited pictures were not fingerprinted")
        chosen = np.arange(len(trained))
        if len(chosen) > self.max_pictures:
            generator = np.random.default_rng(evidence.seed)
            chosen = np.sort(generator.choice(chosen, self.max_pictures, replace=False))
        known = _fingerprinted(trained, chosen)
        equal = _equal(frame["sha256"].tolist(), known)
        near, left = self._near(evidence, evidence.images, trained, known)
        pairs = _first_of_each(equal, near)
        claims = (_claim(evidence, pairs, len(equal)),) if len(pairs) else ()
        return Examination(claims, tuple(_limits(known, len(trained), left)))

    def _near(
        self, evidence: Evidence, images: Images, trained: Images, known: _Known
    ) -> tuple[Pairs, int]:
        prints, rows = prints_of(evidence.predictions["phash"].tolist())
        theirs, their_rows = prints_of(known.phash)
        found = crossing_pairs(prints, theirs, self.max_distance).closest_first()
        pairs = Pairs(rows[found.first], known.rows[their_rows[found.second]], found.distance)
        same, left = alike(pairs, images, trained, self.min_correlation, self.max_pairs)
        return pairs[same], left


@dataclass(frozen=True)
class _Known:
    """Fingerprints of training pictures; those that can't be read are left out.

    Attributes:
        rows: (n,) positions in the training data.
        sha256: n fingerprints of files.
        phash: n perceptual fingerprints.
        n_unreadable: how many could not be read.
    """

    rows: NDArray[np.int64]
    sha256: list[str]
    phash: list[str | None]
    n_unreadable: int


def _fingerprinted(images: Images, rows: NDArray[np.int64]) -> _Known:
    def one(row: int) -> tuple[int, str, str | None] | None:
        try:
            picture = images[row]
        except UnreadableImageError:
            return None
        return row, picture.sha256, phash(picture.image)

    # Pillow decodes outside of Python's lock, so threads suffice.
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 16)) as pool:
        found = [told for told in pool.map(one, rows.tolist(), chunksize=64) if told is not None]
    return _Known(
        np.array([row for row, _, _ in found], dtype=np.int64),
        [sha256 for _, sha256, _ in found],
        [seen for _, _, seen in found],
        len(rows) - len(found),
    )


def _equal(files: list[str], known: _Known) -> Pairs:
    holder = {sha256: int(row) for sha256, row in zip(known.sha256, known.rows, strict=True)}
    found = [(k, holder[sha256]) for k, sha256 in enumerate(files) if sha256 in holder]
    table = np.array(found, dtype=np.int64).reshape(-1, 2)
    return Pairs(table[:, 0], table[:, 1], np.zeros(len(table), dtype=np.int64))


def _first_of_each(equal: Pairs, near: Pairs) -> Pairs:
    """One pair an audited sample, equal files before near ones."""
    first, second, distance = (
        np.concatenate([getattr(equal, name), getattr(near, name)])
        for name in ("first", "second", "distance")
    )
    once = np.unique(first, return_index=True)[1]
    return Pairs(first[once], second[once], distance[once])


def _claim(evidence: Evidence, pairs: Pairs, n_equal: int) -> Claim:
    frame = evidence.predictions
    names = [str(one) for one in frame["sample"].iloc[pairs.first]]
    failure = frame["failure"].to_numpy(dtype=bool)
    leaked = np.zeros(len(frame), dtype=bool)
    leaked[pairs.first] = True
    share = wilson(len(pairs), len(frame))[()]
    rates = [float(failure[part].mean()) if part.any() else None for part in (leaked, ~leaked)]
    told = " and ".join(
        f"{percent(rate)} of {who}"
        for rate, who in zip(rates, ("them", "the others"), strict=True)
        if rate is not None
    )
    return Claim(
        check=NAME,
        title=f"{len(pairs)} of {len(frame)} audited pictures are in the training data",
        slice=SliceKey(),
        effect=effect("share of audited pictures in the training data", share),
        limit=0.0,
        p_value=None,
        support=len(pairs),
        samples=tuple(names[:_SHOWN]),
        statement=f"{len(pairs)} of {len(frame)} audited pictures ({percent(share.value)}, "
        f"{interval(share)}), such as {several(names)}, are in the training data, {n_equal} as equal "
        f"files and {len(pairs) - n_equal} changed a little. Misclassified are {told}.",
        action="Take these pictures out of the audited data (or train without them), and audit again: the "
        "error rates here are too low.",
        limits="It finds copies of pictures, not other pictures of the same object, person or series.",
        evidence={
            "pairs": [
                {"sample": name, "training_row": int(row) + 1, "distance": int(distance)}
                for name, row, distance in zip(
                    names[:_LISTED], pairs.second, pairs.distance, strict=False
                )
            ],
            "error_rate": rates[0],
            "rest_error_rate": rates[1],
        },
        weight=float(len(pairs)),
        ceiling="warning",
    )


def _limits(known: _Known, n_trained: int, n_left: int) -> list[Skipped]:
    """What of the training data was not compared, and why."""
    told = []
    if len(known.rows) + known.n_unreadable < n_trained:
        told.append(
            f"{len(known.rows) + known.n_unreadable} of {n_trained} training pictures, drawn at "
            "random, were searched (checks.leakage.max_pictures)"
        )
    if known.n_unreadable:
        told.append(f"{known.n_unreadable} training pictures can't be read")
    if n_left:
        told.append(
            f"the pixels of {n_left} pairs with like fingerprints were not compared "
            "(checks.leakage.max_pairs); the likest were"
        )
    return [Skipped(check=NAME, reason=reason) for reason in told]


def _skipped(reason: str) -> Examination:
    return Examination(skipped=(Skipped(check=NAME, reason=reason),))
