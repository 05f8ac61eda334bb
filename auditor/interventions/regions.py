"""Regions of an image: which ones are tried, how one is chosen, and the evidence in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from auditor.imaging.location import BORDER, place_name
from auditor.statistics import Floats

ImageArray = NDArray[np.uint8]

_COARSE = 0.375
_FINE = 0.25
_BORDER = 1 / 16
"""Sides of the windows, and width of the frame, as parts of the image's."""
_STEPS = 4
_APART = 0.1
"""Windows that share at most so much of their area are told apart."""
_ENOUGH = 0.8
"""A small region with so much of a larger one's score is preferred: it says more about where."""

LOOK_THERE = (
    "Look at what these images show at that place. If it does not belong to the object, remove, mask "
    "or vary it in the training data, and audit again."
)
"""What to do about a region that moves the predictions."""

T = TypeVar("T")


@dataclass(frozen=True)
class Region:
    """A rectangle of an image, or all that lies outside of one.

    Attributes:
        x0: left edge, as a part of the width; likewise the others.
        y0: upper edge.
        x1: right edge.
        y1: lower edge.
        outside: whether what lies outside of the rectangle is meant: the image's frame.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    outside: bool = False

    def pixels(self, height: int, width: int) -> NDArray[np.bool_]:
        """The region as a mask (height, width)."""
        inside = np.zeros((height, width), dtype=np.bool_)
        rows = slice(round(self.y0 * height), round(self.y1 * height))
        inside[rows, round(self.x0 * width) : round(self.x1 * width)] = True
        return ~inside if self.outside else inside

    @property
    def place(self) -> str:
        """Where it is, in words."""
        return BORDER if self.outside else place_name(self.pixels(96, 96).astype(np.float64))

    @property
    def words(self) -> str:
        """The region itself, in words."""
        return f"the {self.place} of the image"

    def record(self) -> dict[str, Any]:
        """What a claim's evidence says of it."""
        edges = (self.x0, self.y0, self.x1, self.y1)
        return {
            "place": self.place,
            "box": [round(float(edge), 4) for edge in edges],
            "outside_of_box": self.outside,
        }

    @property
    def area(self) -> float:
        """Share of the image."""
        inside = (self.x1 - self.x0) * (self.y1 - self.y0)
        return 1 - inside if self.outside else inside

    def overlap(self, other: Region) -> float:
        """Shared area of two rectangles, as a part of this one's."""
        across = min(self.x1, other.x1) - max(self.x0, other.x0)
        down = min(self.y1, other.y1) - max(self.y0, other.y0)
        return max(across, 0.0) * max(down, 0.0) / self.area

    def elsewhere(self, number: int, generator: np.random.Generator) -> list[Region]:
        """Regions of the same size at random other places, with at most a tenth in common."""
        if self.outside:  # of the frame's size, there is only the middle
            side = self.area**0.5
            return [Region((1 - side) / 2, (1 - side) / 2, (1 + side) / 2, (1 + side) / 2)] * number
        width, height = self.x1 - self.x0, self.y1 - self.y0
        found: list[Region] = []
        while len(found) < number:
            x0, y0 = generator.uniform(0, 1 - width), generator.uniform(0, 1 - height)
            other = Region(x0, y0, x0 + width, y0 + height)
            if self.overlap(other) <= _APART:
                found.append(other)
        return found


def coarse() -> list[Region]:
    """Sixteen overlapping windows that cover the image, and its frame."""
    starts = np.linspace(0, 1 - _COARSE, _STEPS)
    windows = [Region(x, y, x + _COARSE, y + _COARSE) for y in starts for x in starts]
    return [*windows, Region(_BORDER, _BORDER, 1 - _BORDER, 1 - _BORDER, outside=True)]


def finer(region: Region) -> list[Region]:
    """Smaller windows within one; none for the frame."""
    if region.outside:
        return []
    across = np.linspace(region.x0, region.x1 - _FINE, 3)
    down = np.linspace(region.y0, region.y1 - _FINE, 3)
    return [Region(x, y, x + _FINE, y + _FINE) for y in down for x in across]


def bands() -> list[Region]:
    """Strips across the image, a quarter of it each, half over the next: captions run along it."""
    starts = np.arange(0, 1 - _FINE / 2, _FINE / 2)
    lying = [Region(0.0, start, 1.0, start + _FINE) for start in starts]
    return [*lying, *(Region(start, 0.0, start + _FINE, 1.0) for start in starts)]


def small() -> list[Region]:
    """Small windows all over the image, each half over the next."""
    starts = np.arange(0, 1 - _FINE / 2, _FINE / 2)
    return [Region(x, y, x + _FINE, y + _FINE) for y in starts for x in starts]


def sought(
    score: Callable[[T], float], first: Sequence[T], closer: Callable[[T], Sequence[T]]
) -> T:
    """What scores highest of some choices; a smaller one in its place where that will do.

    Args:
        score: of a choice.
        first: choices, at least one.
        closer: smaller choices in the place of one; may be none.
    """
    scores = [score(one) for one in first]
    place = int(np.argmax(scores))
    smaller = closer(first[place])
    fine = [score(one) for one in smaller]
    if fine and max(fine) >= _ENOUGH * scores[place]:
        return smaller[int(np.argmax(fine))]
    return first[place]


def attention(cams: NDArray[np.float32], region: Region) -> Floats:
    """Share of each map's evidence in a region, (n,); NaN for a map without evidence."""
    flat = cams.astype(np.float64)
    # Each place of the map stands for a patch of the image, which the region may cut.
    height, width = cams.shape[1:]
    fine = region.pixels(8 * height, 8 * width).astype(np.float64)
    part = fine.reshape(height, 8, width, 8).mean((1, 3))
    mass = flat.sum((1, 2))
    within: Floats = (flat * part).sum((1, 2))
    parts: Floats = np.divide(within, mass, out=np.full(len(cams), np.nan), where=mass > 0)
    return parts
