"""The properties that are computed from each image: names, units, ranges."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Properties(NamedTuple):
    """What was measured of one image.

    Attributes:
        brightness: mean luma, 0 (black) to 1 (white).
        contrast: standard deviation of the luma, 0 to 0.5.
        sharpness: variance of the Laplacian of the luma in grey levels (0 to 255).
        colourfulness: 0 for grey; 15 is slightly, 33 moderately, 59 quite colourful.
        hue: the dominant hue's name, or ``grey``.
        border_brightness: mean luma of the outer sixteenth at each side, 0 to 1.
        border_hue: its dominant hue's name, or ``grey``.
        size: side in pixels of a square with as many pixels as the image.
        aspect: width divided by height.
        jpeg_quality: quality setting (1 to 100) nearest to the file's quantisation table; None where
            the file is no JPEG.
        camera: maker and model by EXIF; None where the file names none.
    """

    brightness: float
    contrast: float
    sharpness: float
    colourfulness: float
    hue: str
    border_brightness: float
    border_hue: str
    size: float
    aspect: float
    jpeg_quality: float | None
    camera: str | None


NAMES = Properties._fields
PREFIX = "image."
"""Begins the names of their columns."""
WORDS = frozenset({"hue", "border_hue", "camera"})
"""Properties that are words; the others are numbers."""


def as_stored(measured: Properties) -> Properties:
    """Properties as the predictions hold them: numbers in single precision.

    Those that were read from the predictions are then equal to those that were measured again.
    """
    return Properties._make(
        float(np.float32(value)) if isinstance(value, float) else value for value in measured
    )


def in_words(column: str) -> str:
    """A property as people read it: ``image border brightness``; any other column as it is."""
    name = column.removeprefix(PREFIX)
    if name == column:
        return column
    return f"image {name.replace('_', ' ').replace('jpeg', 'JPEG')}"
