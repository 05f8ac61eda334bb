"""Compares the pixels of pairs of images by the correlation of small grey copies."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from auditor.near_duplicates.fingerprints import NearPairs
from auditor.statistics import Floats

GreyCopyOf = Callable[[int], NDArray[np.uint8] | None]
"""The small grey copy of the image at a position; None if it is unreadable."""
_CACHED = 4096
"""Grey copies that are kept for further pairs (32 KB each)."""


def correlated(
    pairs: NearPairs,
    first: GreyCopyOf,
    second: GreyCopyOf,
    min_correlation: float,
    max_pairs: int,
) -> tuple[NDArray[np.bool_], int]:
    """Decides by their pixels which pairs show the same image.

    Args:
        pairs: positions of the images of the left and of the right side; compared in this order.
        first: grey copies of the left side.
        second: grey copies of the right side.
        min_correlation: smallest correlation of two grey copies of the same image.
        max_pairs: largest number of pairs that are compared.

    Returns:
        Which pairs show the same image, (n,), and how many were not compared.
    """

    def standardised_by(side: GreyCopyOf) -> Callable[[int], Floats | None]:
        @lru_cache(maxsize=_CACHED)
        def standardised(row: int) -> Floats | None:
            grey = side(row)
            return None if grey is None else _standardised(grey)

        return standardised

    left = standardised_by(first)
    right = left if second is first else standardised_by(second)
    same = np.zeros(len(pairs), dtype=bool)
    for k in range(min(len(pairs), max_pairs)):
        one, other = left(int(pairs.first[k])), right(int(pairs.second[k]))
        same[k] = one is not None and other is not None and float(one @ other) >= min_correlation
    return same, max(len(pairs) - max_pairs, 0)


def _standardised(grey: NDArray[np.uint8]) -> Floats:
    """A grey copy of mean 0 and length 1: the dot product of two is their correlation."""
    levels = grey.astype(np.float64).ravel()
    levels -= levels.mean()
    length = float(np.linalg.norm(levels))
    return levels / length if length > 0 else levels
