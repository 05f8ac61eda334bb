"""Drawing maps over images.

Blending uses look-up tables: a figure made by a plotting library takes a hundred times as long.
"""

from __future__ import annotations

import io
import math
import os
import sys
from contextlib import suppress
from functools import lru_cache
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_COLUMNS = 16
"""So many values in a row where the largest values of an array are searched."""


def overlay(
    image: NDArray[np.uint8],
    cam: NDArray[np.floating],
    *,
    peak: float | None = None,
    opacity: float = 0.7,
) -> NDArray[np.uint8]:
    """Draws a class activation map over an image.

    The colours are viridis: perceptually uniform, and readable with any colour vision. Opacity grows
    with the value, so that the image stays visible where the map is low. Negative values are drawn
    as 0.

    Args:
        image: (H, W, 3), uint8.
        cam: (h, w), unnormalised; upsampled bilinearly to (H, W).
        peak: value drawn in the brightest colour; None: the map's largest. A common peak makes maps
            comparable with each other.
        opacity: opacity at the peak, 0…1.

    Returns:
        (H, W, 3), uint8; an unchanged copy if no value is above 0.

    Raises:
        ValueError: the map contains a value that is not finite, or the opacity is out of range.
    """
    _require_finite(cam)
    if not 0 <= opacity <= 1:
        raise ValueError(f"expected an opacity in 0…1; got {opacity}")
    highest = float(cam.max()) if peak is None else peak
    if highest <= 0:
        return image.copy()
    shown = upsample(cam, image.shape[0], image.shape[1])
    shown /= np.float32(highest)  # first, because 255 / highest may overflow
    shown *= np.float32(255)
    steps = Image.fromarray(np.clip(shown, 0, 255, out=shown).astype(np.uint8))
    alpha = steps.point(_opacities(opacity))
    steps.putpalette(_viridis())
    # Pillow's palette look-up and blend take half the time of NumPy's.
    drawn = Image.composite(steps.convert("RGB"), Image.fromarray(image), alpha)
    return np.asarray(drawn)


def upsample(cam: NDArray[np.floating], height: int, width: int) -> NDArray[np.float32]:
    """Enlarges a map bilinearly, with pixel centres aligned (``align_corners=False``).

    Args:
        cam: (h, w).
        height: height of the result.
        width: width of the result.

    Returns:
        (height, width), float32, not normalised.
    """
    rows = _bilinear(cam.shape[0], height)
    columns = _bilinear(cam.shape[1], width)
    result: NDArray[np.float32] = rows @ cam.astype(np.float32, copy=False) @ columns.T
    return result


def guided_view(relevance: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Draws a signed map of gradients: grey is 0, brighter is positive, darker is negative.

    The 99.9 % quantile of the absolute values is drawn black or white: scaled by the maximum, a
    single outlier would leave the rest grey.

    Args:
        relevance: (3, H, W), signed.

    Returns:
        (H, W, 3), uint8; all grey if the map is 0 everywhere.

    Raises:
        ValueError: the map contains a value that is not finite.
    """
    _require_finite(relevance)
    sizes = np.abs(relevance).ravel()
    # The largest value among the smallest 99.9 %, so at least one and at most all values are as large.
    scale = _largest(sizes, sizes.size - math.ceil(0.999 * sizes.size) + 1)
    scale = scale or float(sizes.max())
    grey = np.full((*relevance.shape[1:], len(relevance)), 128, np.uint8)
    if scale > 0:
        levels = relevance / scale
        np.clip(levels, -1, 1, out=levels)
        levels *= 127
        levels += 128
        np.rint(levels, out=levels)
        for channel, values in enumerate(levels):  # twice as fast as copying a transposed array
            grey[..., channel] = values
    return grey


def jpeg(image: NDArray[np.uint8], quality: int = 85) -> bytes:
    """Encodes an image.

    Args:
        image: (H, W, 3) or (H, W), uint8.
        quality: 1…95.

    Returns:
        The bytes of a baseline JPEG file.
    """
    with _file_in_memory() as stream:
        Image.fromarray(image).save(stream, "JPEG", quality=quality)
        stream.seek(0)
        return stream.read()


def _file_in_memory() -> IO[bytes]:
    """A file with a descriptor where the system has such files in memory.

    Pillow's encoder releases the interpreter lock only when it writes to a descriptor.
    """
    if sys.platform == "linux":
        with suppress(OSError):  # a sandbox may forbid it
            return os.fdopen(os.memfd_create("jpeg"), "w+b", buffering=0)
    return io.BytesIO()


def _largest(values: NDArray[np.floating], rank: int) -> float:
    """The value of some rank from the top; 1 is the largest."""
    # At least so many values are as large as the one of that rank among the largest of each row.
    rows = values.size // _COLUMNS
    if rows > rank:
        highest = values[: rows * _COLUMNS].reshape(_COLUMNS, rows).max(0)
        bound = np.partition(highest, rows - rank)[rows - rank]
        values = values[values >= bound]
    return float(np.partition(values, values.size - rank)[values.size - rank])


def _require_finite(values: NDArray[np.floating]) -> None:
    if not np.isfinite(values).all():
        raise ValueError("expected a map of finite values; got NaN or infinity")


@lru_cache(maxsize=64)
def _bilinear(before: int, after: int) -> NDArray[np.float32]:
    """Weights (after, before) of linear interpolation along one axis, with edges repeated."""
    positions = np.clip((np.arange(after) + 0.5) * (before / after) - 0.5, 0, before - 1)
    lower = np.floor(positions).astype(np.int64)
    upper = np.minimum(lower + 1, before - 1)
    fraction = positions - lower
    weights = np.zeros((after, before), np.float64)
    np.add.at(weights, (np.arange(after), lower), 1 - fraction)
    np.add.at(weights, (np.arange(after), upper), fraction)
    result = weights.astype(np.float32)
    result.flags.writeable = False  # the cache returns the same array to every caller
    return result


@lru_cache(maxsize=4)
def _opacities(peak: float) -> list[int]:
    """Opacity of each of 256 values, 0…255."""
    return [round(255 * peak * step / 255) for step in range(256)]


@lru_cache(maxsize=1)
def _viridis() -> bytes:
    """Palette of 256 colours, three bytes each."""
    from matplotlib import colormaps

    colours = np.asarray(colormaps["viridis"](np.arange(256)))[:, :3] * 255
    return bytes(np.rint(colours).astype(np.uint8).tobytes())
