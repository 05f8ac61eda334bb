"""Where the evidence of an attribution map lies, in words, for readers who cannot see it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from auditor.phrasing import percent

_TENTH = 0.1
"""Share of the image over which a map is summed to tell how concentrated it is."""
_EDGE = 0.18
"""Nearer to a side of the image than this (a share of the side): at the edge."""
_WIDE, _FLAT = 0.35, 0.13
"""With less than this share of the map in a tenth of the image, it is spread widely, or evenly."""


@dataclass(frozen=True)
class MapLocation:
    """Where a map lies.

    Attributes:
        share: of the map's sum in the strongest tenth of the image, 0 to 1; 0 for an empty map.
        place: such as ``at the lower left edge``; empty for an empty map.
        text: a clause such as ``concentrates at the lower left edge; 62 % of it lies in 10 % of
            the image``.
    """

    share: float
    place: str
    text: str


NOT_COMPUTED = MapLocation(0.0, "", "was not computed")
"""Of a sample or mean without a map."""


def map_location(cam: ArrayLike) -> MapLocation:
    """Describes a class activation map.

    Args:
        cam: (h, w), any scale; only positive values count as evidence.

    Returns:
        Its description. Positions count by area, so a tenth of a 7 × 7 map is 4.9 positions.
    """
    values = np.maximum(np.asarray(cam, dtype=np.float64), 0)
    total = float(values.sum())
    if not np.isfinite(total) or total <= 0:
        return MapLocation(0.0, "", "is empty: nothing in the image is evidence for this class")
    weights = _strongest(values)
    share = float((values * weights).sum() / total)
    place = _place(values * weights)
    concentration = f"{percent(share, 0)} of it lies in {percent(_TENTH)} of the image"
    if share < _FLAT:
        text = f"is spread evenly over the image; only {concentration}"
    elif share < _WIDE:
        text = f"is spread widely, strongest {place}; {concentration}"
    else:
        text = f"concentrates {place}; {concentration}"
    return MapLocation(share, place, text)


def _strongest(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights in 0…1 that cover the strongest tenth of the positions, the last one in part."""
    area = _TENTH * values.size
    order = np.argsort(-values, axis=None, kind="stable")
    weights = np.zeros(values.size)
    weights[order] = np.clip(area - np.arange(values.size), 0, 1)
    return weights.reshape(values.shape)


def _place(values: NDArray[np.float64]) -> str:
    total = values.sum()
    height, width = values.shape
    y = float(((np.arange(height) + 0.5) / height * values.sum(axis=1)).sum() / total)
    x = float(((np.arange(width) + 0.5) / width * values.sum(axis=0)).sum() / total)
    vertical = "upper" if y < 1 / 3 else "lower" if y > 2 / 3 else ""
    horizontal = "left" if x < 1 / 3 else "right" if x > 2 / 3 else ""
    if not vertical and not horizontal:
        return "in the middle"
    at_side = min(x, 1 - x) < _EDGE
    at_top_or_bottom = min(y, 1 - y) < _EDGE
    where = " ".join(part for part in (vertical, horizontal) if part)
    if at_side and at_top_or_bottom:
        return f"in the {where} corner"
    if at_side or at_top_or_bottom:
        return f"at the {where} edge"
    return f"in the {where} part"
