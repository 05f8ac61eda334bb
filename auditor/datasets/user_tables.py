"""Tables and columns of the caller: attributes, groups, weights, the training data."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa

from auditor.datasets.tables import group_column, require_free_names
from auditor.errors import ConfigError, DataError
from auditor.file_system import has_surrogates
from auditor.records import StatedType
from auditor.records.predictions import GROUP, LABEL

_WITHOUT_TEXT = (int, float, np.generic, dt.date, dt.timedelta, type(None), type(pd.NA))
"""Types of cells that are no text and contain none."""
_SEVERAL = (Mapping, list, tuple, set, frozenset, bytes)
"""Types of cells that hold several values, or bytes."""


def attribute_table(attributes: object, n: int) -> pd.DataFrame:
    """The attributes of the samples; names of columns become text.

    Args:
        attributes: a table with n rows, in the order of the data set; None: there are no attributes.
        n: number of samples.

    Raises:
        DataError: it is no table, has another number of rows, or names that can't be used.
    """
    if attributes is None:
        return pd.DataFrame(index=range(n))
    table = _named_table(
        attributes, "attributes", "one row per sample and one column per attribute"
    )
    if len(table) != n:
        raise DataError(f"attributes: expected one row per sample, {n}; got {len(table)}")
    require_free_names(table.columns, "attributes")
    return _with_plain_cells(table, "attributes")


def require_one_order(tables: Mapping[str, object]) -> None:
    """Checks that tables of the same samples do not contradict each other.

    Rows belong to samples by their position. Two indexes with the same names in another order show that
    one of the tables was sorted.

    Args:
        tables: arguments of the caller by name; what has no index of pandas is ignored.

    Raises:
        DataError: two indexes have the same names in another order.
    """
    indexes = {
        name: table.index
        for name, table in tables.items()
        if isinstance(table, pd.DataFrame | pd.Series)
        and not isinstance(table.index, pd.RangeIndex)
    }
    for (first, one), (second, other) in combinations(indexes.items(), 2):
        if (
            len(one) == len(other)
            and not one.equals(other)
            and not one.symmetric_difference(other, sort=False).size
        ):
            row = int(np.flatnonzero(one != other)[0])
            raise DataError(
                f"{first}, {second}: expected rows in the order of the data set; their indexes have the "
                f"same names in another order, first in row {row + 1}, {one[row]!r} and {other[row]!r}: "
                "bring both into the order of the data set"
            )


def reference_table(reference: object, plain: Callable[[Any, str], Any]) -> pd.DataFrame | None:
    """The labels and attributes of the training data; names of columns become text.

    Args:
        reference: a table with the column ``label``, or None.
        plain: converts a label; its second argument names the row, for the message.

    Raises:
        DataError: it is no table, has no rows or no column ``label``, or a label can't be used.
    """
    if reference is None:
        return None
    table = _named_table(
        reference, "reference", f"the column {LABEL!r} and those of the attributes"
    )
    if LABEL not in table:
        listed = ", ".join(repr(name) for name in table.columns[:10]) or "none"
        raise DataError(
            f"reference: expected the column {LABEL!r} with the labels of the training data; the columns "
            f"are {listed}: rename the one with the labels"
        )
    if table.empty:
        raise DataError(
            "reference: expected the training data; the table has no rows: leave it out"
        )
    labels = [plain(cell, f"reference: row {row + 1}") for row, cell in enumerate(table[LABEL])]
    others = _with_plain_cells(table.drop(columns=LABEL), "reference")
    return others.assign(**{LABEL: pd.Series(labels, index=table.index, dtype=object)})


def with_clusters(reference: pd.DataFrame | None, group: str | None) -> pd.DataFrame | None:
    """The training data, with the column that says which of its samples belong together.

    Args:
        reference: its labels and attributes, or None.
        group: name of that column, which is also the name of the audited samples' column; or None.
    """
    if reference is None or group is None or group not in reference:
        return reference
    return reference.assign(**{GROUP: group_column(reference[group])})


def value_column(values: object, option: str, n: int, unit: str) -> pd.Series[Any]:
    """One value per sample.

    Args:
        values: a series, list, array or tensor of n values, in the order of the data set.
        option: its name, for the message; also the name of the column where it has none.
        n: number of samples.
        unit: what a value is, for the message.

    Raises:
        DataError: it is something else, or has another number of values.
    """
    wanted = f"{option}: expected one {unit} per sample, {n}"
    if hasattr(values, "detach"):
        values = cast("Any", values).detach().cpu().numpy()
    sized = isinstance(values, pd.Series | pd.Index | np.ndarray | list | tuple)
    if not sized or getattr(values, "ndim", 1) != 1:
        fix = "pass one column of the table, such as `table['patient']`"
        got = repr(values) if isinstance(values, str) else type(values).__name__
        raise DataError(f"{wanted}; got {got}: {fix}")
    require_unicode(cast("Any", values), option)  # before it becomes a column of text
    column = pd.Series(cast("Any", values))
    if len(column) != n:
        raise DataError(f"{wanted}; got {len(column)}")
    name = option if column.name is None else str(column.name)
    if has_surrogates(name):
        raise DataError(f"{option}: expected a printable name; got {name!r}: rename the series")
    return column.rename(name)


def require_unicode(cells: Iterable[object], place: str, unit: str = "row", first: int = 1) -> None:
    """Checks that no cell holds half a character, which neither documents nor Arrow can hold.

    Args:
        cells: of a column.
        place: of the column, for the message.
        unit: what a cell belongs to, for the message.
        first: number of the first unit.

    Raises:
        DataError: one does.
    """
    for position, cell in enumerate(cells, first):
        text = "" if isinstance(cell, _WITHOUT_TEXT) and not isinstance(cell, str) else str(cell)
        if has_surrogates(text):
            raise DataError(
                f"{place}: expected text; {text!r} in {unit} {position} can't be written as UTF-8: read the "
                "table again in its own encoding"
            )


def stated_types(types: object) -> dict[str, StatedType]:
    """Types of attributes by name; whether a type exists is checked where the cells are read.

    Raises:
        ConfigError: a type is neither text nor a sequence of values.
        DataError: a value can't be written as UTF-8.
    """
    wanted = "expected 'categorical', 'ordinal' or 'numeric', or a list of the values in order"
    if not isinstance(types, Mapping):
        raise ConfigError(
            f"attribute_types: expected a dict of names and types; got {type(types).__name__}: pass, "
            "for example, `{'age': 'numeric'}`"
        )
    stated: dict[str, StatedType] = {}
    for name, given in types.items():
        if isinstance(given, str):
            stated[str(name)] = cast("StatedType", given)
        elif isinstance(given, Sequence | pd.Index | np.ndarray):
            stated[str(name)] = tuple(str(value) for value in given)
            require_unicode(stated[str(name)], f"attribute_types: {name!r}", "value")
        else:
            raise ConfigError(f"attribute_types: {name!r}: {wanted}; got {given!r}")
    return stated


def _named_table(table: object, option: str, content: str) -> pd.DataFrame:
    """A table whose columns have distinct names of type text."""
    if not isinstance(table, pd.DataFrame):
        raise DataError(
            f"{option}: expected a pandas DataFrame with {content}; got {type(table).__name__}: convert "
            "it with `pandas.DataFrame(…)`"
        )
    names = [_name(name) for name in table.columns]
    bad = [name for name in names if not name.strip() or has_surrogates(name)]
    if bad:
        raise DataError(
            f"{option}: expected a printable name for every column; got {bad[0]!r}: rename it with "
            f"`{option}.rename(columns={{…}})`"
        )
    named = table.set_axis(names, axis=1)
    repeated = named.columns[named.columns.duplicated()]
    if len(repeated):
        number = int((named.columns == repeated[0]).sum())
        raise DataError(
            f"{option}: expected distinct names of columns; {number} columns are called {repeated[0]!r}: "
            "rename or drop all but one of them"
        )
    return named


def _name(name: object) -> str:
    """The name of a column as text; of a column with several levels, all of them."""
    return " ".join(str(level) for level in name) if isinstance(name, tuple) else str(name)


def _with_plain_cells(table: pd.DataFrame, option: str) -> pd.DataFrame:
    """The table, whose cells that may be any object are single values, and whose texts can be written."""
    for name, column in table.items():
        place = f"{option}: attribute {str(name)!r}"
        if isinstance(column.dtype, pd.CategoricalDtype):
            require_unicode(column.dtype.categories, place, "category")
        elif isinstance(column.dtype, pd.StringDtype):
            require_unicode(column, place)
    objects = [name for name in table.columns if _is_any_object(table[name].dtype)]
    plain = {name: _plain_cells(table[name], f"{option}: attribute {name!r}") for name in objects}
    return table.assign(**plain)


def _is_any_object(dtype: Any) -> bool:
    """Whether cells may be lists or other objects; those of Arrow may be lists and structures."""
    return pd.api.types.is_object_dtype(dtype) or (
        isinstance(dtype, pd.ArrowDtype) and pa.types.is_nested(dtype.pyarrow_dtype)
    )


def _plain_cells(column: pd.Series[Any], place: str) -> pd.Series[Any]:
    """Checks that every cell is one value; a tensor without dimensions becomes a number."""
    cells = [cell.item() if getattr(cell, "shape", None) == () else cell for cell in column]
    for row, cell in enumerate(cells):
        if isinstance(cell, _SEVERAL) or hasattr(cell, "__array__"):
            raise DataError(
                f"{place}: expected one value per sample, as text, a number or a date; got "
                f"{type(cell).__name__} in row {row + 1}: make a column of each of its parts, or drop "
                "the column"
            )
    require_unicode(cells, place)
    return pd.Series(cells, index=column.index, dtype=object)
