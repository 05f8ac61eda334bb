"""Small images in every format and mode that is decoded, as seeds."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageCms, features

_MODES = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F", "LAB"),
    "GIF": ("L", "P"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
    "DIB": ("RGB",),
    "WEBP": ("RGB", "RGBA"),
    "PPM": ("1", "L", "RGB", "I;16"),
    "TGA": ("L", "P", "RGB", "RGBA"),
    "SGI": ("L", "RGB", "RGBA"),
    "PCX": ("1", "L", "P", "RGB"),
    "ICO": ("RGBA",),
    "QOI": ("RGB", "RGBA"),
    "JPEG2000": ("L", "RGB", "RGBA"),
    "AVIF": ("RGB",),
}


def coloured(mode: str, side: int = 7) -> Image.Image:
    """A small image of a mode with different pixels."""
    values = np.random.default_rng(3).integers(0, 256, (side, side + 2, 3), dtype=np.uint8)
    image = Image.fromarray(values)
    if mode == "I;16":
        return Image.fromarray(values[..., 0].astype(np.uint16) * 257)
    if mode == "LAB":
        return ImageCms.applyTransform(  # type: ignore[return-value]
            image,
            ImageCms.buildTransform(
                ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
            ),
        )
    if mode == "F":
        return Image.fromarray(values[..., 0].astype(np.float32) / 255)
    return image.convert(mode)


def stored(image: Image.Image, kind: str, **options: Any) -> bytes:
    """An image as the bytes of a file."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def files() -> Iterator[bytes]:
    """One file for each format and mode, and files with metadata, frames and other compressions."""
    Image.init()
    for kind, modes in _MODES.items():
        if kind in Image.SAVE and (kind != "AVIF" or features.check("avif")):
            for mode in modes:
                yield stored(coloured(mode), kind)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Make] = 6, "Maker"
    exif[ExifTags.Base.Model] = "Model"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image, frames = coloured("RGB"), [coloured("RGB", 7), coloured("RGB", 7).rotate(90)]
    for kind in ("JPEG", "PNG", "TIFF", "WEBP"):
        yield stored(image, kind, exif=exif)
        yield stored(image, kind, icc_profile=profile)
    for kind in ("GIF", "PNG", "TIFF", "WEBP"):
        yield stored(frames[0], kind, save_all=True, append_images=frames[1:])
    yield stored(image, "JPEG", progressive=True, subsampling=2, quality=20, comment=b"text")
    yield stored(image, "PNG", optimize=True, transparency=(1, 2, 3))
    yield stored(coloured("P"), "GIF", transparency=3, interlace=1)
    yield stored(image, "MPO", save_all=True, append_images=[coloured("RGB")])
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        yield stored(image, "TIFF", compression=compression)
    for compression in ("group3", "group4"):
        yield stored(coloured("1"), "TIFF", compression=compression)
    yield stored(image, "TGA", compression="tga_rle")
    yield stored(image, "TIFF", big_tiff=True)
