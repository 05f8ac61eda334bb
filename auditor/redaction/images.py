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
_SIMPLE = 64
"""Places along the longest side of an image that is too simple to be hidden by blurring."""
_REPRODUCED = 0.04
"""Largest error with so many places, as a share of the standard deviation of the image.

Handwritten digits of 28 pixels, enlarged to 96 or 224, have 0.01 to 0.02; photographs of 224 pixels and solar
cells 0.05 to 0.2.
"""

Treatment = Literal["blur", "drop"]


def treatment_of(jpeg: bytes, how: Treatment) -> Treatment:
    """What becomes of an image: one that is too simple is dropped where others are blurred.

    A single shape that fills the image, such as a digit, can be read from the blocks that remain. Such images
    are small: up to 64 pixels a side, or enlarged from so few.

    Args:
        jpeg: the stored image.
        how: what becomes of the others.

    Raises:
        DataError: the image is damaged.
    """
    return "drop" if how == "drop" or _is_simple(_pixels(jpeg)) else "blur"


def treated(jpeg: bytes, how: Treatment) -> NDArray[np.uint8]:
    """An image as a redacted copy contains it.

    Blurring averages blocks, of which there are 6 along the longest side, and then applies a Gaussian whose
    standard deviation is half a block. What remains are the colours of large areas.

    Args:
        jpeg: the stored image.
        how: whether to blur it, or to put grey in its place; see `treatment_of`.

    Returns:
        (H, W, 3) uint8, of the size of the image.

    Raises:
        DataError: the image is damaged.
    """
    pixels = _pixels(jpeg)
    if how == "drop":
        return np.full((pixels.height, pixels.width, 3), _GREY, np.uint8)
    blocks = pixels.resize(_size(pixels, _BLOCKS), Image.Resampling.BOX)
    enlarged = blocks.resize(pixels.size, Image.Resampling.NEAREST)
    return np.asarray(enlarged.filter(ImageFilter.GaussianBlur(max(pixels.size) * _SIGMA)))


def _pixels(jpeg: bytes) -> Image.Image:
    try:
        with open_stored(jpeg) as image:
            return image.convert("RGB")
    except (OSError, SyntaxError, ValueError, TypeError) as error:
        raise DataError(
            f"explanations: expected images as JPEG; one is damaged ({type(error).__name__}): check the run "
            "with `auditor verify`, and restore it from a backup"
        ) from error


def _is_simple(pixels: Image.Image) -> bool:
    """Whether few places reproduce an image."""
    if max(pixels.size) <= _SIMPLE:
        return True
    small = pixels.resize(_size(pixels, _SIMPLE), Image.Resampling.LANCZOS)
    again = np.asarray(small.resize(pixels.size, Image.Resampling.BICUBIC), dtype=np.float32)
    values = np.asarray(pixels, dtype=np.float32)
    error = float(np.sqrt(((again - values) ** 2).mean()))
    return error <= _REPRODUCED * float(values.std())


def _size(pixels: Image.Image, longest: int) -> tuple[int, int]:
    """(width, height) with that longest side."""
    share = longest / max(pixels.size)
    return max(1, round(pixels.width * share)), max(1, round(pixels.height * share))


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
