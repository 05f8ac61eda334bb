"""Image files: bytes become an upright image, or an error with a reason."""

from __future__ import annotations

import contextlib
import zlib
from pathlib import Path

from PIL import Image

from auditor.errors import UnreadableImageError
from auditor.imaging import image_size
from auditor.imaging.decode import decode_here
from auditor.imaging.masks import mask_here
from fuzz import pixels
from fuzz.target import BrokenPromiseError, Reader, Target

_MOST_PIXELS = 1 << 20
"""Instead of Pillow's 89 million, so that an input at the limit takes milliseconds."""


def _open(folder: Path) -> Reader:
    Image.MAX_IMAGE_PIXELS = _MOST_PIXELS
    path = folder / "image"

    def read(data: bytes) -> None:
        if zlib.crc32(data) % 4 == 0:  # masks are decoded by the same code
            with contextlib.suppress(UnreadableImageError):
                mask_here(data)
        image = decode_here(data)
        if image.mode != "RGB" or image.width * image.height > _MOST_PIXELS or not all(image.size):
            raise BrokenPromiseError(f"an image of mode {image.mode} and size {image.size}")
        path.write_bytes(data)
        size = image_size(path)
        if size != image.size:
            raise BrokenPromiseError(f"image_size says {size}; the image has {image.size}")

    return read


TARGET = Target(
    name="images",
    about="an image file → `decode_here`, `image_size`, `mask_here`",
    open=_open,
    seeds=pixels.files,
    allowed=(UnreadableImageError,),
    longest=4096,
    megabytes=120,
)
