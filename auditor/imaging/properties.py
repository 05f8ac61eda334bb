"""What can be read off an image without anybody's annotation, and a fingerprint of how it looks.

Blur, compression, exposure or the camera are causes that no attribution map shows. They are measured
once, while the images are decoded, on a copy of at most 256 pixels a side: the numbers of large and
small images can be compared, and the cost does not grow with the image. NumPy and Pillow only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from auditor.records.image_properties import Properties

Bytes = NDArray[np.uint8]
Shades = NDArray[np.floating]

SIDE = 256
"""Longest side in pixels of the copy that is measured; smaller images keep their size."""
_COARSE = 64
"""Longest side for what concerns colours alone."""
_BORDER = 1 / 16
"""Width of the border as a part of each side."""
_GREY = 0.06
"""Mean chroma (0 to 1) below which an image has no hue: less than the eye calls coloured."""
_FLAT = 1e-6
"""Spread of an image (in grey levels) below which no pattern is there to be fingerprinted."""

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
"""Differences that nobody would see; data whose middle 95 % differ by less has only one value."""


def measure(image: Image.Image, stored: Mapping[str, str | float]) -> tuple[Properties, str | None]:
    """Measures an image.

    Args:
        image: upright, of mode ``RGB``.
        stored: what its file says, as :func:`said_by_file` returns it.

    Returns:
        The properties, and the fingerprint of :func:`phash`.

    Reference:
        Contrast: E. Peli, "Contrast in complex images", JOSA A 7 (1990) 2032-2040, RMS contrast.
        Sharpness: J. L. Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", ICPR
        2000, eq. 6.
    """
    small = _bounded(image, SIDE)
    luma = np.asarray(small.convert("L"))
    coarse = np.asarray(_bounded(small, _COARSE)).transpose(2, 0, 1).astype(np.float32)
    edge = border(*coarse.shape[1:])
    quality, camera = stored.get("jpeg_quality"), stored.get("camera")
    mean, deviation = _moments(luma)
    shades = luma[border(*luma.shape)]
    return (
        Properties(
            brightness=mean / 255,
            contrast=deviation / 255,
            sharpness=sharpness(luma),
            colourfulness=colourfulness(coarse),
            hue=hue(coarse.reshape(3, -1)),
            border_brightness=_moments(shades)[0] / 255,
            border_hue=hue(coarse[:, edge]),
            size=float(np.sqrt(image.width * image.height)),
            aspect=image.width / image.height,
            jpeg_quality=None if quality is None else float(quality),
            camera=None if camera is None else str(camera),
        ),
        phash(small),
    )


def sharpness(luma: Bytes) -> float:
    """Variance of the Laplacian: low for blurred images.

    Args:
        luma: (H, W) grey levels.

    Returns:
        The variance over the inner pixels; 0 where there are none.

    Reference:
        Pech-Pacheco et al. (2000), eq. 6, with the kernel (0 1 0; 1 -4 1; 0 1 0).
    """
    if min(luma.shape) < 3:
        return 0.0
    levels = luma.astype(np.int16)
    edges = levels[:-2, 1:-1] + levels[2:, 1:-1] + levels[1:-1, :-2] + levels[1:-1, 2:]
    edges -= 4 * levels[1:-1, 1:-1]
    values = edges.astype(np.float32).ravel()
    # At most 1020² a pixel: float32 dot products keep five digits, which is plenty.
    return max(float(values @ values) / values.size - float(values.mean()) ** 2, 0.0)


def colourfulness(pixels: Shades) -> float:
    """How colourful an image looks.

    Args:
        pixels: (3, H, W) in 0…255.

    Returns:
        The metric M̂(3), 0 for grey images.

    Reference:
        D. Hasler and S. Süsstrunk, "Measuring colourfulness in natural images", SPIE 5007 (2003)
        87-95, eq. 6 to 8: sqrt(σ_rg² + σ_yb²) + 0.3 sqrt(μ_rg² + μ_yb²), rg = R - G,
        yb = (R + G) / 2 - B.
    """
    red, green, blue = pixels.reshape(3, -1)
    opponents = np.stack([red - green, (red + green) / 2 - blue])
    centres = opponents.mean(1, keepdims=True)
    return float(np.sqrt(opponents.var(1).sum()) + 0.3 * np.sqrt((centres**2).sum()))


def hue(pixels: Shades) -> str:
    """The dominant hue of some pixels, each weighted by its chroma.

    Args:
        pixels: (3, n) in 0…255.

    Returns:
        One of ``HUES``, or ``grey`` where the mean chroma is below 0.06.

    Reference:
        Hue and chroma of the colour hexagon: A. R. Smith, "Color gamut transform pairs", SIGGRAPH
        1978.
    """
    red, green, blue = pixels
    top = np.maximum(np.maximum(red, green), blue)
    chroma = top - np.minimum(np.minimum(red, green), blue)
    if pixels.size == 0 or float(chroma.mean()) < 255 * _GREY:
        return "grey"
    some = np.maximum(chroma, 1)
    angle = np.where(
        top == red,
        (green - blue) / some,
        np.where(top == green, 2 + (blue - red) / some, 4 + (red - green) / some),
    )
    sector = np.floor(angle + 0.5).astype(np.int64) % len(HUES)
    return HUES[int(np.bincount(sector, chroma, len(HUES)).argmax())]


@lru_cache(maxsize=256)
def border(height: int, width: int) -> NDArray[np.bool_]:
    """Where the outer sixteenth of each side is (at least one pixel), (height, width)."""
    inside = np.ones((height, width), dtype=np.bool_)
    down, across = max(round(_BORDER * height), 1), max(round(_BORDER * width), 1)
    inside[down : height - down, across : width - across] = False
    inside.flags.writeable = False  # one array serves every caller
    return inside


# What a file says of its making -----------------------------------------------------------------


def said_by_file(image: Image.Image) -> dict[str, str | float]:
    """Quality and camera of an opened image file.

    Args:
        image: as opened, before it is turned or converted.

    Returns:
        ``jpeg_quality`` and ``camera``, where the file tells them.
    """
    said: dict[str, str | float] = {}
    tables: Mapping[int, Sequence[int]] | None = getattr(image, "quantization", None)
    if tables:
        said["jpeg_quality"] = jpeg_quality(tuple(tables[min(tables)]))
    camera = _camera(image.getexif())
    if camera:
        said["camera"] = camera
    return said


@lru_cache(maxsize=1024)
def jpeg_quality(table: tuple[int, ...]) -> float:
    """The quality setting whose luminance table is nearest to the given one.

    Args:
        table: 64 quantisation steps, row by row.

    Returns:
        1 to 100: exact for files of libjpeg and what is built on it, an equivalent for others; the
        highest where several are as near.

    Reference:
        ITU-T T.81 (1992), table K.1, scaled as the Independent JPEG Group's ``jpeg_quality_scaling``
        does: 5000 / q below 50, else 200 - 2 q percent.
    """
    if len(table) != len(_LUMINANCE):
        return 100.0
    quality = np.arange(100, 0, -1)
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)[:, None]
    steps = np.clip((np.array(_LUMINANCE) * scale + 50) // 100, 1, 255)
    return float(quality[np.abs(steps - np.array(table)).sum(1).argmin()])


def _camera(exif: Mapping[int, Any]) -> str:
    """Maker and model; makers who repeat themselves in the model are named once."""
    maker, model = (
        str(exif.get(tag) or "").strip("\0 ") for tag in (ExifTags.Base.Make, ExifTags.Base.Model)
    )
    return model if model.lower().startswith(maker.lower()) else f"{maker} {model}".strip()


# fmt: off
_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61,
    12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77,
    24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
)
# fmt: on


# How an image looks ----------------------------------------------------------------------------

_HASHED = 32
_KEPT = 8


def phash(image: Image.Image) -> str | None:
    """A fingerprint that resizing, compression and small changes of tone leave nearly as it is.

    Args:
        image: of mode ``RGB`` or ``L``.

    Returns:
        64 bits as 16 hexadecimal digits; None for an image of one shade, which looks like nothing.

    Reference:
        C. Zauner, "Implementation and benchmarking of perceptual image hash functions" (2010),
        section 3.2.1: signs of the 8 × 8 lowest cosine coefficients, without the constant row and
        column, against their median.
    """
    small = _bounded(image, SIDE).convert("L").resize((_HASHED, _HASHED), Image.Resampling.BOX)
    levels = np.asarray(small, dtype=np.float32)
    if float(levels.std()) < _FLAT:
        return None
    cosines = _cosines()
    waves = (cosines @ levels @ cosines.T).ravel()
    return np.packbits(waves > np.median(waves)).tobytes().hex()


@lru_cache(maxsize=1)
def _cosines() -> NDArray[np.float32]:
    """Rows 1 to 8 of the cosine transform of 32 values, (8, 32)."""
    places = (np.arange(_HASHED) + 0.5) * np.pi / _HASHED
    return np.cos(np.arange(1, _KEPT + 1)[:, None] * places).astype(np.float32)


def _bounded(image: Image.Image, side: int) -> Image.Image:
    scale = side / max(image.size)
    if scale >= 1:
        return image
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    return image.resize(size, Image.Resampling.BOX, reducing_gap=1.0)


def _moments(levels: Bytes) -> tuple[float, float]:
    """Mean and standard deviation of grey levels."""
    # A histogram of bytes is exact and needs no copy as floats.
    counts = np.bincount(levels.ravel(), minlength=256)
    steps = np.arange(256)
    total = max(int(counts.sum()), 1)
    mean = float(counts @ steps) / total
    return mean, max(float(counts @ steps**2) / total - mean**2, 0.0) ** 0.5
