"""Tables of samples: reading files, checking columns, reading labels."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from auditor.datasets.table_files import other_separator
from auditor.errors import DataError
from auditor.records.predictions import is_reserved

_NO_GROUP = ("", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "<NA>")
"""Cells of a group column that say that the group is not known: these samples do not belong together."""

_SHOWN = 500
"""Characters of column names in a message."""
_OBJECT_COLUMNS = ("box", "mask")
"""Columns of ``Dataset.samples`` that locate the object."""


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
            separator = other_separator(known)
            listed = listed[:_SHOWN] + (f": {separator}" if separator else "")
            raise DataError(f"{path}: data.{option}: no column {column!r}; {hint} {listed}")


def require_plain_cells(column: pd.Series[Any], option: str, place: Path | str) -> None:
    """Checks that cells are text or numbers, not bytes or structures; prints none of their content.

    Args:
        column: its cells as they were read.
        option: that names the column.
        place: file with the table, for the message.

    Raises:
        DataError: a cell holds something else.
    """
    if column.dtype != object:
        return
    bad = column.map(lambda cell: isinstance(cell, bytes | dict | list | tuple | set | np.ndarray))
    if bad.any():
        first = column[bad.astype(bool)].iloc[0]
        inside = isinstance(first, bytes) or (isinstance(first, dict) and "bytes" in first)
        fix = (
            "the images seem to be inside the table: write them to files"
            if inside and option == "image"
            else "convert the column"
        )
        raise DataError(
            f"{place}: data.{option}: expected text or numbers in {column.name!r}; "
            f"{int(bad.sum())} of {len(column)} cells hold {type(first).__name__}: {fix}"
        )


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


def with_decimal_points(column: pd.Series[Any]) -> pd.Series[Any]:
    """A column of texts such as ``1,5`` with decimal points; any other column as it is.

    Where every comma is followed by three digits it may separate thousands: these stay as they are.
    """
    if not pd.api.types.is_string_dtype(column):
        return column
    texts = column.astype("string").str.strip()
    filled = texts[texts.notna() & (texts != "")]
    commas = filled[filled.str.contains(",", regex=False)]
    fits = not commas.empty and filled.str.fullmatch(r"[+-]?[0-9]+(?:,[0-9]+)?").all()
    if not fits or commas.str.fullmatch(r"[+-]?[0-9]{1,3},[0-9]{3}").all():
        return column
    return texts.str.replace(",", ".", regex=False).astype(object)


def rows_where(table: pd.DataFrame, where: Mapping[str, object], place: Path | str) -> pd.DataFrame:
    """The rows whose cells have these values.

    Args:
        table: the table.
        where: column → a value, or a list of those to keep. Numbers are compared as numbers.
        place: of the table, for messages.

    Raises:
        DataError: a column is missing, or no row has the values.
    """
    require_columns(table, {f"where: {name}": name for name in where}, Path(place))
    for name, wanted in where.items():
        values = wanted if isinstance(wanted, list | tuple) else [wanted]
        texts = as_text(table[name]).fillna("").str.strip()
        keep = texts.isin([str(one) for one in values])
        numbers = [float(one) for one in values if isinstance(one, int | float)]
        keep |= pd.to_numeric(texts, errors="coerce").isin(numbers)
        flags = {str(one).lower() for one in values if isinstance(one, bool)}
        keep |= texts.str.lower().isin(flags)
        if not keep.any():
            known = ", ".join(sorted(set(texts))[:10])
            raise DataError(
                f"{place}: data.where: expected rows with {name} = {wanted!r}; there are none: the values "
                f"are {known}"
            )
        table = table[keep.to_numpy()]
    return table.reset_index(drop=True)


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
    real = with_decimal_points(column).map(
        lambda cell: np.nan if isinstance(cell, complex) else cell
    )
    numbers = pd.to_numeric(real, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
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
