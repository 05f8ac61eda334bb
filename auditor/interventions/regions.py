"""Regions of an image, the windows that a search tries, and the evidence of a map in a region."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.imaging.location import BORDER, place_name
from auditor.records import RegionBox
from auditor.statistics import Floats

ImageArray = NDArray[np.uint8]

_COARSE_SIDE = 0.375
_FINE_SIDE = 0.25
_FRAME_WIDTH = 1 / 16
"""Sides of the windows, and width of the border, as shares of the image's sides."""
_COARSE_STEPS = 4
_FINE_STEPS = 3
"""Windows along each side."""
_MAX_OVERLAP = 0.1
"""Largest overlap of a region and a control region, as a share of their area."""

REGION_ACTION = (
    "Look at what these images show in that region. If it does not belong to the object, remove, mask "
    "or vary it in the training data, and audit again."
)
"""What to do about a region that changes the predictions."""


@dataclass(frozen=True)
class Region:
    """A rectangle of an image, or everything outside of one.

    Attributes:
        x0: left edge, as a share of the image's width, 0 to 1.
        y0: upper edge, as a share of the height.
        x1: right edge, as a share of the width.
        y1: lower edge, as a share of the height.
        outside: whether the region is everything outside of the rectangle: the border of the image.
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
        """Its place in the image, such as ``lower right corner``."""
        return BORDER if self.outside else place_name(self.pixels(96, 96).astype(np.float64))

    @property
    def description(self) -> str:
        """The region as part of a sentence, such as ``the lower right corner of the image``."""
        return f"the {self.place} of the image"

    def box(self) -> RegionBox:
        """The region as it is written to a claim's evidence."""
        x0, y0, x1, y1 = (round(float(one), 4) for one in (self.x0, self.y0, self.x1, self.y1))
        return RegionBox(place=self.place, box=(x0, y0, x1, y1), outside=self.outside)

    @property
    def area(self) -> float:
        """Share of the image's area, 0 to 1."""
        inside = (self.x1 - self.x0) * (self.y1 - self.y0)
        return 1 - inside if self.outside else inside

    def overlap(self, other: Region) -> float:
        """Area that two rectangles share, as a share of this one's area."""
        across = min(self.x1, other.x1) - max(self.x0, other.x0)
        down = min(self.y1, other.y1) - max(self.y0, other.y0)
        return max(across, 0.0) * max(down, 0.0) / self.area

    def control_regions(self, number: int, generator: np.random.Generator) -> list[Region]:
        """Draws regions of the same size at random places that overlap this one by a tenth at most.

        The only region as large as the border that does not overlap it is the middle of the image.

        Args:
            number: how many regions to draw.
            generator: source of randomness.
        """
        if self.outside:
            side = self.area**0.5
            return [Region((1 - side) / 2, (1 - side) / 2, (1 + side) / 2, (1 + side) / 2)] * number
        width, height = self.x1 - self.x0, self.y1 - self.y0
        regions: list[Region] = []
        while len(regions) < number:
            x0, y0 = generator.uniform(0, 1 - width), generator.uniform(0, 1 - height)
            other = Region(x0, y0, x0 + width, y0 + height)
            if self.overlap(other) <= _MAX_OVERLAP:
                regions.append(other)
        return regions


def coarse_regions() -> list[Region]:
    """Sixteen overlapping windows that cover the image, and its frame."""
    starts = np.linspace(0, 1 - _COARSE_SIDE, _COARSE_STEPS)
    windows = [Region(x, y, x + _COARSE_SIDE, y + _COARSE_SIDE) for y in starts for x in starts]
    border = _FRAME_WIDTH
    return [*windows, Region(border, border, 1 - border, 1 - border, outside=True)]


def windows_within(region: Region) -> list[Region]:
    """Nine smaller windows within a coarse window; none for the border."""
    if region.outside:
        return []
    across = np.linspace(region.x0, region.x1 - _FINE_SIDE, _FINE_STEPS)
    down = np.linspace(region.y0, region.y1 - _FINE_SIDE, _FINE_STEPS)
    return [Region(x, y, x + _FINE_SIDE, y + _FINE_SIDE) for y in down for x in across]


def strips() -> list[Region]:
    """Horizontal and vertical strips of a quarter of the image, for captions and watermarks.

    Each strip overlaps the next one by half.
    """
    starts = np.arange(0, 1 - _FINE_SIDE / 2, _FINE_SIDE / 2)
    horizontal = [Region(0.0, start, 1.0, start + _FINE_SIDE) for start in starts]
    return [*horizontal, *(Region(start, 0.0, start + _FINE_SIDE, 1.0) for start in starts)]


def small_windows() -> list[Region]:
    """Small windows that cover the image; each overlaps the next one by half."""
    starts = np.arange(0, 1 - _FINE_SIDE / 2, _FINE_SIDE / 2)
    return [Region(x, y, x + _FINE_SIDE, y + _FINE_SIDE) for y in starts for x in starts]


def evidence_share(cams: NDArray[np.float32], region: Region) -> Floats:
    """Share of each map's evidence that lies in a region.

    Args:
        cams: (n, h, w) maps, at least 0.
        region: the region.

    Returns:
        (n,) shares, 0 to 1; NaN for a map without evidence.
    """
    maps = cams.astype(np.float64)
    # Each cell of a map stands for a patch of the image, of which the region may cover a part.
    height, width = cams.shape[1:]
    fine = region.pixels(8 * height, 8 * width).astype(np.float64)
    covered = fine.reshape(height, 8, width, 8).mean((1, 3))
    total = maps.sum((1, 2))
    within: Floats = (maps * covered).sum((1, 2))
    shares: Floats = np.divide(within, total, out=np.full(len(cams), np.nan), where=total > 0)
    return shares
