"""Masks in annotation files: polygons and run lengths, as COCO writes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class AnnotatedMask:
    """The mask of one object, not yet drawn.

    Attributes:
        width: of the image in which it was annotated, in pixels.
        height: the same.
        polygons: corners ``(x0, y0, x1, y1, …)`` of each part, in pixels.
        runs: lengths of runs of pixels outside and inside in turn, column by column; empty for polygons.
        part: ``(left, top, right, bottom)`` of the part of the image that the sample shows; None: all.
    """

    width: int
    height: int
    polygons: tuple[tuple[float, ...], ...] = ()
    runs: tuple[int, ...] = ()
    part: tuple[int, int, int, int] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the sample, without drawing anything: an annotation may state any size."""
        if self.part is None:
            return self.height, self.width
        left, top, right, bottom = self.part
        return bottom - top, right - left

    def draw(self) -> NDArray[np.bool_]:
        """(height, width) of the sample, True on the object."""
        whole = self._of_runs() if self.runs else self._of_polygons()
        if self.part is None:
            return whole
        left, top, right, bottom = self.part
        return whole[top:bottom, left:right]

    def _of_polygons(self) -> NDArray[np.bool_]:
        whole = np.zeros((self.height, self.width), dtype=np.bool_)
        for corners in self.polygons:
            whole |= fill_polygon(np.reshape(corners, (-1, 2)), self.width, self.height)
        return whole

    def _of_runs(self) -> NDArray[np.bool_]:
        values = np.arange(len(self.runs)) % 2 == 1
        pixels: NDArray[np.bool_] = np.repeat(values, self.runs)
        return pixels.reshape(self.width, self.height).T


def fill_polygon(corners: NDArray[np.float64], width: int, height: int) -> NDArray[np.bool_]:
    """The pixels whose centres lie inside of a polygon, by the even-odd rule.

    Args:
        corners: (n, 2) x and y in pixels, from the image's upper left corner.
        width: of the image.
        height: the same.

    Returns:
        (height, width).
    """
    centres = np.arange(height) + 0.5
    start, end = corners, np.roll(corners, -1, axis=0)
    # Each edge changes the side of all pixels to the right of where it crosses their row.
    low, high = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
    edges, rows = np.nonzero((low[:, None] <= centres) & (centres < high[:, None]))
    (x0, y0), (x1, y1) = start[edges].T, end[edges].T
    crossing = x0 + (centres[rows] - y0) * (x1 - x0) / (y1 - y0)
    columns = np.clip(np.ceil(crossing - 0.5), 0, width).astype(np.int64)
    changes = np.zeros((height, width + 1), dtype=np.int64)
    np.add.at(changes, (rows, columns), 1)
    inside: NDArray[np.bool_] = changes.cumsum(axis=1)[:, :width] % 2 == 1
    return inside


def decode_runs(text: str) -> list[int]:
    """Run lengths from COCO's compressed text.

    Each number takes groups of five bits, the lowest first, in characters from ``0`` on; the sixth bit says
    that another group follows, and the highest bit of the last group is the sign. From the fourth number on,
    they are differences to the number two before.

    Raises:
        ValueError: the text ends within a number, or has other characters.
    """
    runs: list[int] = []
    value, shift = 0, 0
    for character in text:
        group = ord(character) - 48
        if not 0 <= group < 64 or shift > 60:
            raise ValueError(f"expected characters from '0' to 'o'; got {character!r}")
        value |= (group & 31) << shift
        shift += 5
        if not group & 32:
            if group & 16:
                value -= 1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value, shift = 0, 0
    if shift:
        raise ValueError("the text ends within a number")
    return runs
