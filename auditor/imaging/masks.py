"""Masks: which pixels of an image belong to the object."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor.imaging import decoder_process
from auditor.imaging.decode import (
    decode_unconverted,
    needs_a_limit,
    read_image_file,
    translate_decoding_errors,
)

_LOSSY = frozenset({"JPEG", "MPO"})
"""Formats whose compression changes a black pixel to nearly black."""
_NUMBERS = ("1", "L", "I", "F")


def open_mask(path: Path) -> NDArray[np.bool_]:
    """Reads a mask.

    Every pixel that is not 0 (not black) is inside, whatever its value: 255, 1, or the number of an
    instance. In a JPEG file, these are the pixels above half of the largest value. In an image with
    transparent pixels, these are outside.

    Args:
        path: an image file; only the first frame is read.

    Returns:
        (height, width) of the upright image, True inside.

    Raises:
        UnreadableImageError: as for `open_image`.
    """
    data = read_image_file(path)
    return decoder_process.decode_mask(data) if needs_a_limit(data) else mask_here(data)


def mask_here(data: bytes) -> NDArray[np.bool_]:
    """Decodes the bytes of a mask in this process.

    Raises:
        UnreadableImageError: as for `open_image`.
    """
    image = decode_unconverted(data)
    with translate_decoding_errors():
        values = _values(image)
        threshold = values.max(initial=0) / 2 if image.format in _LOSSY else 0
        inside: NDArray[np.bool_] = values > threshold
        return inside


def _values(image: Image.Image) -> NDArray[np.float64]:
    """(height, width) at least 0; 0 outside."""
    if image.mode.startswith(_NUMBERS) and "transparency" not in image.info and image.mode != "LA":
        return np.abs(np.nan_to_num(np.asarray(image).astype(np.float64)))
    if image.has_transparency_data:
        pixels = np.asarray(image.convert("RGBA")).astype(np.float64)
        colour, opacity = pixels[..., :3].max(2), pixels[..., 3]
        return opacity * (colour > 0) if ((opacity > 0) & (colour > 0)).any() else opacity
    colours = np.asarray(image.convert("RGB")).astype(np.float64)
    return np.asarray(colours.max(2), dtype=np.float64)
