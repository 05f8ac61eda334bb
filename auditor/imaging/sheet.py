"""Sheets: labelled panels side by side, as one image that can be read on its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_SMALLEST, _LARGEST = 360, 720
"""Bounds of the longer side of a panel in pixels."""
_MARGIN = 20
_GAP = 12
_TITLE, _TEXT = 20, 15
"""Sizes of the letters in pixels."""
_BLACK, _GREY = (20, 20, 20), (90, 90, 90)


@dataclass(frozen=True)
class Panel:
    """One image of a sheet.

    Attributes:
        image: (H, W, 3), uint8; all panels of a sheet have the same size.
        caption: the line below it; wrapped.
    """

    image: NDArray[np.uint8]
    caption: str


def for_display(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Brings an image to a size that can be read: its longer side gets 360 to 720 pixels.

    Small images are enlarged by a whole number, so that every pixel stays a square.

    Args:
        image: (H, W, 3), uint8.
    """
    height, width = image.shape[:2]
    longer = max(height, width)
    if longer < _SMALLEST:
        factor = math.ceil(_SMALLEST / longer)
        return np.ascontiguousarray(image.repeat(factor, axis=0).repeat(factor, axis=1))
    if longer <= _LARGEST:
        return image
    size = (max(1, width * _LARGEST // longer), max(1, height * _LARGEST // longer))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def sheet(title: str, lines: Sequence[str], panels: Sequence[Panel]) -> Image.Image:
    """Draws panels side by side, with a title above and a caption below each.

    Args:
        title: what the sheet shows; wrapped.
        lines: more about all panels, below the title; wrapped.
        panels: at least one.

    Returns:
        An image of mode ``RGB`` on white.
    """
    height, width = panels[0].image.shape[:2]
    column = max(width, _SMALLEST // 2)
    total = len(panels) * column + (len(panels) - 1) * _GAP
    head = [(line, _TITLE, _BLACK) for line in _wrapped(title, _TITLE, total)]
    head += [(part, _TEXT, _GREY) for line in lines for part in _wrapped(line, _TEXT, total)]
    captions = [_wrapped(panel.caption, _TEXT, column) for panel in panels]
    top = _MARGIN + sum(_line_height(size) for _, size, _ in head) + _GAP
    foot = max(len(caption) for caption in captions) * _line_height(_TEXT)
    drawn = Image.new(
        "RGB", (total + 2 * _MARGIN, top + height + _GAP // 2 + foot + _MARGIN), "white"
    )
    draw = ImageDraw.Draw(drawn)
    y = _MARGIN
    for text, size, colour in head:
        draw.text((_MARGIN, y), text, colour, _font(size))
        y += _line_height(size)
    for k, (panel, caption) in enumerate(zip(panels, captions, strict=True)):
        x = _MARGIN + k * (column + _GAP)
        drawn.paste(Image.fromarray(panel.image), (x, top))
        for row, text in enumerate(caption):
            place = (x, top + height + _GAP // 2 + row * _line_height(_TEXT))
            draw.text(place, text, _BLACK, _font(_TEXT))
    return drawn


def _wrapped(text: str, size: int, width: int) -> list[str]:
    """The text in lines that are at most as wide; longer words are broken."""
    # Names of files may be no UTF-8.
    printable = " ".join(text.encode("utf-8", "backslashreplace").decode().split())
    font = _font(size)
    lines: list[str] = []
    line = ""
    for word in printable.split(" "):
        wanted = f"{line} {word}".strip()
        if font.getlength(wanted) <= width:
            line = wanted
            continue
        lines += [line] if line else []
        line = word
        while font.getlength(line) > width and len(line) > 1:
            fits = next(
                n
                for n in range(len(line) - 1, 0, -1)
                if n == 1 or font.getlength(line[:n]) <= width
            )
            lines.append(line[:fits])
            line = line[fits:]
    return [*lines, line]


def _line_height(size: int) -> int:
    return round(1.35 * size)


@lru_cache(maxsize=4)
def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings along: Pillow's own font has few letters."""
    import matplotlib as mpl

    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)
