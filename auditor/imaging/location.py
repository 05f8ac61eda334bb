"""Places in an image: maps made small, shares of their evidence, and where that is in words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MOST = 16
"""Largest side of a map that is tested: finer ones say no more and cost memory."""

_ROWS = ("top", "middle", "bottom")
_COLUMNS = ("left", "centre", "right")


def shares(cams: NDArray[np.float32]) -> tuple[Floats, NDArray[np.bool_]]:
    """What share of each map's evidence lies where.

    Args:
        cams: (n, h, w), at least 0.

    Returns:
        (n, h', w') shares that sum to 1, with h' and w' at most 16, and whether a map has any
        evidence at all; where it has none, its shares are 0.
    """
    small = _pooled(_pooled(cams.astype(np.float64), 1), 2)
    mass = small.sum((1, 2), keepdims=True)
    some = mass > 0
    return np.divide(small, mass, out=np.zeros_like(small), where=some), some[:, 0, 0]


def where(weights: Floats) -> str:
    """In words where in an image most of some weights lie.

    Args:
        weights: (h, w), at least 0 and not all 0.

    Returns:
        Such as ``bottom right`` or ``centre``.
    """
    total = weights.sum()
    height, width = weights.shape
    row = float((weights.sum(1) * (np.arange(height) + 0.5)).sum() / total / height)
    column = float((weights.sum(0) * (np.arange(width) + 0.5)).sum() / total / width)
    down, across = _ROWS[min(int(3 * row), 2)], _COLUMNS[min(int(3 * column), 2)]
    if (down, across) == ("middle", "centre"):
        return "centre"
    return f"{down} {across}"


def gaining(difference: Floats) -> str:
    """In words where in an image one mean map has more of the evidence than another.

    Args:
        difference: (h, w) of the two, above 0 somewhere.

    Returns:
        As of ``where``, or ``edges``.
    """
    gain = np.maximum(difference, 0)
    gain = np.where(gain >= gain.max() / 2, gain, 0)
    height, width = gain.shape
    inner = gain[height // 4 : height - height // 4, width // 4 : width - width // 4]
    # Evidence all around has its middle in the centre, where there is none of it.
    if where(gain) == "centre" and inner.sum() < gain.sum() / 2:
        return "edges"
    return where(gain)


def grid(values: Floats, digits: int = 4) -> list[list[float]]:
    """A map as short numbers for a finding's evidence."""
    rounded: list[list[float]] = np.round(values, digits).tolist()
    return rounded


def _pooled(maps: Floats, axis: int) -> Floats:
    side = maps.shape[axis]
    if side <= _MOST:
        return maps
    starts = np.arange(_MOST) * side // _MOST
    return np.asarray(np.add.reduceat(maps, starts, axis=axis), dtype=np.float64)
