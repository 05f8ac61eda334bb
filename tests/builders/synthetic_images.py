"""Drawn images and maps for synthetic runs.

Solar cells: "mono" cells have dark corners, "poly" cells are grainy, a defect is a dark crack.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

GRID = 7


def draw(rng: np.random.Generator, side: int, *, dark_corners: bool, crack: bool) -> Image.Image:
    """One grey cell with bus bars."""
    grain = rng.normal(0, 26, (side // 4, side // 4))
    base = Image.fromarray(np.clip(150 + grain, 0, 255).astype(np.uint8)).resize((side, side))
    base = base.filter(ImageFilter.GaussianBlur(1 if not dark_corners else 4))
    pen = ImageDraw.Draw(base)
    for bar in (0.3, 0.7):
        pen.line([(0, bar * side), (side, bar * side)], fill=60, width=max(2, side // 50))
    if dark_corners:
        cut = side // 8
        for x, y in ((0, 0), (side, 0), (0, side), (side, side)):
            pen.regular_polygon((x, y, cut), 4, fill=12)
    if crack:
        x, y = rng.uniform(0.2, 0.7, 2) * side
        points = [
            (x + step * side / 18, y + rng.normal(0, side / 30) + step * side / 40)
            for step in range(6)
        ]
        pen.line(points, fill=20, width=max(2, side // 60))
    return base.filter(ImageFilter.GaussianBlur(0.6)).convert("RGB")


def cam(rng: np.random.Generator, *, row: float, column: float) -> NDArray[np.float32]:
    """An unnormalised map with one hill, (7, 7) float32, at least 0."""
    y, x = np.mgrid[0:GRID, 0:GRID]
    hill = np.exp(-((x - column) ** 2 + (y - row) ** 2) / 2.2)
    noise = rng.random((GRID, GRID)) * 0.15
    made: NDArray[np.float32] = np.maximum(hill * rng.uniform(0.5, 3) + noise - 0.08, 0).astype(
        np.float32
    )
    return made


def overlay(image: Image.Image, values: NDArray[np.float32]) -> Image.Image:
    """An image with a map over it."""
    side = image.size[0]
    heat = Image.fromarray(values).resize((side, side), Image.Resampling.BILINEAR)
    share = np.asarray(heat) / max(float(np.asarray(heat).max()), 1e-9)
    colour = np.stack([255 * share, 60 + 120 * share**2, 140 * (1 - share)], axis=-1)
    weight = (0.75 * share)[..., None]
    mixed = np.asarray(image) * (1 - weight) + colour * weight
    return Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8))


def guided(rng: np.random.Generator, values: NDArray[np.float32], side: int) -> Image.Image:
    """A fine map: noise where the coarse map has evidence."""
    heat = Image.fromarray(values).resize((side, side), Image.Resampling.BILINEAR)
    share = np.asarray(heat)[..., None] / max(float(values.max()), 1e-9)
    fine = rng.normal(0, 60, (side, side, 3)) * share
    return Image.fromarray(np.clip(128 + fine, 0, 255).astype(np.uint8))


def jpeg(image: Image.Image) -> bytes:
    """The image as JPEG bytes."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=88)
    return stream.getvalue()
