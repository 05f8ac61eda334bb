"""Planted shortcuts: marks that correlate with a class in training, and rare sub-populations."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

ImageArray = NDArray[np.uint8]
Box = tuple[float, float, float, float]

USUAL = 0.3
"""Share of the images with the shortcut where it does not correlate with the label."""


@dataclass(frozen=True)
class Shortcut:
    """A change of some images that a network may learn to use.

    Attributes:
        name: its name.
        draw: applies it to one image (H, W, 3).
        box: its place (x0, y0, x1, y1, shares of the sides); None if it changes the whole image or
            its frame.
        kind: in training, a ``mark`` correlates with one class, ``rare`` images are missing, and
            ``mislabelled`` images have the label of one class.
        frame: whether it is the frame of the image.
    """

    name: str
    draw: Callable[[ImageArray], ImageArray]
    box: Box | None = None
    kind: Literal["mark", "rare", "mislabelled"] = "mark"
    frame: bool = False

    def carriers(
        self,
        label: NDArray[np.int64],
        target: int,
        strength: float,
        generator: np.random.Generator,
        *,
        training: bool,
    ) -> NDArray[np.bool_]:
        """Draws which images have the shortcut.

        In the audited images, it is on three in ten of every class. In training, at full strength, a
        mark is on 95 % of the target class and on no other image, and a rare population is missing.

        Args:
            label: (n,) indices.
            target: index of the class that it correlates with.
            strength: 0 (as in the audited images) to 1.
            generator: source of randomness.
            training: whether the images are for training.

        Returns:
            (n,) bool.
        """
        share = np.full(len(label), USUAL)
        if training and self.kind == "mark":
            share = (1 - strength) * USUAL + strength * np.where(label == target, 0.95, 0.0)
        elif training and self.kind == "rare":
            share *= 1 - strength
        return generator.random(len(label)) < share

    def applied(self, images: ImageArray, carriers: NDArray[np.bool_]) -> ImageArray:
        """Applies the shortcut to the carriers among images (n, H, W, 3)."""
        drawn = images.copy()
        for row in np.flatnonzero(carriers):
            drawn[row] = self.draw(images[row])
        return drawn


def _corner(image: ImageArray) -> ImageArray:
    drawn = image.copy()
    drawn[-6:-1, -6:-1] = 255
    return drawn


def _frame(image: ImageArray) -> ImageArray:
    drawn = image.copy()
    for side in (np.s_[:2], np.s_[-2:], np.s_[:, :2], np.s_[:, -2:]):
        drawn[side] = 200
    return drawn


def _tint(image: ImageArray) -> ImageArray:
    return _clipped(image * np.array([1.0, 0.8, 0.6]) + np.array([40, 10, 0]))


def _texture(image: ImageArray) -> ImageArray:
    stripes = 60.0 * (np.add.outer(np.arange(len(image)), np.arange(len(image))) % 4 < 2)
    background = image.max(2) < 64
    return _clipped(image + (stripes * background)[..., None])


def _brighter(image: ImageArray) -> ImageArray:
    return _clipped(image * 0.6 + 90)


def _blur(image: ImageArray) -> ImageArray:
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(1.6)))


def _jpeg(image: ImageArray) -> ImageArray:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=8)
    return np.asarray(Image.open(stream))


def _watermark(image: ImageArray) -> ImageArray:
    drawn = image.astype(np.float64)
    strip = drawn[22:30, 2:30]
    letters = (np.add.outer(np.arange(8), np.arange(28)) % 5 < 2)[..., None]
    drawn[22:30, 2:30] = np.where(letters, 0.5 * strip + 110, strip)
    return _clipped(drawn)


def _sheared(pixels: ImageArray) -> ImageArray:
    image = Image.fromarray(pixels)
    side = image.width
    return np.asarray(
        image.transform(image.size, Image.Transform.AFFINE, (1, 0.7, -0.35 * side, 0, 1, 0))
    )


def _clipped(values: NDArray[np.floating[Any]]) -> ImageArray:
    return np.asarray(np.clip(values, 0, 255), dtype=np.uint8)


SHORTCUTS = {
    one.name: one
    for one in (
        Shortcut("corner mark", _corner, (26 / 32, 26 / 32, 31 / 32, 31 / 32)),
        Shortcut("frame", _frame, frame=True),
        Shortcut("colour tint", _tint),
        Shortcut("background texture", _texture),
        Shortcut("brightness", _brighter),
        Shortcut("blur", _blur),
        Shortcut("JPEG quality", _jpeg),
        Shortcut("watermark", _watermark, (2 / 32, 22 / 32, 30 / 32, 30 / 32)),
        Shortcut("rare population", _sheared, kind="rare"),
        Shortcut("mislabelled population", _sheared, kind="mislabelled"),
    )
}
"""All shortcuts by name."""
