"""Infill: replaces a region of an image by a blur, by its surroundings, or by another image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import coo_array
from scipy.sparse.linalg import splu

from auditor.interventions.regions import ImageArray, Region
from auditor.statistics import Floats, Integers

InfillMethod = Literal["blur", "in-painting", "donor"]
"""By a blur of the image, from the region's surroundings, or by the content of a donor image."""
Regions = Region | Sequence[Region]
"""One region for all images, or one region an image."""

_BLUR_WIDTH = 1 / 8
"""Standard deviation of the blur as a share of the shorter side: letters and marks become illegible."""
_BLUR_REACH = 3.0
"""Standard deviations at which the blur is truncated."""
_UPPER, _LOWER = np.s_[:-1, :], np.s_[1:, :]
_LEFT, _RIGHT = np.s_[:, :-1], np.s_[:, 1:]
_NEIGHBOURS = ((_UPPER, _LOWER), (_LOWER, _UPPER), (_LEFT, _RIGHT), (_RIGHT, _LEFT))
"""Pixels that have a neighbour in one of four directions, and those neighbours."""


@dataclass(frozen=True)
class Infill:
    """Images with the contents that can replace a region of them.

    Attributes:
        images: (n, 3, H, W) the images.
        donors: (n, 3, H, W) a donor image of another label for each image, or None if there is none.
    """

    images: ImageArray
    donors: ImageArray | None

    @cached_property
    def blurred(self) -> ImageArray:
        """(n, 3, H, W) the same images, blurred once for any number of regions."""
        return blur(self.images)

    def part(self, first: int, step: int) -> Infill:
        """Every so many-th of the images, from one on."""
        every = slice(first, None, step)
        donors = None if self.donors is None else self.donors[every]
        return Infill(self.images[every], donors)

    @property
    def methods(self) -> tuple[InfillMethod, ...]:
        """The methods that are available."""
        methods: tuple[InfillMethod, ...] = ("blur", "in-painting")
        return methods if self.donors is None else (*methods, "donor")

    def fill(self, regions: Regions, method: InfillMethod) -> ImageArray:
        """Replaces a region of each image.

        Args:
            regions: one region for all images, or one region an image.
            method: how to fill it.

        Returns:
            New images (n, 3, H, W).

        Raises:
            ValueError: there are no donor images for the method ``donor``, or a region covers the
                whole image, so that nothing is left for in-painting.
        """
        if method == "in-painting":
            return inpaint(self.images, regions)
        content = self.blurred if method == "blur" else self.donors
        if content is None:
            raise ValueError(
                f"expected one of the infill methods {', '.join(self.methods)}; got {method}, "
                "for which there are no donor images: choose another method"
            )
        return paste(self.images, content, regions)


def paste(images: ImageArray, donors: ImageArray, regions: Regions) -> ImageArray:
    """Replaces a region of each image by the same region of another image.

    Args:
        images: (n, 3, H, W).
        donors: (n, 3, H, W), one an image.
        regions: one region for all images, or one region an image.

    Returns:
        New images (n, 3, H, W).
    """
    return np.where(_masks(images, regions), donors, images)


def blur(images: ImageArray) -> ImageArray:
    """Applies a wide Gaussian blur to images (n, 3, H, W), with reflection at the edges."""
    height, width = images.shape[2:]
    sigma = _BLUR_WIDTH * min(height, width)
    # With so wide a filter, the product with its matrix takes a tenth of the time of a convolution.
    blurred = _blur_matrix(height, sigma) @ images.astype(np.float64) @ _blur_matrix(width, sigma).T
    return np.asarray(np.rint(blurred), dtype=np.uint8)


@lru_cache(maxsize=4)
def _blur_matrix(length: int, sigma: float) -> Floats:
    """The blur along one axis, as a matrix (n, n)."""
    return np.asarray(
        gaussian_filter1d(np.eye(length), sigma, axis=0, mode="reflect", truncate=_BLUR_REACH)
    )


def inpaint(images: ImageArray, regions: Regions) -> ImageArray:
    """Fills a region of each image smoothly from its surroundings.

    Inside the region each pixel becomes the mean of its four neighbours (Laplace's equation), with
    the pixels around the region as boundary values. At an edge of the image, the missing neighbours
    are left out of the mean.

    Args:
        images: (n, 3, H, W).
        regions: one region for all images, or one region an image.

    Returns:
        New images (n, 3, H, W).

    Raises:
        ValueError: a region covers the whole image.

    Reference:
        P. Pérez, M. Gangnet and A. Blake, "Poisson image editing", SIGGRAPH 2003, equations 1 and 2,
        discretised as in equation 7 without guidance (v = 0).
    """
    filled = images.copy()
    masks = np.broadcast_to(_masks(images, regions)[:, 0], (len(images), *images.shape[2:]))
    # Only the region and the pixels around it matter, and equal windows have the same equations.
    windows: dict[tuple[tuple[int, int], bytes], list[tuple[int, tuple[slice, slice]]]]
    windows = defaultdict(list)
    for position, mask in enumerate(masks):
        if mask.all():
            raise ValueError(
                "expected a region that leaves a part of the image to in-paint from; got the whole "
                "image: choose a smaller region"
            )
        if mask.any():
            window = _window(mask)
            crop = mask[window]
            windows[crop.shape, crop.tobytes()].append((position, window))
    for (shape, pattern), members in windows.items():
        mask = np.frombuffer(pattern, dtype=np.bool_).reshape(shape)
        crops = np.stack([filled[position][:, *window] for position, window in members])
        crops[:, :, mask] = _solve(crops, mask)
        for (position, window), crop in zip(members, crops, strict=True):
            filled[position][:, *window] = crop
    return filled


