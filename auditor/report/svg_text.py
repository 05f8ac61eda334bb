"""Makes WeasyPrint draw the texts of charts as whole runs.

WeasyPrint 70 draws each letter of an SVG text by itself, from left to right. Hebrew and Arabic are then
mirrored, and Arabic letters are not joined. Texts that are drawn at once are laid out by Pango.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


class _Run(str):
    """A text whose only part is the whole text."""

    __slots__ = ()

    def __iter__(self) -> Iterator[str]:
        return iter((str(self),))


@contextmanager
def texts_as_runs(svg: ModuleType) -> Iterator[None]:
    """Context manager in which the texts of SVG images are drawn as whole runs.

    Charts position no single letter, so that nothing is lost.

    Args:
        svg: the module ``weasyprint.svg``.
    """
    node: Any = svg.Node
    original = node.text
    node.text = property(lambda one: _as_run(original.fget(one)))
    try:
        yield
    finally:
        node.text = original


def _as_run(text: str | None) -> str | None:
    return None if not text else _Run(text)
