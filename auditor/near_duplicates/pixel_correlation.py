"""Compares the pixels of pairs of images by the correlation of small grey copies."""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor.errors import UnreadableImageError
from auditor.near_duplicates.fingerprints import NearPairs
from auditor.records import Images
from auditor.statistics import Floats

SIDE = 64
"""Side of the grey copies in pixels."""
_CACHED = 4096
"""Grey copies that are kept for further pairs (32 KB each)."""


def grey_copy(image: Image.Image) -> NDArray[np.uint8]:
    """A small grey copy (64, 64) of an image."""
    return np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX))


def readable_grey_copy(images: Images, row: int) -> NDArray[np.uint8] | None:
    """A small grey copy (64, 64) of one of the images; None if it is unreadable."""
    try:
        return grey_copy(images[row].image)
    except UnreadableImageError:
        return None


def correlated(
    pairs: NearPairs, first: Images, second: Images, min_correlation: float, max_pairs: int
) -> tuple[NDArray[np.bool_], int]:
    """Decides by their pixels which pairs show the same image.

    Args:
        pairs: positions in ``first`` and in ``second``; compared in this order.
        first: images of the left side.
        second: images of the right side.
        min_correlation: smallest correlation of two grey copies of the same image.
        max_pairs: largest number of pairs that are compared.

    Returns:
        Which pairs show the same image, (n,), and how many were not compared.
    """
    copies = (lru_cache(maxsize=_CACHED)(partial(_standardised, first)),) * 2
    if second is not first:
        copies = (copies[0], lru_cache(maxsize=_CACHED)(partial(_standardised, second)))
    same = np.zeros(len(pairs), dtype=bool)
    for k in range(min(len(pairs), max_pairs)):
        one, other = copies[0](int(pairs.first[k])), copies[1](int(pairs.second[k]))
        same[k] = one is not None and other is not None and float(one @ other) >= min_correlation
    return same, max(len(pairs) - max_pairs, 0)


def _standardised(images: Images, row: int) -> Floats | None:
    """A grey copy of mean 0 and length 1: the dot product of two is their correlation."""
    copy = readable_grey_copy(images, row)
    if copy is None:
        return None
    levels = copy.astype(np.float64).ravel()
    levels -= levels.mean()
    length = float(np.linalg.norm(levels))
    return levels / length if length > 0 else levels
