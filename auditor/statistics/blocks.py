"""Blocks of rows: large tables are converted and sorted piece by piece."""

from __future__ import annotations

from collections.abc import Iterator

_NUMBERS = 1_000_000
"""Numbers in a block; as float64 they take 8 MB."""


def row_blocks(n: int, n_columns: int) -> Iterator[slice]:
    """Divides the rows of a table (n, n_columns) into blocks of about a million numbers.

    Probabilities are stored as float32. A float64 copy of all of them, and a few intermediate results
    of the same size, would take several times the memory of the table.

    Args:
        n: number of rows.
        n_columns: number of columns.

    Yields:
        Slices that together cover all rows, in order.
    """
    step = max(1, _NUMBERS // max(1, n_columns))
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))