def _masks(images: ImageArray, regions: Regions) -> NDArray[np.bool_]:
    """(n or 1, 1, H, W)."""
    size = images.shape[2], images.shape[3]
    each = [regions] if isinstance(regions, Region) else regions
    return np.stack([one.pixels(*size) for one in each])[:, None]


def _window(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The bounding box of a region, with a margin of one pixel where the image has one."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return (
        slice(max(int(rows[0]) - 1, 0), int(rows[-1]) + 2),
        slice(max(int(columns[0]) - 1, 0), int(columns[-1]) + 2),
    )


def _solve(crops: ImageArray, mask: NDArray[np.bool_]) -> ImageArray:
    """Solves Laplace's equation for the m pixels of a region; returns (n, 3, m)."""
    index = np.full(mask.shape, -1)
    index[mask] = np.arange(mask.sum())
    size = int(mask.sum())
    flat = crops.reshape(-1, *mask.shape).astype(np.float64)
    boundary: Floats = np.zeros((len(flat), size))
    for here, there in _NEIGHBOURS:
        inside = mask[here]
        own, known = index[here][inside], index[there][inside] < 0
        boundary[:, own[known]] += flat[:, *there][:, inside][:, known]
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    if size == len(rows) * len(columns):
        axes = (_modes(*_ends(rows, mask.shape[0])), _modes(*_ends(columns, mask.shape[1])))
        solution = _solve_rectangle(boundary.reshape(-1, len(rows), len(columns)), *axes)
    else:
        solution = _solve_any(boundary, mask, index)
    return np.asarray(
        np.clip(np.rint(solution), 0, 255).reshape(*crops.shape[:2], size), dtype=np.uint8
    )


def _ends(places: Integers, length: int) -> tuple[int, int, int]:
    """Number of adjacent places along an axis, and whether there are pixels before and after them."""
    return len(places), int(places[0] > 0), int(places[-1] < length - 1)


@lru_cache(maxsize=64)
def _modes(length: int, before: int, after: int) -> tuple[Floats, Floats]:
    """Eigenvalues (n,) and eigenvectors (n, n) of the equations along one axis of a rectangle.

    Args:
        length: n pixels.
        before: 1 if a pixel with a given value comes before them, 0 at an edge of the image.
        after: the same behind them.
    """
    inner = np.ones(length - 1)
    degree = np.append(inner, after) + np.insert(inner, 0, before)
    values, vectors = np.linalg.eigh(np.diag(degree) - np.diag(inner, 1) - np.diag(inner, -1))
    return np.asarray(values), np.asarray(vectors)


def _solve_rectangle(
    boundary: Floats, down: tuple[Floats, Floats], across: tuple[Floats, Floats]
) -> Floats:
    """Solves the equations of a rectangle in the product of its axes' eigenvectors.

    Args:
        boundary: (n, h, w) sums of the given neighbours.
        down: eigenvalues and eigenvectors along the first axis of the rectangle.
        across: the same along the second.

    Reference:
        R. E. Lynch, J. R. Rice and D. H. Thomas, "Direct solution of partial difference equations by
        tensor product methods", Numerische Mathematik 6 (1964) 185-199.
    """
    (row_values, row_vectors), (column_values, column_vectors) = down, across
    modes = row_vectors.T @ boundary @ column_vectors
    modes /= row_values[:, None] + column_values
    return np.asarray(row_vectors @ modes @ column_vectors.T, dtype=np.float64)


def _solve_any(boundary: Floats, mask: NDArray[np.bool_], index: Integers) -> Floats:
    """Solves the equations of a region of any shape; (n, m)."""
    size = boundary.shape[1]
    degree = np.zeros(size)
    entries: list[tuple[Integers, Integers]] = []
    for here, there in _NEIGHBOURS:
        inside = mask[here]
        own, neighbour = index[here][inside], index[there][inside]
        degree[own] += 1
        unknown = neighbour >= 0
        entries.append((own[unknown], neighbour[unknown]))
    rows, columns = (np.concatenate(part) for part in zip(*entries, strict=True))
    system = coo_array(
        (
            np.concatenate([degree, np.full(len(rows), -1.0)]),
            (np.concatenate([np.arange(size), rows]), np.concatenate([np.arange(size), columns])),
        ),
        shape=(size, size),
    )
    return np.asarray(splu(system.tocsc()).solve(boundary.T).T, dtype=np.float64)
