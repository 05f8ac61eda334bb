"""Metadata of an image file: JPEG quality setting and camera."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import ExifTags, Image


def file_metadata(image: Image.Image) -> dict[str, str | float]:
    """Reads the JPEG quality and the camera of an opened image file.

    Args:
        image: as opened, before it is rotated or converted.

    Returns:
        ``jpeg_quality`` and ``camera``, each only if the file contains it.
    """
    found: dict[str, str | float] = {}
    tables: Mapping[int, Sequence[int]] | None = getattr(image, "quantization", None)
    if tables:
        found["jpeg_quality"] = jpeg_quality(tuple(tables[min(tables)]))
    camera = _camera(image.getexif())
    if camera:
        found["camera"] = camera
    return found


@lru_cache(maxsize=1024)
def jpeg_quality(table: tuple[int, ...]) -> float:
    """Quality setting whose luminance quantisation table is closest to the given one.

    Args:
        table: 64 quantisation steps, row by row.

    Returns:
        1 to 100: exact for files written by libjpeg and its derivatives, an equivalent for others;
        the highest of several that are equally close.

    Reference:
        ITU-T T.81 (1992), table K.1, scaled as in the Independent JPEG Group's
        ``jpeg_quality_scaling``: 5000 / q percent below 50, else 200 - 2 q percent.
    """
    if len(table) != len(_LUMINANCE):
        return 100.0
    quality = np.arange(100, 0, -1)
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)[:, None]
    steps = np.clip((np.array(_LUMINANCE) * scale + 50) // 100, 1, 255)
    return float(quality[np.abs(steps - np.array(table)).sum(1).argmin()])


def _camera(exif: Mapping[int, Any]) -> str:
    """Maker and model; the maker is left out if the model starts with it."""
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
