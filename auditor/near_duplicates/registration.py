"""Do two images show the same, once one is moved, turned and scaled a little to fit the other?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float32]

INSIDE = 0.8
"""Part of the side that is compared: what a crop or a turn cuts off lies outside."""
_MOST = 0.2
"""Largest change of scale, turn (radians) and shift (half sides) that still is the same image."""
_DAMPING = 1e-3
_PART = 2**20
"""Pixels that are compared at a time."""


def align(
    first: Grey, second: Grey, start: Grey | None = None, steps: int = 6
) -> tuple[NDArray[np.float64], Grey]:
    """Correlation of images after the second was fitted to the first.

    The fit is a similarity: shift, turn and scale. What is brighter or of more contrast by a factor
    correlates as if it were not.

    Args:
        first: (n, S, S) grey levels.
        second: (n, S, S) grey levels.
        start: (n, 4) where the fit begins; None begins without any change.
        steps: places at which the fit is tried.

    Returns:
        (n,) the best correlations over the inner four fifths of the side, at most 1, and 0 for a
        image of one shade; (n, 4) their fits, to start from at a finer scale.

    Reference:
        G. D. Evangelidis and E. Z. Psarakis, "Parametric image alignment using enhanced correlation
        coefficient maximization", TPAMI 30 (2008) 1858-1865: the criterion of eq. 4, climbed by
        damped Gauss-Newton steps.
    """
    warp = np.zeros((len(first), 4), dtype=np.float32) if start is None else start.copy()
    best = np.full(len(first), -1.0)
    part = max(_PART // max(first[0].size, 1), 1) if len(first) else 1
    for begin in range(0, len(first), part):
        chunk = slice(begin, begin + part)
        best[chunk], warp[chunk] = _climbed(first[chunk], second[chunk], warp[chunk], steps)
    return best, warp


def _climbed(fixed: Grey, moving: Grey, warp: Grey, steps: int) -> tuple[NDArray[np.float64], Grey]:
    side = fixed.shape[1]
    places = ((2 * np.arange(side) + 1) / side - 1).astype(np.float32)
    inner = np.flatnonzero(np.abs(places) <= INSIDE)
    x, y = (one.ravel() for one in np.meshgrid(places[inner], places[inner]))
    window = slice(int(inner[0]), int(inner[-1]) + 1)
    target, _ = standard(fixed[:, window, window].reshape(len(fixed), -1))
    down, across = (np.gradient(moving, axis=axis) * (side / 2) for axis in (1, 2))
    stacked = np.stack([moving, across, down], axis=-1).reshape(len(moving), side * side, 3)
    best, kept = np.full(len(fixed), -1.0), warp.copy()
    for _ in range(steps):
        seen = sampled(stacked, side, *moved(warp, x, y))
        value, length = standard(seen[..., 0])
        likeness = np.einsum("np,np->n", target, value)
        better = likeness > best
        best[better], kept[better] = likeness[better], warp[better]
        to_right, to_below = seen[..., 1], seen[..., 2]
        slopes = np.stack(
            [to_right * x + to_below * y, to_below * x - to_right * y, to_right, to_below], axis=1
        )
        # Of what a step changes, neither a shift of all levels nor a factor on them counts.
        slopes -= slopes.mean(2, keepdims=True)
        slopes -= (slopes @ value[..., None]) * value[:, None]
        slopes /= length[:, None, None]
        square = slopes @ slopes.transpose(0, 2, 1)
        trace = np.trace(square, axis1=1, axis2=2)[:, None, None]
        square += _DAMPING * (1 + trace) * np.eye(4, dtype=np.float32)
        step = np.linalg.solve(square, slopes @ target[..., None])[..., 0]
        warp = np.clip(warp + step, -_MOST, _MOST)
    return np.minimum(best, 1.0), kept


def moved(warp: Grey, x: Grey, y: Grey) -> tuple[Grey, Grey]:
    """Where places (p,) of one image lie in the other, (n, p) each, for n fits."""
    scale, turn, right, below = (warp[:, k, None] for k in range(4))
    return x + scale * x - turn * y + right, y + turn * x + scale * y + below


def standard(values: Grey) -> tuple[Grey, Grey]:
    """Rows of mean 0 and length 1, and how long they were; rows of one shade become 0."""
    centred = values - values.mean(1, keepdims=True)
    length = np.maximum(np.linalg.norm(centred, axis=1), 1e-2)
    return centred / length[:, None], length


def sampled(stacked: Grey, side: int, u: Grey, v: Grey) -> Grey:
    """Bilinear values (n, p, c) at places from -1 to 1; beyond the edge, those of the edge.

    Args:
        stacked: (n, S * S, c) images.
        side: S.
        u: (n, p) places across.
        v: (n, p) places down.
    """
    column, row = (np.clip((one + 1) * (side / 2) - 0.5, 0, side - 1.001) for one in (u, v))
    left, top = column.astype(np.int64), row.astype(np.int64)
    part_x, part_y = (column - left)[..., None], (row - top)[..., None]
    corner = top * side + left
    each = np.arange(len(stacked))[:, None]
    above, below = (
        stacked[each, corner + offset] * (1 - part_x) + stacked[each, corner + offset + 1] * part_x
        for offset in (0, side)
    )
    return np.asarray(above * (1 - part_y) + below * part_y, dtype=np.float32)
