"""Images that are made when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from PIL import Image

from auditor.records import Dataset, DecodedImage


@dataclass(frozen=True)
class GreyImages:
    """Uniform images whose grey level is their position.

    Attributes:
        count: number of images.
        side: in pixels.
    """

    count: int
    side: int = 64

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> DecodedImage:
        return DecodedImage(Image.new("RGB", (self.side,) * 2, (index % 256,) * 3), str(index))


def grey_images(count: int, side: int = 64) -> Dataset:
    """A data set of uniform images, all of one class."""
    names = [f"{k}.png" for k in range(count)]
    samples = pd.DataFrame({"path": names, "label": 0}, index=names)
    return Dataset(samples, GreyImages(count, side), (), "test")
