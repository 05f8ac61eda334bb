"""Images of single objects, cut out of larger images."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.datasets.images import FileImages
from auditor.errors import UnreadableImageError
from auditor.imaging import Box
from auditor.records import DecodedImage

Part = tuple[int, int, int, int]
"""``(left, top, right, bottom)`` in pixels."""


def part_with_margin(box: Box, margin: float, width: int, height: int) -> Part | None:
    """The pixels of a box and around it, as far as the image reaches.

    Args:
        box: ``(x0, y0, x1, y1)`` in pixels.
        margin: on each side, as a share of the box's longer side.
        width: of the image in pixels.
        height: the same.

    Returns:
        None where the box does not overlap the image.
    """
    x0, y0, x1, y1 = box
    if x0 >= width or y0 >= height or x1 <= 0 or y1 <= 0:
        return None
    around = margin * max(x1 - x0, y1 - y0)
    return (
        max(0, math.floor(x0 - around)),
        max(0, math.floor(y0 - around)),
        min(width, math.ceil(x1 + around)),
        min(height, math.ceil(y1 + around)),
    )


@dataclass(frozen=True)
class ImageParts:
    """Parts of image files.

    Attributes:
        files: one file per part; files may repeat.
        sizes: (n, 2) width and height of each file's image, as annotated, int64; 0: not known.
        boxes: (n, 4) ``x0, y0, x1, y1`` in pixels, float64.
        margin: see `part_with_margin`.
    """

    files: FileImages
    sizes: NDArray[np.int64]
    boxes: NDArray[np.float64]
    margin: float

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> DecodedImage:
        """Decodes the file and cuts the part out.

        Raises:
            UnreadableImageError: the file can't be decoded, its image does not have the annotated size, or
                the box lies outside of it.
        """
        decoded = self.files[index]
        image = decoded.image
        annotated = tuple(self.sizes[index].tolist())
        if 0 not in annotated and annotated != image.size:
            raise UnreadableImageError(
                "unreadable",
                f"expected the annotated {annotated[0]} × {annotated[1]} pixels; the image has "
                f"{image.width} × {image.height}",
            )
        x0, y0, x1, y1 = self.boxes[index].tolist()
        part = part_with_margin((x0, y0, x1, y1), self.margin, *image.size)
        if part is None:
            raise UnreadableImageError("unreadable", "the box lies outside of the image")
        cut = image.crop(part)
        # Of the pixels: two objects of one file are not copies of each other.
        digest = hashlib.sha256(f"{cut.size}".encode() + cut.tobytes()).hexdigest()
        return DecodedImage(cut, digest, decoded.stored)
