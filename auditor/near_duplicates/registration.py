"""Aligns two images by a small shift, rotation and change of scale, and measures their correlation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float32]

INNER = 0.8
"""Part of the side that is compared: what a crop or a rotation cuts off lies outside of it."""
_MAX_WARP = 0.2
"""Largest change of scale (relative), rotation (radians) and shift (half sides)."""
_DAMPING = 1e-3
_PIXELS = 2**17
"""Pixels that are aligned at a time: the processor's cache holds them."""


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
    n, side = fixed.shape[:2]
    places = ((2 * np.arange(side) + 1) / side - 1).astype(np.float32)
    inner = np.flatnonzero(np.abs(places) <= INNER)
    x, y = (one.ravel() for one in np.meshgrid(places[inner], places[inner]))
    window = slice(int(inner[0]), int(inner[-1]) + 1)
    target, _ = standardised(fixed[:, window, window].reshape(n, -1))
    across, down = _gradients(moving)
    # Rows of four derivatives, the value and the target: their products are all that a step needs.
    rows = np.empty((n, 6, len(x)), dtype=np.float32)
    rows[:, 5] = target
    best, best_warp = np.full(n, -1.0), warp.copy()
    for left in reversed(range(steps)):
        sampler = Sampler.at(side, *transformed(warp, x, y))
        value, length = standardised(sampler.values(moving))
        correlation = np.einsum("np,np->n", target, value)
        better = correlation > best
        best[better], best_warp[better] = correlation[better], warp[better]
        if left:
            by_x, by_y = sampler.values(across), sampler.values(down)
            rows[:, 0] = by_x * x + by_y * y
            rows[:, 1] = by_y * x - by_x * y
            rows[:, 2], rows[:, 3], rows[:, 4] = by_x, by_y, value
            # A constant added to all levels and a factor on them do not change the correlation.
            rows[:, :4] -= rows[:, :4].mean(2, keepdims=True)
            warp = np.clip(warp + _step(rows, length), -_MAX_WARP, _MAX_WARP)
    return np.minimum(best, 1.0), best_warp


def _gradients(images: Grey) -> tuple[Grey, Grey]:
    """Derivatives of images (n, S, S) to the right and down, per half side."""
    half = np.float32(images.shape[1] / 2)
    across, down = (np.gradient(images, axis=axis) * half for axis in (2, 1))
    return across, down


def _step(rows: Grey, length: Grey) -> Grey:
    """One damped Gauss-Newton step, (n, 4).

    Args:
        rows: (n, 6, p) derivatives by the four numbers of the transform with mean 0; the value; the target.
        length: (n,) length of the value before it was standardised.
    """
    products = rows @ rows.transpose(0, 2, 1)
    along = products[:, :4, 4]
    ascent = products[:, :4, 5] - along * products[:, 4, 5, None]
    hessian = products[:, :4, :4] - along[:, :, None] * along[:, None]
    hessian /= length[:, None, None] ** 2
    trace = np.trace(hessian, axis1=1, axis2=2)[:, None, None]
    hessian += _DAMPING * (1 + trace) * np.eye(4, dtype=np.float32)
    return np.linalg.solve(hessian, (ascent / length[:, None])[..., None])[..., 0]


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


@dataclass(frozen=True)
class Sampler:
    """Places at which images are sampled by bilinear interpolation; beyond the edge, the edge is repeated.

    Attributes:
        side: of the images, S.
        corner: (n, p) index of the pixel above and to the left of each place, among the pixels of all images.
        part_x: (n, p) distance from it to the right, in pixels.
        part_y: (n, p) the same downwards.
    """

    side: int
    corner: NDArray[np.int64]
    part_x: Grey
    part_y: Grey

    @classmethod
    def at(cls, side: int, u: Grey, v: Grey) -> Sampler:
        """Samples at places across and down, (n, p) each, -1 to 1."""
        column, row = (
            np.clip((one + 1) * np.float32(side / 2) - np.float32(0.5), 0, np.float32(side - 1.001))
            for one in (u, v)
        )
        left, top = np.floor(column), np.floor(row)
        corner = (top * side + left).astype(np.int64)
        corner += np.arange(len(u), dtype=np.int64)[:, None] * side**2
        return cls(side, corner, column - left, row - top)

    def values(self, images: Grey) -> Grey:
        """Samples images (n, S, S): (n, p)."""
        levels = images.reshape(-1)
        above, below = (
            self._across(levels[offset:], levels[offset + 1 :]) for offset in (0, self.side)
        )
        below -= above
        below *= self.part_y
        below += above
        return below

    def _across(self, left: Grey, right: Grey) -> Grey:
        # An index that is in range needs no check, and clipping checks faster.
        first, second = (one.take(self.corner, mode="clip") for one in (left, right))
        second -= first
        second *= self.part_x
        second += first
        return second
