"""What a region of an image is replaced with: a blur, its surroundings, another image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.sparse import coo_array
from scipy.sparse.linalg import splu

from auditor.interventions.regions import ImageArray, Region
from auditor.statistics import Floats

InfillMethod = Literal["blurred", "in-painted", "borrowed"]
Regions = Region | Sequence[Region]
"""One for all images, or one an image."""

_BLUR = 1 / 8
"""Standard deviation of the blur as a part of the shorter side: no letter or mark survives it."""
_REACH = 3.0
"""Standard deviations after which the blur is cut off."""


@dataclass(frozen=True)
class Infill:
    """Images and what their regions may be replaced with.

    Attributes:
        images: (n, 3, H, W).
        soft: the same, blurred.
        lenders: (n, 3, H, W) images of other labels, or None where there are none to lend.
    """

    images: ImageArray
    soft: ImageArray
    lenders: ImageArray | None

    @classmethod
    def of(cls, images: ImageArray, lenders: ImageArray | None) -> Infill:
        """Blurs the images once, however many regions are asked for."""
        return cls(images, blurred(images), lenders)

    @property
    def ways(self) -> tuple[InfillMethod, ...]:
        """The fills that can be had."""
        ways: tuple[InfillMethod, ...] = ("blurred", "in-painted")
        return ways if self.lenders is None else (*ways, "borrowed")

    def replaced(self, regions: Regions, way: InfillMethod) -> ImageArray:
        """The images with a region replaced, new.

        Raises:
            ValueError: an image of another label is asked for and there is none, or a region
                leaves nothing of the image.
        """
        if way == "in-painted":
            return inpainted(self.images, regions)
        other = self.soft if way == "blurred" else self.lenders
        if other is None:
            raise ValueError(
                f"expected one of {', '.join(self.ways)}; got {way}: there are no lenders"
            )
        return borrowed(self.images, other, regions)


def borrowed(images: ImageArray, lenders: ImageArray, regions: Regions) -> ImageArray:
    """Images with a region taken from the same place of other images.

    Args:
        images: (n, 3, H, W).
        lenders: (n, 3, H, W), one an image.
        regions: one for all, or one an image.

    Returns:
        (n, 3, H, W), new.
    """
    return np.where(_masks(images, regions), lenders, images)


def blurred(images: ImageArray) -> ImageArray:
    """Images (n, 3, H, W) under a heavy Gaussian blur, mirrored at their edges."""
    width = _BLUR * min(images.shape[2:])
    soft = gaussian_filter(
        images, (0, 0, width, width), output=np.float32, mode="reflect", truncate=_REACH
    )
    return np.asarray(np.rint(soft), dtype=np.uint8)


def inpainted(images: ImageArray, regions: Regions) -> ImageArray:
    """Images with a region continued from its surroundings: as smooth as its border allows.

    Inside of the region each pixel becomes the mean of its four neighbours (Laplace's equation); the
    pixels around it are given. At an edge of the image there is nothing to continue from, and the
    neighbours that are missing there do not count.

    Args:
        images: (n, 3, H, W).
        regions: one for all, or one an image.

    Returns:
        (n, 3, H, W), new.

    Raises:
        ValueError: a region leaves nothing of the image.

    Reference:
        P. Pérez, M. Gangnet and A. Blake, "Poisson image editing", SIGGRAPH 2003, equations 1 and 2,
        discretised as in equation 7 without guidance (v = 0).
    """
    done = images.copy()
    masks = np.broadcast_to(_masks(images, regions)[:, 0], (len(images), *images.shape[2:]))
    # Only the region and the pixels around it matter, and windows of one size share their equations.
    alike: dict[tuple[tuple[int, int], bytes], list[tuple[int, tuple[slice, slice]]]] = defaultdict(
        list
    )
    for place, mask in enumerate(masks):
        if mask.all():
            raise ValueError(
                "expected a region that leaves some of the image to continue from; got all of it: "
                "choose a smaller one"
            )
        if mask.any():
            part = _around(mask)
            crop = mask[part]
            alike[crop.shape, crop.tobytes()].append((place, part))
    for (shape, pattern), places in alike.items():
        mask = np.frombuffer(pattern, dtype=np.bool_).reshape(shape)
        crops = np.stack([done[place][:, *part] for place, part in places])
        crops[:, :, mask] = _continued(crops, mask)
        for (place, part), crop in zip(places, crops, strict=True):
            done[place][:, *part] = crop
    return done


def _masks(images: ImageArray, regions: Regions) -> NDArray[np.bool_]:
    """(n or 1, 1, H, W)."""
    size = images.shape[2], images.shape[3]
    wanted = [regions] if isinstance(regions, Region) else regions
    return np.stack([one.pixels(*size) for one in wanted])[:, None]


def _around(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The rectangle that a region fills, and one pixel more on each side that has one."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return (
        slice(max(int(rows[0]) - 1, 0), int(rows[-1]) + 2),
        slice(max(int(columns[0]) - 1, 0), int(columns[-1]) + 2),
    )


def _continued(crops: ImageArray, mask: NDArray[np.bool_]) -> ImageArray:
    """Values (n, 3, m) for the m pixels of a region."""
    number = np.full(mask.shape, -1)
    number[mask] = np.arange(mask.sum())
    size = int(mask.sum())
    flat = crops.reshape(-1, *mask.shape).astype(np.float64)
    known: Floats = np.zeros((size, len(flat)))
    degree = np.zeros(size)
    entries: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    lower, upper = np.s_[:-1, :], np.s_[1:, :]
    left, right = np.s_[:, :-1], np.s_[:, 1:]
    for here, there in ((lower, upper), (upper, lower), (left, right), (right, left)):
        inside = mask[here]
        own, other = number[here][inside], number[there][inside]
        degree[own] += 1
        unknown = other >= 0
        entries.append((own[unknown], other[unknown]))
        given = flat[:, *there][:, inside][:, ~unknown]
        known[own[~unknown]] += given.T
    rows, columns = (np.concatenate(part) for part in zip(*entries, strict=True))
    system = coo_array(
        (
            np.concatenate([degree, np.full(len(rows), -1.0)]),
            (np.concatenate([np.arange(size), rows]), np.concatenate([np.arange(size), columns])),
        ),
        shape=(size, size),
    )
    solved = splu(system.tocsc()).solve(known)
    return np.asarray(
        np.clip(np.rint(solved.T), 0, 255).reshape(*crops.shape[:2], size), dtype=np.uint8
    )
