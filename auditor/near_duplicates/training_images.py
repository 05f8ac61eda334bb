"""Training images as the search for leaked images needs them: fingerprints, grey copies, features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps

from auditor.imaging.small_copies import SIDE, small_copies
from auditor.near_duplicates.transformed_copies import GreyCopies, NetworkFeatures
from auditor.records import DecodedImage, Images, ModelAccess
from auditor.records.small_copies import Detail, KeptCopies

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class TrainingImages:
    """Fingerprints and grey copies of training images; unreadable ones are left out.

    Attributes:
        images: all images of the training data.
        rows: (n,) positions of the readable ones among those that were read, ascending.
        sha256: n fingerprints of files.
        phash: n perceptual fingerprints.
        grey: (n, 64, 64) small grey copies.
        n_unreadable: how many could not be read.
    """

    images: Images
    rows: Rows
    sha256: list[str]
    phash: list[str | None]
    grey: GreyCopies
    n_unreadable: int

    @classmethod
    def read(cls, images: Images, rows: Rows, kept: KeptCopies) -> TrainingImages:
        """Reads the images at some positions; ``kept`` holds those that are known."""
        read = small_copies(images, rows.tolist(), kept, Detail.FINGERPRINT)
        found = [(row, copy) for row, copy in zip(rows, read, strict=True) if copy is not None]
        return cls(
            images=images,
            rows=np.array([row for row, _ in found], dtype=np.int64),
            sha256=[copy.sha256 for _, copy in found],
            phash=[copy.phash for _, copy in found],
            grey=_stacked([copy.grey for _, copy in found]),
            n_unreadable=len(rows) - len(found),
        )

    def grey_copy(self, row: int) -> NDArray[np.uint8]:
        """The small grey copy of the image at a position in ``images``, one of ``rows``."""
        found: NDArray[np.uint8] = self.grey[int(np.searchsorted(self.rows, row))]
        return found

    @property
    def n_searched(self) -> int:
        """Number of training images that were read or tried."""
        return len(self.rows) + self.n_unreadable


def readable_grey_copies(images: Images, rows: Rows, kept: KeptCopies) -> tuple[Rows, GreyCopies]:
    """Grey copies (m, 64, 64) of the images at some positions, and which of them are readable (m,)."""
    copies = small_copies(images, rows.tolist(), kept)
    readable = [(row, copy) for row, copy in zip(rows, copies, strict=True) if copy is not None]
    return (
        np.array([row for row, _ in readable], dtype=np.int64),
        _stacked([copy.grey for _, copy in readable]),
    )


def network_features(
    model: ModelAccess, images: Images, rows: Rows, training: TrainingImages
) -> NetworkFeatures:
    """The network's features of audited images, of their mirror images, and of training images.

    Args:
        model: the audited model.
        images: the audited images.
        rows: (n,) positions of those that are examined.
        training: the training images.

    Raises:
        DataError: the training images come out in different sizes, or one is unreadable.
    """
    return NetworkFeatures(
        images=model.features(rows),
        mirrored=model.features_of(_Mirrored(images), rows),
        originals=model.features_of(training.images, training.rows),
    )


@dataclass(frozen=True)
class _Mirrored:
    """Images with left and right exchanged."""

    images: Images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> DecodedImage:
        image = self.images[index]
        return DecodedImage(ImageOps.mirror(image.image), image.sha256, image.stored)


def _stacked(copies: Sequence[NDArray[np.uint8]]) -> GreyCopies:
    return np.stack(copies) if copies else np.empty((0, SIDE, SIDE), dtype=np.uint8)
