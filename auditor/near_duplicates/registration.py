"""Aligns two images by a small shift, rotation and change of scale, and measures their correlation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float32]

INNER = 0.8
"""Part of the side that is compared: what a crop or a rotation cuts off lies outside of it."""
_MAX_WARP = 0.2
"""Largest change of scale (relative), rotation (radians) and shift (half sides)."""
_DAMPING = 1e-3
_PIXELS = 2**20
"""Pixels in memory at a time."""


def align(
    fixed: Grey, moving: Grey, start: Grey | None = None, steps: int = 6
) -> tuple[NDArray[np.float64], Grey]:
    """Aligns pairs of images and computes their correlation.

    The alignment is a similarity transform: scale, rotation and shift. The correlation is invariant
    to changes of brightness and contrast.

    Args:
        fixed: (n, S, S) grey levels.
        moving: (n, S, S) grey levels of the images that are transformed.
        start: (n, 4) transforms to start from; None starts from the identity.
        steps: number of transforms that are tried, the start included.

    Returns:
        (n,) the largest correlations over the inner four fifths of the side, at most 1, and 0 for a
        constant image; (n, 4) their transforms (scale - 1, rotation, shift to the right, shift down),
        from which an alignment at a finer scale can start.

    Reference:
        G. D. Evangelidis and E. Z. Psarakis, "Parametric image alignment using enhanced correlation
        coefficient maximization", TPAMI 30 (2008) 1858-1865: the criterion of eq. 4, maximised by
        damped Gauss-Newton steps.
    """
    warp = np.zeros((len(fixed), 4), dtype=np.float32) if start is None else start.copy()
    best = np.full(len(fixed), -1.0)
    batch = max(_PIXELS // max(fixed[0].size, 1), 1) if len(fixed) else 1
    for begin in range(0, len(fixed), batch):
        chunk = slice(begin, begin + batch)
        best[chunk], warp[chunk] = _maximised(fixed[chunk], moving[chunk], warp[chunk], steps)
    return best, warp


def _maximised(
    fixed: Grey, moving: Grey, warp: Grey, steps: int
) -> tuple[NDArray[np.float64], Grey]:
    side = fixed.shape[1]
    places = ((2 * np.arange(side) + 1) / side - 1).astype(np.float32)
    inner = np.flatnonzero(np.abs(places) <= INNER)
    x, y = (one.ravel() for one in np.meshgrid(places[inner], places[inner]))
    window = slice(int(inner[0]), int(inner[-1]) + 1)
    target, _ = standardised(fixed[:, window, window].reshape(len(fixed), -1))
    down, across = (np.gradient(moving, axis=axis) * (side / 2) for axis in (1, 2))
    stacked = np.stack([moving, across, down], axis=-1).reshape(len(moving), side * side, 3)
    best, best_warp = np.full(len(fixed), -1.0), warp.copy()
    for _ in range(steps):
        warped = bilinear(stacked, side, *transformed(warp, x, y))
        value, length = standardised(warped[..., 0])
        correlation = np.einsum("np,np->n", target, value)
        better = correlation > best
        best[better], best_warp[better] = correlation[better], warp[better]
        by_x, by_y = warped[..., 1], warped[..., 2]
        jacobian = np.stack([by_x * x + by_y * y, by_y * x - by_x * y, by_x, by_y], axis=1)
        # A constant added to all levels and a factor on them do not change the correlation.
        jacobian -= jacobian.mean(2, keepdims=True)
        jacobian -= (jacobian @ value[..., None]) * value[:, None]
        jacobian /= length[:, None, None]
        hessian = jacobian @ jacobian.transpose(0, 2, 1)
        trace = np.trace(hessian, axis1=1, axis2=2)[:, None, None]
        hessian += _DAMPING * (1 + trace) * np.eye(4, dtype=np.float32)
        step = np.linalg.solve(hessian, jacobian @ target[..., None])[..., 0]
        warp = np.clip(warp + step, -_MAX_WARP, _MAX_WARP)
    return np.minimum(best, 1.0), best_warp


def transformed(warp: Grey, x: Grey, y: Grey) -> tuple[Grey, Grey]:
    """Transforms places.

    Args:
        warp: (n, 4) transforms.
        x: (p,) places across, -1 to 1.
        y: (p,) places down, -1 to 1.

    Returns:
        (n, p) places across and down in the other image.
    """
    scale, rotation, right, down = (warp[:, k, None] for k in range(4))
    return x + scale * x - rotation * y + right, y + rotation * x + scale * y + down


def standardised(values: Grey) -> tuple[Grey, Grey]:
    """Rows (n, p) with mean 0 and length 1, and their former lengths (n,); constant rows become 0."""
    centred = values - values.mean(1, keepdims=True)
    length = np.maximum(np.linalg.norm(centred, axis=1), 1e-2)
    return centred / length[:, None], length


def bilinear(stacked: Grey, side: int, u: Grey, v: Grey) -> Grey:
    """Samples images at places by bilinear interpolation; beyond the edge, the edge is repeated.

    Args:
        stacked: (n, S * S, c) images.
        side: S.
        u: (n, p) places across, -1 to 1.
        v: (n, p) places down, -1 to 1.

    Returns:
        (n, p, c) values.
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
