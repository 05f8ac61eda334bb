"""What a region of a picture is replaced with: a blur, its surroundings, another picture."""

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

from auditor.checks._regions import Pictures, Region
from auditor.statistics import Floats

Fill = Literal["blurred", "in-painted", "borrowed"]
Regions = Region | Sequence[Region]
"""One for all pictures, or one a picture."""

_BLUR = 1 / 8
"""Standard deviation of the blur as a part of the shorter side: no letter or mark survives it."""
_REACH = 3.0
"""Standard deviations after which the blur is cut off."""


@dataclass(frozen=True)
class Fills:
    """Pictures and what their regions may be replaced with.

    Attributes:
        pictures: (n, 3, H, W).
        soft: the same, blurred.
        lenders: (n, 3, H, W) pictures of other labels, or None where there are none to lend.
    """

    pictures: Pictures
    soft: Pictures
    lenders: Pictures | None

    @classmethod
    def of(cls, pictures: Pictures, lenders: Pictures | None) -> Fills:
        """Blurs the pictures once, however many regions are asked for."""
        return cls(pictures, blurred(pictures), lenders)

    @property
    def ways(self) -> tuple[Fill, ...]:
        """The fills that can be had."""
        ways: tuple[Fill, ...] = ("blurred", "in-painted")
        return ways if self.lenders is None else (*ways, "borrowed")

    def replaced(self, regions: Regions, way: Fill) -> Pictures:
        """The pictures with a region replaced, new.

        Raises:
            ValueError: a picture of another label is asked for and there is none, or a region
                leaves nothing of the picture.
        """
        if way == "in-painted":
            return inpainted(self.pictures, regions)
        other = self.soft if way == "blurred" else self.lenders
        if other is None:
            raise ValueError(
                f"expected one of {', '.join(self.ways)}; got {way}: there are no lenders"
            )
        return borrowed(self.pictures, other, regions)


def borrowed(pictures: Pictures, lenders: Pictures, regions: Regions) -> Pictures:
    """Pictures with a region taken from the same place of other pictures.

    Args:
        pictures: (n, 3, H, W).
        lenders: (n, 3, H, W), one a picture.
        regions: one for all, or one a picture.

    Returns:
        (n, 3, H, W), new.
    """
    return np.where(_masks(pictures, regions), lenders, pictures)


def blurred(pictures: Pictures) -> Pictures:
    """Pictures (n, 3, H, W) under a heavy Gaussian blur, mirrored at their edges."""
    width = _BLUR * min(pictures.shape[2:])
    soft = gaussian_filter(
        pictures, (0, 0, width, width), output=np.float32, mode="reflect", truncate=_REACH
    )
    return np.asarray(np.rint(soft), dtype=np.uint8)


def inpainted(pictures: Pictures, regions: Regions) -> Pictures:
    """Pictures with a region continued from its surroundings: as smooth as its border allows.

    Inside of the region each pixel becomes the mean of its four neighbours (Laplace's equation); the
    pixels around it are given. At an edge of the picture there is nothing to continue from, and the
    neighbours that are missing there do not count.

    Args:
        pictures: (n, 3, H, W).
        regions: one for all, or one a picture.

    Returns:
        (n, 3, H, W), new.

    Raises:
        ValueError: a region leaves nothing of the picture.

    Reference:
        P. Pérez, M. Gangnet and A. Blake, "Poisson image editing", SIGGRAPH 2003, equations 1 and 2,
        discretised as in equation 7 without guidance (v = 0).
    """
    done = pictures.copy()
    masks = np.broadcast_to(_masks(pictures, regions)[:, 0], (len(pictures), *pictures.shape[2:]))
    # Only the region and the pixels around it matter, and windows of one size share their equations.
    alike: dict[tuple[tuple[int, int], bytes], list[tuple[int, tuple[slice, slice]]]] = defaultdict(
        list
    )
    for place, mask in enumerate(masks):
        if mask.all():
            raise ValueError(
                "expected a region that leaves some of the picture to continue from; got all of it: "
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


def _masks(pictures: Pictures, regions: Regions) -> NDArray[np.bool_]:
    """(n or 1, 1, H, W)."""
    size = pictures.shape[2], pictures.shape[3]
    wanted = [regions] if isinstance(regions, Region) else regions
    return np.stack([one.pixels(*size) for one in wanted])[:, None]


def _around(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The rectangle that a region fills, and one pixel more on each side that has one."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return (
        slice(max(int(rows[0]) - 1, 0), int(rows[-1]) + 2),
        slice(max(int(columns[0]) - 1, 0), int(columns[-1]) + 2),
    )


def _continued(crops: Pictures, mask: NDArray[np.bool_]) -> Pictures:
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
