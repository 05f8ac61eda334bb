"""The one place where Pillow opens bytes: only raster formats are decoded.

Pillow recognises a format by content, whatever a file's name. Some of its formats are programs: EPS is
PostScript, which Ghostscript executes. Others are rarely used and hardly tested. None of them is tried.
"""

from __future__ import annotations

from typing import IO

from PIL import Image

from auditor.imaging.decode_limit import LimitedStream

STORED = ("JPEG",)
"""The format of the images in a run folder."""

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
