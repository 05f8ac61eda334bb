"""Blurred images and the maps over them."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from auditor import imaging
from auditor.errors import DataError
from auditor.imaging.raster_formats import open_stored

_BLOCKS = 6
"""Blocks along the longest side of a blurred image."""
_SIGMA = 1 / 12
"""Standard deviation of the Gaussian, as a share of the longest side."""
_CAM = 16
"""Longest side of a map; finer ones would show outlines."""
_GREY = 128

Treatment = Literal["blur", "drop"]


def treated(jpeg: bytes, how: Treatment) -> NDArray[np.uint8]:
    """An image as a redacted copy contains it.

    Blurring averages blocks, of which there are 6 along the longest side, and then applies a Gaussian whose
    standard deviation is half a block. What remains are the colours of large areas.

    Args:
        jpeg: the stored image.
        how: whether to blur it, or to put grey in its place.

    Returns:
        (H, W, 3) uint8, of the size of the image.

    Raises:
        DataError: the image is damaged.
    """
    try:
        with open_stored(jpeg) as image:
            if how == "drop":
                return np.full((image.height, image.width, 3), _GREY, np.uint8)
            pixels = image.convert("RGB")
    except (OSError, SyntaxError, ValueError, TypeError) as error:
        raise DataError(
            f"explanations: expected images as JPEG; one is damaged ({type(error).__name__}): check the run "
            "with `auditor verify`, and restore it from a backup"
        ) from error
    longest = max(pixels.size)
    small = tuple(max(1, round(side * _BLOCKS / longest)) for side in pixels.size)
    blocks = pixels.resize((small[0], small[1]), Image.Resampling.BOX)
    enlarged = blocks.resize(pixels.size, Image.Resampling.NEAREST)
    return np.asarray(enlarged.filter(ImageFilter.GaussianBlur(longest * _SIGMA)))


def blurred_jpeg(jpeg: bytes, how: Treatment) -> bytes:
    """The same as a JPEG, which has no metadata."""
    return imaging.jpeg(treated(jpeg, how))


def coarse(cam: NDArray[np.float32]) -> NDArray[np.float32]:
    """A map of at most 16 places along each side, by averaging."""
    height, width = cam.shape
    if max(height, width) <= _CAM:
        return cam
    size = (
        max(1, round(width * _CAM / max(cam.shape))),
        max(1, round(height * _CAM / max(cam.shape))),
    )
    return np.asarray(
        Image.fromarray(cam, "F").resize(size, Image.Resampling.BOX), dtype=np.float32
    )


def overlay_jpeg(image: NDArray[np.uint8], cam: NDArray[np.float32]) -> bytes:
    """A map over an image that was treated."""
    return imaging.jpeg(imaging.overlay(image, cam))
