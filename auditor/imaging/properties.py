"""Image properties that need no annotation: brightness, sharpness, dominant hue, camera.

Blur, compression, exposure and camera are causes of failures that no attribution map shows. The
properties are computed once, while the images are decoded, on a copy of at most 256 pixels a side, so
that small and large images are comparable and the cost does not grow with the image.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor.imaging.geometry import MEASURED_SIDE, shrink
from auditor.imaging.perceptual_hash import phash
from auditor.records.image_properties import Properties

Bytes = NDArray[np.uint8]
Counts = NDArray[np.int64]
Pixels = NDArray[np.floating]

_COLOUR_SIDE = 64
"""Longest side in pixels of the copy from which colour properties are computed."""
_BORDER = 1 / 16
"""Width of the border as a fraction of each side."""
_GREY_CHROMA = 0.06
"""Mean chroma (0 to 1) below which an image counts as grey: the eye sees no colour there."""

HUES = ("red", "yellow", "green", "cyan", "blue", "magenta")
"""Sectors of 60 degrees, centred on 0, 60, … 300 degrees."""


NEGLIGIBLE: Mapping[str, float] = {
    "brightness": 0.02,
    "contrast": 0.02,
    "sharpness": 1.0,
    "colourfulness": 3.0,
    "border_brightness": 0.02,
    "size": 1.0,
    "aspect": 0.02,
    "jpeg_quality": 2.0,
}
"""Invisible differences: a property whose middle 95 % span less than this is treated as constant."""


def measure(image: Image.Image, stored: Mapping[str, str | float]) -> tuple[Properties, str | None]:
    """Computes the properties and the perceptual hash of an image.

    Args:
        image: upright, of mode ``RGB``, or the one channel of a grey image; see `one_channel`.
        stored: metadata of its file, as returned by ``file_metadata``.

    Returns:
        The properties, and the hash as returned by ``phash``.

    Reference:
        Contrast: E. Peli, "Contrast in complex images", JOSA A 7 (1990) 2032-2040, RMS contrast.
        Sharpness: J. L. Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", ICPR
        2000, eq. 6.
    """
    small = shrink(one_channel(image), MEASURED_SIDE)
    grey = small.convert("L")
    luma = np.asarray(grey)
    quality, camera = stored.get("jpeg_quality"), stored.get("camera")
    mean, deviation = _moments(np.array(grey.histogram()))
    edge = np.bincount(luma[border(*luma.shape)], minlength=256)
    # What the functions below return for three equal channels.
    colour, main_hue, border_hue = 0.0, "grey", "grey"
    if small.mode != "L":
        colours = np.asarray(shrink(small, _COLOUR_SIDE)).transpose(2, 0, 1).astype(np.float32)
        colour, main_hue = colourfulness(colours), hue(colours.reshape(3, -1))
        border_hue = hue(colours[:, border(*colours.shape[1:])])
    return (
        Properties(
            brightness=mean / 255,
            contrast=deviation / 255,
            sharpness=sharpness(luma),
            colourfulness=colour,
            hue=main_hue,
            border_brightness=_moments(edge)[0] / 255,
            border_hue=border_hue,
            size=float(np.sqrt(image.width * image.height)),
            aspect=image.width / image.height,
            jpeg_quality=None if quality is None else float(quality),
            camera=None if camera is None else str(camera),
        ),
        phash(small),
    )


def one_channel(image: Image.Image) -> Image.Image:
    """The one channel of a grey image, of mode ``L``; any other image as it is.

    Shrinking one channel gives what shrinking three equal ones would, in a third of the time.

    Args:
        image: of mode ``RGB`` or ``L``.
    """
    if image.mode == "L":
        return image
    middle = image.crop((image.width // 2, 0, image.width // 2 + 1, image.height))
    is_grey = all(_equal_channels(part) for part in (middle, image))
    return image.getchannel("G") if is_grey else image


def _equal_channels(image: Image.Image) -> bool:
    red, green, blue = (image.getchannel(k).tobytes() for k in range(3))
    return red == green == blue


def sharpness(luma: Bytes) -> float:
    """Variance of the Laplacian: low for blurred images.

    Args:
        luma: (H, W) grey levels.

    Returns:
        The variance over the inner pixels; 0 if there are none.

    Reference:
        Pech-Pacheco et al. (2000), eq. 6, with the kernel (0 1 0; 1 -4 1; 0 1 0).
    """
    if min(luma.shape) < 3:
        return 0.0
    levels = luma.astype(np.int16)
    edges = levels[:-2, 1:-1] + levels[2:, 1:-1] + levels[1:-1, :-2] + levels[1:-1, 2:]
    edges -= 4 * levels[1:-1, 1:-1]
    values = edges.astype(np.float32).ravel()
    # Each square is at most 1020²: a float32 dot product keeps five digits, which is enough.
    return max(float(values @ values) / values.size - float(values.mean()) ** 2, 0.0)


def colourfulness(pixels: Pixels) -> float:
    """Colourfulness of an image as people perceive it.

    Args:
        pixels: (3, H, W) in 0…255.

    Returns:
        The metric M̂(3); 0 for grey images.

    Reference:
        D. Hasler and S. Süsstrunk, "Measuring colourfulness in natural images", SPIE 5007 (2003)
        87-95, eq. 6 to 8: sqrt(σ_rg² + σ_yb²) + 0.3 sqrt(μ_rg² + μ_yb²), rg = R - G,
        yb = (R + G) / 2 - B.
    """
    red, green, blue = pixels.reshape(3, -1)
    opponents = np.stack([red - green, (red + green) / 2 - blue])
    means = opponents.mean(1, keepdims=True)
    return float(np.sqrt(opponents.var(1).sum()) + 0.3 * np.sqrt((means**2).sum()))


def hue(pixels: Pixels) -> str:
    """Dominant hue of some pixels, each weighted by its chroma.

    Args:
        pixels: (3, n) in 0…255.

    Returns:
        One of ``HUES``, or ``grey`` if the mean chroma is below 0.06.

    Reference:
        Hue and chroma of the colour hexagon: A. R. Smith, "Color gamut transform pairs", SIGGRAPH
        1978.
    """
    red, green, blue = pixels
    top = np.maximum(np.maximum(red, green), blue)
    chroma = top - np.minimum(np.minimum(red, green), blue)
    if pixels.size == 0 or float(chroma.mean()) < 255 * _GREY_CHROMA:
        return "grey"
    divisor = np.maximum(chroma, 1)
    angle = np.where(
        top == red,
        (green - blue) / divisor,
        np.where(top == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    sector = np.floor(angle + 0.5).astype(np.int64) % len(HUES)
    return HUES[int(np.bincount(sector, chroma, len(HUES)).argmax())]


@lru_cache(maxsize=256)
def border(height: int, width: int) -> NDArray[np.bool_]:
    """Mask (height, width) of the outer sixteenth of each side, at least one pixel wide."""
    mask = np.ones((height, width), dtype=np.bool_)
    down, across = max(round(_BORDER * height), 1), max(round(_BORDER * width), 1)
    mask[down : height - down, across : width - across] = False
    mask.flags.writeable = False  # the cache returns the same array to every caller
    return mask


def _moments(counts: Counts) -> tuple[float, float]:
    """Mean and standard deviation of grey levels from their histogram (256,), which is exact."""
    steps = np.arange(256)
    total = max(int(counts.sum()), 1)
    mean = float(counts @ steps) / total
    return mean, max(float(counts @ steps**2) / total - mean**2, 0.0) ** 0.5
