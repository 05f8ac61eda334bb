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
    grid = Grid.of(side, places[inner])
    x, y = grid.x, grid.y
    window = slice(int(inner[0]), int(inner[-1]) + 1)
    target, _ = standardised(fixed[:, window, window].reshape(n, -1))
    across, down = _gradients(moving)
    # Rows of four derivatives, the value, the target, and ones: their products are all that a step needs.
    rows = np.empty((n, 7, len(x)), dtype=np.float32)
    rows[:, 5], rows[:, 6] = target, 1
    best, best_warp = np.full(n, -1.0), warp.copy()
    for left in reversed(range(steps)):
        sampler = grid.seen_from(warp)
        value, length = standardised(sampler.values(moving))
        correlation = np.einsum("np,np->n", target, value)
        better = correlation > best
        best[better], best_warp[better] = correlation[better], warp[better]
        if left:
            by_x, by_y = sampler.values(across), sampler.values(down)
            np.multiply(by_x, x, out=rows[:, 0])
            np.multiply(by_y, x, out=rows[:, 1])
            rows[:, 2], rows[:, 3], rows[:, 4] = by_x, by_y, value
            by_x *= y
            by_y *= y
            rows[:, 0] += by_y
            rows[:, 1] -= by_x
            step = _step(rows, length, correlation)
            warp = np.clip(warp + step, -_MAX_WARP, _MAX_WARP)
    return np.minimum(best, 1.0), best_warp


def _gradients(images: Grey) -> tuple[Grey, Grey]:
    """Derivatives of images (n, S, S) to the right and down, per half side."""
    half = np.float32(images.shape[1] / 2)
    across, down = (np.gradient(images, axis=axis) * half for axis in (2, 1))
    return across, down


def _step(rows: Grey, length: Grey, correlation: Grey) -> Grey:
    """One damped Gauss-Newton step, (n, 4).

    Args:
        rows: (n, 7, p) derivatives by the four numbers of the transform; the value and the target, with
            mean 0; ones.
        length: (n,) length of the value before it was standardised.
        correlation: (n,) product of the value and the target.
    """
    # NumPy takes six times as long for the product of all rows with themselves, which it sees is symmetric.
    products = rows[:, :4] @ rows.transpose(0, 2, 1)
    along = products[:, :, 4]
    ascent = products[:, :, 5] - along * correlation[:, None]
    # A constant added to all levels and a factor on them do not change the correlation.
    total = products[:, :, 6]
    hessian = products[:, :, :4] - total[:, :, None] * (total / rows.shape[2])[:, None]
    hessian -= along[:, :, None] * along[:, None]
    hessian /= length[:, None, None] ** 2
    trace = np.trace(hessian, axis1=1, axis2=2)[:, None, None]
    hessian += _DAMPING * (1 + trace) * np.eye(4, dtype=np.float32)
    return np.linalg.solve(hessian, (ascent / length[:, None])[..., None])[..., 0]


@dataclass(frozen=True)
class Grid:
    """Places in an image of a side S: all pairs of some places across and down.

    Attributes:
        side: S.
        x: (p,) places across, -1 to 1.
        y: (p,) places down, -1 to 1.
    """

    side: int
    x: Grey
    y: Grey

    @classmethod
    def of(cls, side: int, places: Grey) -> Grid:
        """The grid with these places, -1 to 1, across and down."""
        x, y = (one.ravel() for one in np.meshgrid(places, places))
        return cls(side, x, y)

    def seen_from(self, warp: Grey) -> Sampler:
        """Samples the other image at the transformed places; (n, 4) transforms."""
        scale, rotation, right, down = warp.T
        half = np.float32(self.side / 2)
        places = np.stack([self.x, self.y, np.ones_like(self.x)])
        # In pixels: one product for each direction, instead of sums of arrays of all places.
        centre = half - np.float32(0.5)
        across = np.stack([half + half * scale, -half * rotation, half * right + centre], axis=1)
        along = np.stack([half * rotation, half + half * scale, half * down + centre], axis=1)
        return Sampler.at(self.side, across @ places, along @ places)


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
    def at(cls, side: int, column: Grey, row: Grey) -> Sampler:
        """Samples at columns and rows (n, p) in pixels, which are changed."""
        for one in (column, row):
            np.clip(one, 0, np.float32(side - 1.001), out=one)
        left, top = np.floor(column), np.floor(row)
        column -= left
        row -= top
        top *= side
        top += left
        corner = top.astype(np.int64)
        corner += np.arange(len(row), dtype=np.int64)[:, None] * side**2
        return cls(side, corner, column, row)

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
