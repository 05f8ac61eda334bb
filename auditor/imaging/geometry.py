"""From the image to the network's input: resize, crop, and where the pixels end up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]
Size = int | tuple[int, int]
Box = tuple[float, float, float, float]

_RESAMPLING: dict[Interpolation, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

MEASURED_SIDE = 256
"""Longest side in pixels of the copy from which properties and perceptual hashes are computed."""


@dataclass(frozen=True)
class Geometry:
    """Where the pixels of an image lie in the network's input.

    Attributes:
        source: (width, height) of the upright image.
        resized: (width, height) after the resize, before the crop.
        left: columns cropped at the left; negative if columns were added.
        top: rows cropped at the top; negative if rows were added.
        width: width of the network's input.
        height: height of the network's input.
    """

    source: tuple[int, int]
    resized: tuple[int, int]
    left: int
    top: int
    width: int
    height: int

    def box(self, box: Box) -> Box | None:
        """Maps a box in pixels of the upright image to pixels of the network's input.

        Args:
            box: ``(x0, y0, x1, y1)``, pixel edges.

        Returns:
            The part of it that the network sees, or None if it sees nothing of it.
        """
        across = self.resized[0] / self.source[0]
        down = self.resized[1] / self.source[1]
        x0, x1 = (min(max(x * across - self.left, 0.0), self.width) for x in (box[0], box[2]))
        y0, y1 = (min(max(y * down - self.top, 0.0), self.height) for y in (box[1], box[3]))
        return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def resize_geometry(width: int, height: int, resize: Size | None, crop: Size | None) -> Geometry:
    """Computes how an image is brought to the network's input size.

    The sizes and offsets are those of torchvision's ``Resize`` and ``CenterCrop``.

    Args:
        width: width of the upright image in pixels.
        height: height of the upright image in pixels.
        resize: length of the shorter side, or (height, width); None keeps the size.
        crop: side of a centred square, or (height, width); None crops nothing.

    Returns:
        The mapping.
    """
    if resize is None:
        resized = (width, height)
    elif isinstance(resize, tuple):
        resized = (resize[1], resize[0])
    elif width <= height:
        resized = (resize, int(resize * height / width))
    else:
        resized = (int(resize * width / height), resize)
    if crop is None:
        return Geometry((width, height), resized, 0, 0, *resized)
    rows, columns = crop if isinstance(crop, tuple) else (crop, crop)
    return Geometry(
        source=(width, height),
        resized=resized,
        left=_offset(resized[0], columns),
        top=_offset(resized[1], rows),
        width=columns,
        height=rows,
    )


def _offset(length: int, window: int) -> int:
    """Start of a centred window; negative if the window is longer than the side."""
    return -((window - length) // 2) if window > length else round((length - window) / 2)


def prepare(
    image: Image.Image,
    resize: Size | None,
    crop: Size | None,
    interpolation: Interpolation = "bilinear",
) -> NDArray[np.uint8]:
    """Brings an image to the network's input size.

    Pixel by pixel the same as torchvision's ``Resize`` (antialiased) and ``CenterCrop`` on a Pillow
    image. A crop that is larger than the image is padded with black.

    Args:
        image: an image of mode ``RGB``.
        resize: length of the shorter side, or (height, width); None keeps the size.
        crop: side of a centred square, or (height, width); None crops nothing.
        interpolation: interpolation of the resize.

    Returns:
        (3, H, W), uint8, contiguous.
    """
    view = resize_geometry(image.width, image.height, resize, crop)
    if view.resized != image.size:
        image = image.resize(view.resized, _RESAMPLING[interpolation])
    if (view.width, view.height) != image.size:
        image = image.crop((view.left, view.top, view.left + view.width, view.top + view.height))
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


def shrink(image: Image.Image, side: int) -> Image.Image:
    """Shrinks an image by area averaging, keeping its proportions.

    Args:
        image: an image of mode ``RGB`` or ``L``.
        side: longest side of the result in pixels.

    Returns:
        The smaller image; the same object if it was not larger than that.
    """
    scale = side / max(image.size)
    if scale >= 1:
        return image
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    return image.resize(size, Image.Resampling.BOX, reducing_gap=1.0)
