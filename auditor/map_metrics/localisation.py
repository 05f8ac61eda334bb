"""Localisation: how well a map agrees with the known box or mask of the object."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


class Box(NamedTuple):
    """The pixels with left ≤ x < right and top ≤ y < bottom."""

    left: float
    top: float
    right: float
    bottom: float


def pointing_hit(
    attribution: NDArray[np.floating], mask: NDArray[np.bool_], tolerance: int = 15
) -> bool:
    """Pointing game: whether the maximum of the map lies on the object or close to it.

    Args:
        attribution: (H, W).
        mask: (H, W), True on the object.
        tolerance: largest distance of the maximum from the object, in pixels.

    Returns:
        True for a hit; False where the map has no positive value.

    Reference:
        Zhang et al. 2018, "Top-Down Neural Attention by Excitation Backprop", section 4.1.
    """
    _check(attribution, mask)
    if not attribution.max() > 0 or not mask.any():
        return False
    y, x = np.unravel_index(int(attribution.argmax()), attribution.shape)
    distance = ndimage.distance_transform_edt(~mask)
    return bool(distance[y, x] <= tolerance)


def mass_inside(attribution: NDArray[np.floating], mask: NDArray[np.bool_]) -> float:
    """Share of the positive mass of the map that lies on the object.

    Args:
        attribution: (H, W).
        mask: (H, W), True on the object.

    Returns:
        0 to 1; NaN where the map has no positive value. Compare with the object's share of the
        image, which a constant map scores.
    """
    _check(attribution, mask)
    positive = np.maximum(attribution, 0).astype(np.float64)
    total = positive.sum()
    return float(positive[mask].sum() / total) if total > 0 else float("nan")


def bounding_box(attribution: NDArray[np.floating], share: float = 0.15) -> Box | None:
    """Bounding box of the largest segment above a share of the maximum of the map.

    Args:
        attribution: (H, W).
        share: threshold as a share of the maximum, 0 to 1.

    Returns:
        The box, or None where the map has no positive value.

    Reference:
        Selvaraju et al. 2017, section 4.1 (15 % of the maximum, largest connected segment).
    """
    highest = attribution.max()
    if not highest > 0:
        return None
    segments, n = ndimage.label(attribution >= share * highest)
    sizes = ndimage.sum_labels(np.ones_like(segments), segments, np.arange(1, n + 1))
    rows, columns = ndimage.find_objects(segments)[int(np.argmax(sizes))]
    return Box(columns.start, rows.start, columns.stop, rows.stop)


def intersection_over_union(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    shared = max(0.0, width) * max(0.0, height)
    areas = [(box.right - box.left) * (box.bottom - box.top) for box in (one, other)]
    union = sum(areas) - shared
    return shared / union if union > 0 else 0.0


def _check(attribution: NDArray[np.floating], mask: NDArray[np.bool_]) -> None:
    if attribution.ndim != 2 or attribution.shape != mask.shape:
        raise ValueError(
            "expected a map and a mask of the same (H, W) shape; got "
            f"{attribution.shape} and {mask.shape}"
        )
