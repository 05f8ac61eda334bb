"""Training images as the search for leaked images needs them: fingerprints, grey copies, features."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps

from auditor.errors import UnreadableImageError
from auditor.imaging.perceptual_hash import phash
from auditor.near_duplicates.pixel_correlation import SIDE, grey_copy, readable_grey_copy
from auditor.near_duplicates.transformed_copies import GreyCopies, NetworkFeatures
from auditor.records import DecodedImage, Images, ModelAccess

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class TrainingImages:
    """Fingerprints and grey copies of training images; unreadable ones are left out.

    Attributes:
        images: all images of the training data.
        rows: (n,) positions of the readable ones among those that were read.
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
    def read(cls, images: Images, rows: Rows) -> TrainingImages:
        """Reads the images at some positions."""

        def read_one(row: int) -> tuple[int, str, str | None, NDArray[np.uint8]] | None:
            try:
                image = images[row]
            except UnreadableImageError:
                return None
            return row, image.sha256, phash(image.image), grey_copy(image.image)

        # Pillow decodes without Python's lock, so threads suffice.
        with ThreadPoolExecutor(min(os.cpu_count() or 1, 16)) as pool:
            read = [
                one for one in pool.map(read_one, rows.tolist(), chunksize=64) if one is not None
            ]
        return cls(
            images=images,
            rows=np.array([row for row, *_ in read], dtype=np.int64),
            sha256=[sha256 for _, sha256, _, _ in read],
            phash=[fingerprint for _, _, fingerprint, _ in read],
            grey=_stacked([grey for *_, grey in read]),
            n_unreadable=len(rows) - len(read),
        )

    @property
    def n_searched(self) -> int:
        """Number of training images that were read or tried."""
        return len(self.rows) + self.n_unreadable


def readable_grey_copies(images: Images, rows: Rows) -> tuple[Rows, GreyCopies]:
    """Grey copies (m, 64, 64) of the images at some positions, and which of them are readable (m,)."""
    copies = [(row, readable_grey_copy(images, int(row))) for row in rows]
    readable = [(row, copy) for row, copy in copies if copy is not None]
    return (
        np.array([row for row, _ in readable], dtype=np.int64),
        _stacked([copy for _, copy in readable]),
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
