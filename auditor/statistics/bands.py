"""Bands of numbers: their edges and their names."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MOST_DIGITS = 300
"""Decimal places; with more, powers of ten are infinite."""
_DOUBLE = 18
"""Decimal digits that tell any two numbers apart."""


def band_edges(
    numbers: Floats, stated: Sequence[float] | None, quantiles: int
) -> tuple[float, ...] | None:
    """Inner edges of the bands of some numbers.

    Args:
        numbers: (n,) numbers; those that are not finite are ignored.
        stated: edges from the configuration; None cuts at quantiles.
        quantiles: number of bands of equal support.

    Returns:
        The edges in ascending order; None if there are so few different numbers that each is a
        category.
    """
    if stated is not None:
        return tuple(sorted(set(stated)))
    finite = numbers[np.isfinite(numbers)]
    distinct = np.unique(finite)
    if len(distinct) <= quantiles:
        return None
    cuts = np.unique(np.quantile(finite, np.arange(1, quantiles) / quantiles))
    return _inner(cuts, distinct) or (_roundest(float(distinct[0]), float(distinct[1])),)


def tail_edge(numbers: Floats, share: float, *, high: bool) -> float | None:
    """The upper edge of the lowest numbers, or the lower edge of the highest ones.

    Args:
        numbers: (n,) numbers; those that are not finite are ignored.
        share: approximate share of the numbers beyond the edge.
        high: True for the highest numbers, False for the lowest ones.

    Returns:
        The edge, rounded as far as possible; None if too many numbers are equal.
    """
    finite = numbers[np.isfinite(numbers)]
    distinct = np.unique(finite)
    if len(distinct) < 3:
        return None
    found = _inner(np.quantile(finite, [1 - share if high else share]), distinct)
    return found[0] if found else None


def band_names(edges: Sequence[float], *, integers: bool) -> list[str]:
    """Names of the bands between inner edges: ``under 18``, ``18–64``, ``65 and over``.

    Args:
        edges: in ascending order.
        integers: whether all numbers in the bands are integers.
    """
    shown = [f"{edge:.12g}" for edge in edges]
    if not shown:
        return ["any"]
    whole = integers and are_integers(np.array(edges))
    dash = "–" if edges[0] >= 0 else " to "  # a dash before a minus sign is hard to read
    middle = []
    for (low, high), (low_text, high_text) in zip(
        itertools.pairwise(edges), itertools.pairwise(shown), strict=True
    ):
        if not whole:
            middle.append(f"{low_text}{dash}{high_text}")
        elif high - low == 1:
            middle.append(low_text)
        else:
            middle.append(f"{low_text}{dash}{int(high) - 1}")
    return [f"under {shown[0]}", *middle, f"{shown[-1]} and over"]


def are_integers(numbers: Floats) -> bool:
    """Whether all finite numbers are integers."""
    finite = numbers[np.isfinite(numbers)]
    return bool(np.all(np.mod(finite, 1) == 0))


def _inner(cuts: Floats, distinct: Floats) -> tuple[float, ...]:
    """Removes cuts that would leave an empty band, and rounds the others as far as possible."""
    if are_integers(distinct):  # integer edges give the same bands
        cuts = np.unique(np.ceil(cuts))
    inner = cuts[cuts > distinct[0]]
    return _rounded(inner, distinct) if len(inner) else ()


def _roundest(low: float, high: float) -> float:
    """The number with the fewest digits that is above `low` and at most `high`.

    As an edge it separates the two as well as `high` does, which may be the number of a single sample.
    """
    first = -int(np.ceil(np.log10(high - low)))
    for digits in range(first, min(first + _DOUBLE, _MOST_DIGITS)):
        scale = 10.0 ** abs(digits)
        edge = math.floor(high * scale) / scale if digits >= 0 else math.floor(high / scale) * scale
        if low < edge <= high:
            return edge
    return high


def _rounded(edges: Floats, distinct: Floats) -> tuple[float, ...]:
    """Rounds edges so that they move by at most a twentieth of the narrowest band."""
    ends = np.concatenate([distinct[:1], edges, distinct[-1:]])
    widths = np.diff(ends)
    digits = min(1 - int(np.floor(np.log10(widths[widths > 0].min()))), _MOST_DIGITS)
    rounded = np.unique(np.round(edges, digits) + 0.0)  # "+ 0.0" turns -0.0 into 0.0
    return tuple(
        float(edge) for edge in rounded[(rounded > distinct[0]) & (rounded <= distinct[-1])]
    )
