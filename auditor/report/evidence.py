"""Says in words where the evidence of a map lies, for readers who can't see it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

TENTH = 0.1
"""The share of the image that a map is summed over to say how concentrated it is."""

_EDGE = 0.18  # of the side: nearer than this to a side of the image is "at the edge"
_WIDE, _FLAT = 0.35, 0.13  # less than this share of the map in a tenth of the image


@dataclass(frozen=True)
class Whereabouts:
    """Where a map lies.

    Attributes:
        share: of the map's sum in the strongest tenth of the image, 0 to 1; 0 for an empty map.
        place: such as ``at the lower left edge``; empty for an empty map.
        words: a clause such as ``concentrates at the lower left edge; 62 % of it lies in 10 % of
            the image``.
    """

    share: float
    place: str
    words: str


def whereabouts(cam: ArrayLike) -> Whereabouts:
    """Describes a class activation map.

    Args:
        cam: (h, w), any scale; only positive values count as evidence.

    Returns:
        Its description. Positions count by area, so a tenth of a 7 × 7 map is 4.9 positions.
    """
    values = np.maximum(np.asarray(cam, dtype=np.float64), 0)
    total = float(values.sum())
    if not np.isfinite(total) or total <= 0:
        return Whereabouts(0.0, "", "is empty: nothing in the image speaks for this class")
    weights = _strongest(values)
    share = float((values * weights).sum() / total)
    place = _place(values * weights)
    percent = f"{100 * share:.0f}\u202f% of it lies in 10\u202f% of the image"
    if share < _FLAT:
        words = f"is spread evenly over the image; only {percent}"
    elif share < _WIDE:
        words = f"is spread widely, strongest {place}; {percent}"
    else:
        words = f"concentrates {place}; {percent}"
    return Whereabouts(share, place, words)


def _strongest(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights in 0…1 that cover the strongest tenth of the positions, the last one in part."""
    area = TENTH * values.size
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
