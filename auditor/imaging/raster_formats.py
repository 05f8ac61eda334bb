"""The one place where Pillow opens bytes: only raster formats are decoded.

Pillow recognises a format by content, whatever a file's name. Some of its formats are programs: EPS is
PostScript, which Ghostscript executes. Others are rarely used and hardly tested. None of them is tried.
"""

from __future__ import annotations

import warnings
from typing import IO

from PIL import Image

from auditor.imaging.decode_limit import LimitedStream

_STORED = ("JPEG",)
"""The format of the images in a run folder."""
_MOST_STORED = 1 << 26
"""Pixels of such an image: it has the size of a network's input, or less."""

_RASTER = (
    "AVIF",
    "BMP",
    "DIB",
    "GIF",
    "HEIF",
    "ICO",
    "JPEG",
    "JPEG2000",
    "PCX",
    "PNG",
    "PPM",
    "QOI",
    "SGI",
    "TGA",
    "TIFF",
    "WEBP",
)


def raster_formats() -> tuple[str, ...]:
    """Names of the formats that are decoded: those above that this installation of Pillow can read."""
    Image.init()
    return tuple(name for name in _RASTER if name in Image.OPEN)


def open_raster(source: bytes | IO[bytes], formats: tuple[str, ...] = ()) -> Image.Image:
    """Identifies an image without decoding it.

    Args:
        source: the bytes of an image file, or a stream of them.
        formats: the only formats to try; empty: all raster formats.

    Raises:
        PIL.UnidentifiedImageError: it is in none of the formats.
        UnreadableImageError: it takes too long.
    """
    stream = LimitedStream(source) if isinstance(source, bytes) else source
    return Image.open(stream, formats=formats or raster_formats())


def open_stored(jpeg: bytes) -> Image.Image:
    """Identifies an image of a run folder without decoding it.

    Raises:
        PIL.UnidentifiedImageError: it is no JPEG.
        ValueError: it states more pixels than a network's input has.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = open_raster(jpeg, _STORED)
    except Image.DecompressionBombError as error:
        raise ValueError(str(error)) from error
    if image.width * image.height > _MOST_STORED:
        raise ValueError(
            f"expected at most {_MOST_STORED} pixels; got {image.width} × {image.height}"
        )
    return image
