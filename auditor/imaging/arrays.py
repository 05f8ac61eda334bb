"""Arrays as images: which axis holds the channels, and which values are black and white."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_CHANNELS = (1, 3, 4)
_FIX = "pass the original images as uint8 (H, W, 3), or as PIL images"


def image_of_array(values: NDArray[Any], *, channels_first: bool = False) -> Image.Image:
    """Converts an array to an image where its meaning is unambiguous.

    Args:
        values: grey values (H, W), or (H, W, C) or (C, H, W) with C = 1 (grey), 3 (RGB) or 4 (RGBA).
            uint8 values, signed integers in 0…255, floats in 0…1 (rounded to 8 bits), or booleans.
        channels_first: whether (C, H, W) is the usual order, where both are possible.

    Returns:
        An image of mode ``L``, ``RGB`` or ``RGBA``.

    Raises:
        ValueError: another shape, type or range; the message says what was expected, what came, and
            the fix.
    """
    return Image.fromarray(_eight_bit(_channels_last(values, channels_first=channels_first)))


def _channels_last(values: NDArray[Any], *, channels_first: bool) -> NDArray[Any]:
    """(H, W) or (H, W, 3 or 4)."""
    shape = values.shape
    wanted = "expected an image (H, W), (H, W, C) or (C, H, W) with 1, 3 or 4 channels"
    if 0 in shape or values.ndim not in (2, 3):
        fix = "pass one image per sample" if values.ndim == 4 else _FIX
        raise ValueError(f"{wanted}; got the shape {shape}: {fix}")
    if values.ndim == 2:
        return values
    first, last = shape[0] in _CHANNELS, shape[2] in _CHANNELS
    if not first and not last:
        raise ValueError(
            f"{wanted}; got the shape {shape}: choose the channels that are red, green and blue"
        )
    if first and (channels_first or not last):
        values = values.transpose(1, 2, 0)
    return values[:, :, 0] if values.shape[2] == 1 else values


def _eight_bit(values: NDArray[Any]) -> NDArray[np.uint8]:
    kind, dtype = values.dtype.kind, values.dtype
    if dtype == np.uint8:
        return np.ascontiguousarray(values)
    if kind == "b":
        return values.astype(np.uint8) * np.uint8(255)
    if kind not in "if":
        raise ValueError(f"expected values of the type uint8; got {dtype}: {_FIX}")
    low, high = float(values.min()), float(values.max())
    top = 1 if kind == "f" else 255
    if not (low >= 0 and high <= top):  # NaN, too
        fix = _FIX
        if kind == "f":
            fix = (
                "divide values of 0…255 by 255; where a transform normalises the images, remove it and "
                "state its mean and std in `preprocess`"
            )
        raise ValueError(f"expected {dtype} values in 0…{top}; got {low:.4g}…{high:.4g}: {fix}")
    return np.rint(values.astype(np.float64) * (255 / top)).astype(np.uint8)
