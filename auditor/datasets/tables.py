"""Tables of samples: reading files, checking columns, reading labels."""

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
from auditor.file_system import decode_text, encoding_of, read_text
from auditor.records.predictions import is_reserved

_NULLABLE = {pa.int64(): pd.Int64Dtype(), pa.uint64(): pd.UInt64Dtype()}
"""Integers that float64 does not hold exactly."""

_NO_GROUP = ("", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "<NA>")
"""Cells of a group column that say that the group is not known: these samples do not belong together."""

_COMPRESSED = frozenset({".gz", ".bz2", ".zip", ".xz", ".zst", ".tar"})

_OBJECT_COLUMNS = ("box", "mask")
"""Columns of ``Dataset.samples`` that locate the object."""


def read_table(path: Path) -> pd.DataFrame:
    """Reads a CSV, TSV or Parquet file.

    Args:
        path: ``.parquet``, ``.tsv``, or anything else as CSV in UTF-8.

    Returns:
        The table; cells of a text file are unchanged text, empty cells are "".

    Raises:
        DataError: the file does not exist, or its content does not match its suffix.
    """
    if not path.is_file():
        raise DataError(
            f"{path}: expected a CSV or Parquet file; it does not exist: correct the path"
        )
    try:
        if path.suffix.lower() in {".parquet", ".pq"}:
            stored = pq.read_table(path)
            # As floats, large integers beside missing values would not be exact.
            table: pd.DataFrame = stored.to_pandas(types_mapper=_NULLABLE.get)
            return table.reset_index(drop=isinstance(table.index, pd.RangeIndex))
        table = pd.read_csv(
            path,
            dtype=str,
            na_filter=False,
            sep="\t" if path.suffix.lower() == ".tsv" else ",",
            encoding=_encoding(path),
        )
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path}: expected a header and rows; the file is empty") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: {_why_no_text(path, error)}") from error
    except (ValueError, OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: expected a table; it can't be read: {error}") from error
    if not isinstance(table.index, pd.RangeIndex):
        # pandas uses the surplus first cell of each row as index.
        raise DataError(
            f"{path}: expected {len(table.columns)} cells per row, as in the header; the rows have more"
        )
    return table


def _encoding(path: Path) -> str:
    """The encoding that a text file states by a byte-order mark, else UTF-8."""
    if path.suffix.lower() in _COMPRESSED:
        return "utf-8-sig"
    with path.open("rb") as file:
        start = file.read(1024)
    encoding = encoding_of(start)
    if encoding == "utf-8" and b"\0" in start:
        decode_text(start[: start.index(b"\0") + 1])  # says why this is no text
    return encoding


def _why_no_text(path: Path, error: UnicodeDecodeError) -> str:
    if path.suffix.lower() not in _COMPRESSED:
        try:
            read_text(path)
        except ValueError as reason:
            return str(reason)
    return f"expected text in UTF-8; {error.reason}: save the file as UTF-8"


def require_columns(table: pd.DataFrame, columns: dict[str, str], path: Path) -> None:
    """Checks that columns exist.

    Args:
        table: the table.
        columns: option that names a column → the column.
        path: path of the table, for the message.

    Raises:
        DataError: a column is missing; the message suggests the nearest one.
    """
    known = [str(name) for name in table.columns]
    for option, column in columns.items():
        if column not in known:
            near = difflib.get_close_matches(column, known, n=1)
            hint = f"did you mean {near[0]!r}? The columns are" if near else "the columns are"
            listed = ", ".join(known[:20]) + (" …" if len(known) > 20 else "")
            raise DataError(f"{path}: data.{option}: no column {column!r}; {hint} {listed}")


def require_free_names(attributes: Iterable[str], place: Path | str) -> None:
    """Checks that attribute names are distinct and are not columns that the audit writes.

    Args:
        attributes: names of the attribute columns.
        place: file or option that contains the names, for the message.

    Raises:
        DataError: a name is reserved or repeated.
    """
    counts = Counter(iter(attributes))
    for name, count in counts.items():
        if name in _OBJECT_COLUMNS or is_reserved(name):
            raise DataError(
                f"{place}: attribute {name!r}: the audit writes a column of that name: rename it"
            )
        if count > 1:
            raise DataError(f"{place}: attribute {name!r}: listed {count} times; list it once")


def as_text(column: pd.Series[Any]) -> pd.Series[Any]:
    """The cells as text (type ``string``), missing ones as NA."""
    cells = [
        None if missing else str(cell) for cell, missing in zip(column, column.isna(), strict=True)
    ]
    return pd.Series(cells, index=column.index, dtype="string", name=column.name)


def group_column(column: pd.Series[Any]) -> pd.Series[Any]:
    """The cluster of each sample as text (type ``string``), missing cells as NA."""
    groups = as_text(column)
    return groups.mask(groups.str.strip().isin(_NO_GROUP), pd.NA)


def weight_column(column: pd.Series[Any], place: Path | str) -> pd.Series[Any]:
    """The weight of each sample in the target population, float64.

    Args:
        column: its cells as they were read.
        place: file or option that contains the weights, for the message.

    Raises:
        DataError: a weight is missing, not a finite number, or negative, or all are 0.
    """
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    weights = pd.Series(numbers, index=column.index, name=column.name)
    bad = ~weights.map(np.isfinite) | (weights < 0)
    if bad.any():
        cells = pd.DataFrame({"cell": column.astype(object)})
        shown = first_few(cells, bad, lambda row: f" ({row.cell!r})")
        raise DataError(
            f"{place}: expected a finite number of at least 0 in every cell of {column.name!r}; got "
            f"something else in {shown}: correct the weights, or leave these samples out"
        )
    if not (weights > 0).any():
        raise DataError(
            f"{place}: expected a positive weight for at least one sample; all {len(weights)} cells of "
            f"{column.name!r} are 0: correct the weights, or remove the option"
        )
    return weights


def parse_labels(column: pd.Series[Any]) -> pd.Series[Any]:
    """Labels as numbers if they are stored as numbers, else as text.

    Only empty cells are missing: "NA" and "None" can be class names.
    """
    if pd.api.types.is_integer_dtype(column) and not column.isna().any():
        return column.astype(np.int64)
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return column
    labels = as_text(column)
    return labels.mask(labels.str.strip() == "", pd.NA)


def unique_ids(paths: Sequence[str]) -> list[str]:
    """Sample ids: the paths, with ``#2``, ``#3`` … appended to repeated ones."""
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
    """Number of bad rows, and the row numbers and descriptions of the first five."""
    rows = [int(row) for row in np.flatnonzero(bad.to_numpy())]
    shown = "; ".join(f"row {row + 1}{describe(table.iloc[row])}" for row in rows[:5])
    return f"{len(rows)} of {len(table)} rows: {shown}{' …' if len(rows) > 5 else ''}"
