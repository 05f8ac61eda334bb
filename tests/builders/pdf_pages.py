"""How much of each page of a PDF is filled, read from its content streams."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pikepdf = pytest.importorskip("pikepdf")

_MILLIMETRE = 72 / 25.4
_TOP, _BOTTOM = 24 * _MILLIMETRE, 22 * _MILLIMETRE
"""Margins of a page, which hold the running heads."""
_OUTSIDE = 2 * _MILLIMETRE
"""Text of the page body starts at most this much inside of a margin."""


@dataclass(frozen=True)
class FilledPage:
    """One page.

    Attributes:
        number: from 1.
        share: of the height of the page body, from its top to the lowest text or image.
        ends_chapter: whether the next page starts a chapter, or there is none.
    """

    number: int
    share: float
    ends_chapter: bool


def filled_pages(path: Path) -> list[FilledPage]:
    """Every page of a document with bookmarks."""
    with pikepdf.open(path) as document:
        starts = chapter_pages(document)
        pages = []
        for number, page in enumerate(document.pages, start=1):
            height = float(page.mediabox[3])
            ends = [y for y in _ends(page, page.Resources, pikepdf.Matrix()) if _in_body(y, height)]
            lowest = min(ends, default=height - _TOP)
            share = (height - _TOP - lowest) / (height - _TOP - _BOTTOM)
            last = number == len(document.pages) or number in starts.values()
            pages.append(FilledPage(number, min(max(share, 0.0), 1.0), last))
    return pages


def chapter_pages(document: Any) -> dict[str, int]:
    """Index of the page on which each chapter starts, by its title."""
    numbers = {page.obj.objgen: number for number, page in enumerate(document.pages)}
    with document.open_outline() as outline:
        return {
            one.title: numbers[(one.destination or one.action.D)[0].objgen] for one in outline.root
        }


def _in_body(y: float, height: float) -> bool:
    return _BOTTOM - _OUTSIDE <= y <= height - _TOP + _OUTSIDE


def _ends(content: Any, resources: Any, matrix: Any) -> Iterator[float]:
    """Lower ends of the texts and images of a page or form, in points from the bottom of the page."""
    kept: list[Any] = []
    for operands, operator in pikepdf.parse_content_stream(content):
        name = str(operator)
        if name == "q":
            kept.append(matrix)
        elif name == "Q":
            matrix = kept.pop()
        elif name == "cm":
            matrix = pikepdf.Matrix(*map(float, operands)) @ matrix
        elif name == "Tm":
            yield (pikepdf.Matrix(*map(float, operands)) @ matrix).f
        elif name == "Do":
            yield from _of_object(resources.XObject[str(operands[0])], resources, matrix)


def _of_object(drawn: Any, resources: Any, matrix: Any) -> Iterator[float]:
    if drawn.Subtype == "/Image":
        # An image fills the unit square of its own coordinates.
        yield min(matrix.transform((0, 0))[1], matrix.transform((0, 1))[1])
        return
    if "/Matrix" in drawn:
        matrix = pikepdf.Matrix(*map(float, drawn.Matrix)) @ matrix
    yield from _ends(drawn, drawn.get("/Resources", resources), matrix)
