"""Tables that describe samples: read safely, columns found or named, cells given their types."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from auditor.errors import DataError
from auditor.records.predictions import is_reserved

_MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "<NA>")
"""Cells of an attribute in a text table that count as missing."""

_OBJECT = ("box", "mask")
"""Columns of a data set's samples that say where the object is; see `records.Dataset`."""


def read_table(path: Path) -> pd.DataFrame:
    """Reads a CSV, TSV or Parquet file.

    Args:
        path: ``.parquet``, ``.tsv``, or anything else as CSV in UTF-8.

    Returns:
        The table; cells of a text file are text as it stands there, empty cells are "".

    Raises:
        DataError: there is no such file, or it can't be read as what its name says.
    """
    if not path.is_file():
        raise DataError(f"{path}: expected a CSV or Parquet file; there is none: correct the path")
    try:
        if path.suffix.lower() in {".parquet", ".pq"}:
            table: pd.DataFrame = pq.read_table(path).to_pandas()
            return table.reset_index(drop=isinstance(table.index, pd.RangeIndex))
        table = pd.read_csv(
            path,
            dtype=str,
            na_filter=False,
            sep="\t" if path.suffix.lower() == ".tsv" else ",",
            encoding="utf-8-sig",
        )
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path}: expected a header and rows; the file is empty") from error
    except (ValueError, OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: expected a table; it can't be read: {error}") from error
    if not isinstance(table.index, pd.RangeIndex):
        # pandas takes the surplus first cell of every row for an index.
        raise DataError(
            f"{path}: expected {len(table.columns)} cells a row, as in the header; the rows have more"
        )
    return table


def require_columns(table: pd.DataFrame, columns: dict[str, str], path: Path) -> None:
    """Makes sure that columns are there.

    Args:
        table: the table.
        columns: the option that names each column, and the column.
        path: of the table, for the message.

    Raises:
        DataError: one is missing; the message names the nearest that there is.
    """
    known = [str(name) for name in table.columns]
    for option, column in columns.items():
        if column not in known:
            near = difflib.get_close_matches(column, known, n=1)
            hint = f"did you mean {near[0]!r}? There are" if near else "there are"
            listed = ", ".join(known[:20]) + (" …" if len(known) > 20 else "")
            raise DataError(
                f"{path}: data.{option}: there is no column {column!r}; {hint} {listed}"
            )


def require_free_names(attributes: Iterable[str], place: Path | str) -> None:
    """Makes sure that no attribute has the name of a column that an audit writes, or is named twice.

    Args:
        attributes: names of the attribute columns.
        place: where they are named, for the message.

    Raises:
        DataError: one has; the message says to rename it.
    """
    counts = Counter(attributes)
    for name, count in counts.items():
        if name in _OBJECT or is_reserved(name):
            raise DataError(
                f"{place}: attribute {name!r}: the audit writes a column of that name itself: rename it"
            )
        if count > 1:
            raise DataError(f"{place}: attribute {name!r}: named {count} times; name it once")


def typed(column: pd.Series[Any], *others: pd.Series[Any]) -> list[pd.Series[Any]]:
    """Gives the cells of one attribute their type: numbers if all are numbers, else text.

    Args:
        column: cells as read; the same attribute of other tables may follow.
        others: these get the same type.

    Returns:
        The columns with their index: of a numeric type, or ``string`` with missing cells as NA.
    """
    columns = [_without_blanks(one) for one in (column, *others)]
    numbers = [_numbers(one) for one in columns]
    if all(one is not None for one in numbers):
        return [one for one in numbers if one is not None]
    return [text(one) for one in columns]


def text(column: pd.Series[Any]) -> pd.Series[Any]:
    """The cells as text, ``string`` type, missing ones as NA."""
    words = [
        None if missing else str(cell) for cell, missing in zip(column, column.isna(), strict=True)
    ]
    return pd.Series(words, index=column.index, dtype="string", name=column.name)


def labels_of(column: pd.Series[Any]) -> pd.Series[Any]:
    """The cells of a label column: whole numbers where they are stored as numbers, else text.

    No word counts as missing but the empty one: a class may well be called "NA" or "None".
    """
    if pd.api.types.is_integer_dtype(column) and not column.isna().any():
        return column.astype(np.int64)
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return column
    words = text(column)
    return words.mask(words.str.strip() == "", pd.NA)


def unique_ids(paths: Sequence[str]) -> list[str]:
    """Sample ids: the path, with ``#2``, ``#3``… where it comes again."""
    taken = set(paths)
    seen: Counter[str] = Counter()
    ids = []
    for path in paths:
        seen[path] += 1
        name = path
        while seen[path] > 1 and name in taken:
            name = f"{path}#{seen[path]}"
            seen[path] += name in taken
        taken.add(name)
        ids.append(name)
    return ids


def first_few(table: pd.DataFrame, bad: pd.Series[bool], describe: Callable[[Any], str]) -> str:
    """Names the first five bad rows by their line, with how many there are."""
    rows = [int(row) for row in np.flatnonzero(bad.to_numpy())]
    shown = "; ".join(f"row {row + 1}{describe(table.iloc[row])}" for row in rows[:5])
    return f"{len(rows)} of {len(table)} rows: {shown}{' …' if len(rows) > 5 else ''}"


def _without_blanks(column: pd.Series[Any]) -> pd.Series[Any]:
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return column
    words = text(column)
    return words.mask(words.str.strip().isin(_MISSING), pd.NA)


def _numbers(column: pd.Series[Any]) -> pd.Series[Any] | None:
    """The column as numbers, or None where a cell is none."""
    if pd.api.types.is_numeric_dtype(column):
        return column
    parsed = pd.to_numeric(column.dropna().astype(object), errors="coerce")
    if parsed.empty or not np.isfinite(parsed.to_numpy(dtype=np.float64)).all():
        return None
    return parsed.reindex(column.index)
