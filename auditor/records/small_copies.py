"""What checks need of images in little memory, kept so that each image is decoded once for all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from auditor.records.image_properties import Properties

MOST_KEPT = 10_000
"""Images of which copies are kept; they take 50 MB."""


class Detail(IntEnum):
    """What is known of an image; each includes those before it."""

    COPIES = 0
    FINGERPRINT = 1
    PROPERTIES = 2


@dataclass(frozen=True, slots=True)
class SmallCopy:
    """An image in little memory.

    Attributes:
        sha256: fingerprint of its file.
        grey: (64, 64) grey levels, uint8.
        thumbnail: (8, 8, 3) colours, uint8.
        detail: which of the following are known.
        phash: perceptual fingerprint; None for an image of one shade.
        properties: brightness, sharpness, and so on.
    """

    sha256: str
    grey: NDArray[np.uint8]
    thumbnail: NDArray[np.uint8]
    detail: Detail
    phash: str | None = None
    properties: Properties | None = None


@dataclass(frozen=True)
class KeptCopies:
    """Small copies by the position of their image; None for an unreadable one.

    Results must not depend on it: it saves work, and its content is what would be computed again.
    """

    by_row: dict[int, SmallCopy | None] = field(default_factory=dict, repr=False)

    def knows(self, row: int, detail: Detail) -> bool:
        """Whether that much of an image is known."""
        if row not in self.by_row:
            return False
        copy = self.by_row[row]
        return copy is None or copy.detail >= detail

    @property
    def room(self) -> int:
        """How many more copies are kept."""
        return max(MOST_KEPT - len(self.by_row), 0)

    def add(self, row: int, copy: SmallCopy | None) -> None:
        """Keeps a copy, if there is room."""
        if row in self.by_row or self.room:
            self.by_row[row] = copy
