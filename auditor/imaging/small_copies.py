"""Small copies of images: decoded once, for all checks that compare images with each other."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor.errors import UnreadableImageError
from auditor.imaging.perceptual_hash import phash
from auditor.imaging.properties import measure, one_channel
from auditor.records import DecodedImage, Images
from auditor.records.image_properties import as_stored
from auditor.records.small_copies import Detail, KeptCopies, SmallCopy

SIDE = 64
"""Side of the grey copies in pixels."""
THUMBNAIL_SIDE = 8
"""Side of the thumbnails in pixels."""
_FEW = 16
"""So few images are decoded in this thread."""


def small_copies(
    images: Images, rows: Sequence[int], kept: KeptCopies, detail: Detail = Detail.COPIES
) -> list[SmallCopy | None]:
    """Small copies of images; None for those that are unreadable.

    Args:
        images: the images.
        rows: n positions in them.
        kept: copies of the same images that are known; new ones are added.
        detail: what is needed of each.

    Returns:
        n copies.
    """
    new = [row for row in dict.fromkeys(rows) if not kept.knows(row, detail)]

    def read(row: int) -> SmallCopy | None:
        try:
            return small_copy(images[row], detail)
        except UnreadableImageError:
            return None

    if len(new) <= _FEW:
        read_now = dict(zip(new, map(read, new), strict=True))
    else:
        # Pillow decodes without Python's lock, so threads suffice.
        with ThreadPoolExecutor(min(os.cpu_count() or 1, 16)) as pool:
            read_now = dict(zip(new, pool.map(read, new), strict=True))
    for row, copy in read_now.items():
        kept.add(row, copy)
    return [read_now[row] if row in read_now else kept.by_row[row] for row in rows]


def grey_copies(images: Images, kept: KeptCopies) -> Callable[[int], NDArray[np.uint8] | None]:
    """A function that returns the grey copy (64, 64) of an image; None if it is unreadable."""

    def grey_copy(row: int) -> NDArray[np.uint8] | None:
        (copy,) = small_copies(images, [row], kept)
        return None if copy is None else copy.grey

    return grey_copy


def small_copy(image: DecodedImage, detail: Detail = Detail.COPIES) -> SmallCopy:
    """The small copy of one image."""
    properties, fingerprint = None, None
    pixels = one_channel(image.image)
    if detail >= Detail.PROPERTIES:
        properties, fingerprint = measure(pixels, image.stored)
        properties = as_stored(properties)
    elif detail >= Detail.FINGERPRINT:
        fingerprint = phash(pixels)
    small = pixels.resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BOX)
    grey = pixels.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    return SmallCopy(
        image.sha256,
        np.asarray(grey),
        np.asarray(small.convert("RGB")),
        detail,
        fingerprint,
        properties,
    )
