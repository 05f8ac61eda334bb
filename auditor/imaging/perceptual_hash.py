"""Perceptual hash: 64 bits that survive resizing, compression and small changes of tone."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor.imaging.geometry import MEASURED_SIDE, shrink

_HASHED_SIDE = 32
_KEPT_COEFFICIENTS = 8
_MIN_DEVIATION = 1e-6
"""Standard deviation (in grey levels) below which an image has no pattern to hash."""


def phash(image: Image.Image) -> str | None:
    """Computes the perceptual hash of an image.

    Args:
        image: an image of mode ``RGB`` or ``L``.

    Returns:
        64 bits as 16 hexadecimal digits; None for an image of a single shade.

    Reference:
        C. Zauner, "Implementation and benchmarking of perceptual image hash functions" (2010),
        section 3.2.1: signs of the 8 × 8 lowest cosine coefficients, without the constant row and
        column, against their median.
    """
    side = (_HASHED_SIDE, _HASHED_SIDE)
    small = shrink(image, MEASURED_SIDE).convert("L").resize(side, Image.Resampling.BOX)
    levels = np.asarray(small, dtype=np.float32)
    if float(levels.std()) < _MIN_DEVIATION:
        return None
    cosines = _cosines()
    coefficients = (cosines @ levels @ cosines.T).ravel()
    return np.packbits(coefficients > np.median(coefficients)).tobytes().hex()


@lru_cache(maxsize=1)
def _cosines() -> NDArray[np.float32]:
    """Rows 1 to 8 of the cosine transform of 32 values, (8, 32)."""
    positions = (np.arange(_HASHED_SIDE) + 0.5) * np.pi / _HASHED_SIDE
    return np.cos(np.arange(1, _KEPT_COEFFICIENTS + 1)[:, None] * positions).astype(np.float32)
