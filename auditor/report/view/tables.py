"""Small tables of texts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TextTable:
    """A small table of texts.

    Attributes:
        title: what it shows; empty where a heading above it does.
        columns: names of the columns; all empty for a table without a head.
        rows: cells, as many in each row as there are columns.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
