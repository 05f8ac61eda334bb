"""Audited images that match training images: equal files, near-duplicates, and what their labels say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.near_duplicates.fingerprints import (
    NearPairs,
    concatenate,
    crossing_pairs,
    parse_fingerprints,
)
from auditor.near_duplicates.pixel_correlation import GreyCopyOf, correlated
from auditor.near_duplicates.training_images import TrainingImages
from auditor.records import AuditData

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class TrainingCopies:
    """Audited images that are equal files or near-duplicates of training images.

    Attributes:
        pairs: positions in the audited data (each once, ascending) and in the training data.
        equal: (n,) whether they are equal files.
        n_not_compared: pairs of similar fingerprints whose pixels were not compared.
        reach: largest number of differing bits up to which all pairs of fingerprints were found.
    """

    pairs: NearPairs
    equal: NDArray[np.bool_]
    n_not_compared: int
    reach: int

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def notes(self) -> list[str]:
        """How each pair matches, in words."""
        return [
            "equal file" if equal else _fingerprints_note(int(distance))
            for equal, distance in zip(self.equal, self.pairs.distance, strict=True)
        ]


def _fingerprints_note(distance: int) -> str:
    if not distance:
        return "equal fingerprint"
    return f"fingerprints differ in {distance} of 64 bits"


@dataclass(frozen=True)
class CopyLimits:
    """What counts as a near-duplicate.

    Attributes:
        max_distance: largest number of differing bits of the fingerprints.
        min_correlation: smallest correlation of the pixels.
        max_pairs: largest number of pairs whose pixels are compared.
    """

    max_distance: int
    min_correlation: float
    max_pairs: int


def find_training_copies(
    grey_copy: GreyCopyOf,
    sha256: Iterable[str],
    fingerprints: Iterable[object],
    training: TrainingImages,
    limits: CopyLimits,
) -> TrainingCopies:
    """Finds audited images that are in the training data, as the same file or nearly the same image.

    Args:
        grey_copy: the grey copies of the audited images, n.
        sha256: n fingerprints of their files.
        fingerprints: n perceptual fingerprints.
        training: the training images.
        limits: what counts as a near-duplicate.

    Returns:
        One training image for each audited image that has one, an equal file if possible.
    """
    equal = _equal_files(sha256, training)
    own, own_rows = parse_fingerprints(fingerprints)
    theirs, their_rows = parse_fingerprints(training.phash)
    similar, reach = crossing_pairs(own, theirs, limits.max_distance)
    similar = similar.closest_first()
    similar = NearPairs(
        own_rows[similar.first], training.rows[their_rows[similar.second]], similar.distance
    )
    same, n_not_compared = correlated(
        similar, grey_copy, training.grey_copy, limits.min_correlation, limits.max_pairs
    )
    pairs = concatenate([equal, similar[same]])
    # The first pair of each audited image; pairs of equal files come first.
    pairs = pairs[np.unique(pairs.first, return_index=True)[1]]
    return TrainingCopies(pairs, np.isin(pairs.first, equal.first), n_not_compared, reach)


def _equal_files(sha256: Iterable[str], training: TrainingImages) -> NearPairs:
    row_of = {one: int(row) for one, row in zip(training.sha256, training.rows, strict=True)}
    found = [(k, row_of[one]) for k, one in enumerate(sha256) if one in row_of]
    table = np.array(found, dtype=np.int64).reshape(-1, 2)
    return NearPairs(table[:, 0], table[:, 1], np.zeros(len(table), dtype=np.int64))


@dataclass(frozen=True)
class TrainingMatches:
    """Audited images with a matching training image each.

    Attributes:
        audit: the audited data.
        rows: (n,) positions in ``AuditData.predictions``, each once.
        training_rows: (n,) positions in the training data.
    """

    audit: AuditData
    rows: Rows
    training_rows: Rows

    @property
    def samples(self) -> list[str]:
        """Ids of the audited images."""
        return self._column("sample")

    @property
    def labels(self) -> list[str]:
        """Labels of the audited images."""
        return self._column("label")

    @property
    def training_labels(self) -> list[str | None]:
        """Labels of the training images; None where they are unknown."""
        labels = self.audit.reference_labels
        return [None if labels is None else labels[row] for row in self.training_rows]

    @property
    def training_names(self) -> list[str]:
        """Paths of the training images; their rows where these are unknown."""
        names = self.audit.reference_names
        return [f"row {row + 1}" if names is None else names[row] for row in self.training_rows]

    @property
    def conflicts(self) -> NDArray[np.bool_]:
        """Whether the label in the training data is another one of the model's classes, (n,)."""
        return np.array(
            [
                other in self.audit.classes and other != label
                for label, other in zip(self.labels, self.training_labels, strict=True)
            ],
            dtype=np.bool_,
        )

    @property
    def predicted_as_trained(self) -> NDArray[np.bool_]:
        """Whether the predicted class is the label in the training data, (n,)."""
        return np.array(
            [
                predicted == label
                for predicted, label in zip(
                    self._column("predicted"), self.training_labels, strict=True
                )
            ],
            dtype=np.bool_,
        )

    @property
    def error_rates(self) -> tuple[float | None, float | None]:
        """Error rates of the matched and of the other audited images; None where there are none."""
        failure = self.audit.predictions["failure"].to_numpy(dtype=bool)
        matched = np.zeros(len(failure), dtype=bool)
        matched[self.rows] = True
        rate, rest = (
            float(failure[part].mean()) if part.any() else None for part in (matched, ~matched)
        )
        return rate, rest

    def _column(self, name: str) -> list[str]:
        return [str(one) for one in self.audit.predictions[name].iloc[self.rows]]
