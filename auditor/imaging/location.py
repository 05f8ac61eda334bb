"""Where in an image something lies: shares of a map's evidence, and the words for a place.

The whole package uses these ten names for places, such as ``upper left corner``, ``lower edge``,
``centre`` and ``border`` (all four edges). They fit after "at the" and before "of the image".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from auditor.phrasing import percent

Floats = NDArray[np.float64]

BORDER = "border"
"""The place of what lies along all four edges of an image."""
_PLACES = (
    ("upper left corner", "upper edge", "upper right corner"),
    ("left edge", "centre", "right edge"),
    ("lower left corner", "lower edge", "lower right corner"),
)
"""Names of the nine parts of an image, each a third of its height and of its width."""

_MAX_SIDE = 16
"""Larger maps are pooled to this size: finer positions add memory, but no information."""

STRONGEST = 0.1
"""Share of the image's area whose part of the evidence is reported."""
_SPREAD, _EVEN = 0.35, 0.13
"""Below these parts in the strongest tenth, a map counts as spread widely, or evenly."""


@dataclass(frozen=True)
class EvidenceLocation:
    """Where the evidence of a map lies.

    Attributes:
        share: share of the map's sum in the strongest tenth of the image, 0 to 1; 0 for an empty map.
        place: name of the place of that tenth, such as ``lower left corner``; empty for an empty
            map.
        words: a clause such as ``concentrates at the lower left corner; 62 % of it lies in 10 % of
            the image``.
    """

    share: float
    place: str
    words: str


def locate_evidence(cam: ArrayLike) -> EvidenceLocation:
    """Describes a class activation map, for readers who can't see it.

    Args:
        cam: (h, w), any scale; only positive values count as evidence.

    Returns:
        Its description. Positions count by area: a tenth of a 7 × 7 map is 4.9 positions.
    """
    values = np.maximum(np.asarray(cam, dtype=np.float64), 0)
    total = float(values.sum())
    if not np.isfinite(total) or total <= 0:
        return EvidenceLocation(0.0, "", "is empty: no part of the image supports this class")
    weights = _strongest(values)
    share = float((values * weights).sum() / total)
    where = place_name(values * weights)
    concentration = f"{percent(share, 0)} of it lies in {percent(STRONGEST)} of the image"
    if share < _EVEN:
        words = f"is spread evenly over the image; only {concentration}"
    elif share < _SPREAD:
        words = f"is spread widely and is strongest at the {where}; {concentration}"
    else:
        words = f"concentrates at the {where}; {concentration}"
    return EvidenceLocation(share, where, words)


def evidence_shares(cams: NDArray[np.float32]) -> tuple[Floats, NDArray[np.bool_]]:
    """Share of each map's evidence at each position.

    Args:
        cams: (n, h, w), at least 0.

    Returns:
        (n, h', w') shares that sum to 1, with h' and w' at most 16, and (n,) whether a map has any
        evidence; the shares of a map without evidence are 0.
    """
    small = _pool(_pool(cams.astype(np.float64), 1), 2)
    mass = small.sum((1, 2), keepdims=True)
    some = mass > 0
    return np.divide(small, mass, out=np.zeros_like(small), where=some), some[:, 0, 0]


def place_name(weights: Floats) -> str:
    """Name of the part of an image that contains the centre of mass of some weights.

    Args:
        weights: (h, w), at least 0 and not all 0.

    Returns:
        Such as ``lower right corner``, ``left edge`` or ``centre``.
    """
    total = weights.sum()
    height, width = weights.shape
    y = float((weights.sum(1) * (np.arange(height) + 0.5)).sum() / total / height)
    x = float((weights.sum(0) * (np.arange(width) + 0.5)).sum() / total / width)
    return _PLACES[min(int(3 * y), 2)][min(int(3 * x), 2)]


def place_of_gain(difference: Floats) -> str:
    """Name of the place where one mean map has more evidence than another.

    Args:
        difference: (h, w) first map less the second, above 0 somewhere.

    Returns:
        As in ``place_name``, or ``border``.
    """
    gain = np.maximum(difference, 0)
    gain = np.where(gain >= gain.max() / 2, gain, 0)
    height, width = gain.shape
    inner = gain[height // 4 : height - height // 4, width // 4 : width - width // 4]
    # Evidence along all edges has its centre of mass in the centre, where there is none of it.
    if place_name(gain) == "centre" and inner.sum() < gain.sum() / 2:
        return BORDER
    return place_name(gain)


def grid(values: Floats, digits: int = 4) -> list[list[float]]:
    """A map as rounded numbers in nested lists, for a claim's evidence."""
    rounded: list[list[float]] = np.round(values, digits).tolist()
    return rounded


def _strongest(values: Floats) -> Floats:
    """Weights in 0…1 of the strongest tenth of the positions; the last one counts in part."""
    area = STRONGEST * values.size
    order = np.argsort(-values, axis=None, kind="stable")
    weights = np.zeros(values.size)
    weights[order] = np.clip(area - np.arange(values.size), 0, 1)
    return weights.reshape(values.shape)


def _pool(maps: Floats, axis: int) -> Floats:
    side = maps.shape[axis]
    if side <= _MAX_SIDE:
        return maps
    starts = np.arange(_MAX_SIDE) * side // _MAX_SIDE
    return np.asarray(np.add.reduceat(maps, starts, axis=axis), dtype=np.float64)
