"""Drawings of a finding as JPEG: regions over images, maps from grids of numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from auditor import imaging
from auditor.imaging.raster_formats import open_stored
from auditor.records import RegionBox

_SIDE = 128
"""Pixels of a map's longer side."""
_BOX = (255, 70, 190)
_MORE, _LESS, _NONE = (190, 75, 0), (30, 80, 150), (244, 243, 240)
"""Orange, blue and near white: readable with any colour vision."""


def region_image(jpeg: bytes, region: RegionBox, edge: int) -> bytes:
    """An image with the edges of a region, in a colour that does not occur in maps or grey images.

    Args:
        jpeg: the image.
        region: its box is drawn.
        edge: longest side of the result in pixels.
    """
    with open_stored(jpeg) as opened:
        image = opened.convert("RGB")
    scale = edge / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(image)
    box = region.box
    sides = (box[0] * width, box[1] * height, box[2] * width - 1, box[3] * height - 1)
    for inset, colour, stroke in ((0, (0, 0, 0), 5), (1, _BOX, 3)):
        left, upper, right, lower = (
            sides[0] + inset,
            sides[1] + inset,
            max(sides[2] - inset, sides[0] + inset),
            max(sides[3] - inset, sides[1] + inset),
        )
        pen.rectangle((left, upper, right, lower), outline=colour, width=stroke)
    return imaging.jpeg(np.asarray(image))


def map_image(values: ArrayLike, peak: float) -> bytes:
    """A map of shares in viridis.

    Args:
        values: (h, w), at least 0.
        peak: value of the brightest colour, for maps that are compared.
    """
    grid = np.asarray(values, dtype=np.float32)
    height, width = _size(grid)
    ground = np.zeros((height, width, 3), dtype=np.uint8)
    return imaging.jpeg(imaging.overlay(ground, grid, peak=peak, opacity=1.0))


def difference_image(values: ArrayLike) -> bytes:
    """A signed map: orange where there is more, blue where there is less, white without a change.

    Args:
        values: (h, w), any sign.
    """
    grid = np.asarray(values, dtype=np.float32)
    shown = imaging.upsample(grid, *_size(grid))
    largest = float(np.abs(shown).max()) or 1.0
    strength = np.abs(shown / largest)[..., None]
    colour = np.where((shown > 0)[..., None], np.array(_MORE), np.array(_LESS))
    mixed = np.array(_NONE) * (1 - strength) + colour * strength
    return imaging.jpeg(np.rint(mixed).astype(np.uint8))


def _size(grid: NDArray[np.float32]) -> tuple[int, int]:
    height, width = grid.shape
    scale = _SIDE / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))
