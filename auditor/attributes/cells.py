"""The cells of an attribute: as numbers where the column holds numbers, else as text.

Text from a CSV file and values from a Parquet file or from Python give the same cells.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.attributes.spelling import MISSING_NUMBERS, as_numbers, number_text

Texts = NDArray[np.object_]
Floats = NDArray[np.float64]

_EXACT = 2**53
"""Integers up to this size are exact as float64."""


@dataclass(frozen=True)
class Cells:
    """The cells of one attribute.

    Attributes:
        numbers: (n,) float64, NaN for missing cells and words; None for a column of text.
        words: (n,) text of the cells that are not numbers, None for all others; None if all cells
            are numbers.
        order: the values in order, for an ordered categorical; else None.
        nominal: whether the values have no order according to the type of the column.
    """

    numbers: Floats | None
    words: Texts | None
    order: tuple[str, ...] | None = None
    nominal: bool = False

    @cached_property
    def text(self) -> Texts:
        """(n,) the values as text, None where they are missing."""
        if self.numbers is None:
            assert self.words is not None
            return self.words
        known = ~np.isnan(self.numbers)
        distinct, place = np.unique(self.numbers[known], return_inverse=True)
        names = np.array([number_text(float(one)) for one in distinct], dtype=object)
        text = np.full(len(self.numbers), None) if self.words is None else self.words.copy()
        text[known] = names[place]
        return text

    @cached_property
    def counts(self) -> dict[str, int]:
        """Number of samples with each value, without missing values."""
        counts = Counter(self.text.tolist())
        counts.pop(None, None)
        return dict(counts)

    @property
    def present(self) -> NDArray[np.bool_]:
        """(n,) whether a sample has a value."""
        known = np.zeros(len(self), dtype=bool)
        if self.numbers is not None:
            known |= ~np.isnan(self.numbers)
        if self.words is not None:
            known |= pd.notna(self.words)
        return known

    def __len__(self) -> int:
        return len(self.text) if self.numbers is None else len(self.numbers)

    def as_column(self, index: pd.Index, name: str) -> pd.Series[Any]:
        """The cells as a column: integers, floats, or ``string`` with NA for missing values."""
        if self.numbers is None or self.words is not None:
            return pd.Series(self.text, index=index, dtype="string", name=name)
        known = self.numbers[~np.isnan(self.numbers)]
        column = pd.Series(self.numbers, index=index, name=name)
        if not bool(np.all(known == np.round(known)) and np.all(np.abs(known) < _EXACT)):
            return column
        return column.astype("int64" if len(known) == len(self.numbers) else "Int64")


def read_cells(column: pd.Series[Any], missing: Sequence[str] = ()) -> Cells:
    """Reads a column: as numbers if all its cells are numbers, else as text that keeps its spelling.

    Args:
        column: cells of any type.
        missing: texts that mean "missing" besides empty cells. In a column of numbers, those of
            `spelling.MISSING_NUMBERS` are missing too, because they cannot mean anything else.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        return _categorical(column, missing)
    if pd.api.types.is_bool_dtype(column):
        return Cells(None, _texts(column, missing), nominal=True)
    numbers = _stored_numbers(column, missing)
    if numbers is not None:
        return Cells(numbers, None)
    texts = _texts(column, missing)
    number_of = as_numbers({text for text in texts if text is not None})
    if number_of is None:
        return Cells(None, texts)
    return Cells(_looked_up(texts, number_of), None)


def read_numbers(column: pd.Series[Any], missing: Sequence[str] = ()) -> Cells:
    """Reads the cells that are numbers as numbers; all others stay words."""
    numbers = _stored_numbers(column, missing)
    if numbers is not None:
        return Cells(numbers, None)
    texts = _texts(column, missing)
    number_of = {text: _number(text) for text in {one for one in texts if one is not None}}
    read = _looked_up(texts, number_of)
    words = texts.copy()
    words[~np.isnan(read)] = None
    words = np.array(
        [None if one is None or one.lower() in MISSING_NUMBERS else one for one in words],
        dtype=object,
    )
    return Cells(read, None if all(one is None for one in words) else words)


def read_text(column: pd.Series[Any], missing: Sequence[str] = ()) -> Cells:
    """Reads a column as text: numbers by their value, texts as they are spelled."""
    return Cells(None, _texts(column, missing))


def stored_cells(column: pd.Series[Any]) -> Cells:
    """Reads a column that `Cells.as_column` made: its type says whether it holds numbers."""
    numbers = _stored_numbers(column, ())
    return read_text(column) if numbers is None else Cells(numbers, None)


def _categorical(column: pd.Series[Any], missing: Sequence[str]) -> Cells:
    column = column.cat.remove_unused_categories()
    values = read_cells(pd.Series(column.cat.categories), missing)
    place = column.cat.codes.to_numpy(dtype=np.int64)  # -1, the last one, where it is missing
    text = np.array([*values.text, None], dtype=object)[place]
    if column.cat.ordered:
        return Cells(None, text, tuple(name for name in values.text if name is not None))
    if values.numbers is None:
        return Cells(None, text, nominal=True)
    return Cells(np.append(values.numbers, np.nan)[place], None, nominal=True)


def _stored_numbers(column: pd.Series[Any], missing: Sequence[str]) -> Floats | None:
    """The numbers of a numeric column; None for other columns, and for integers beyond float64."""
    types = pd.api.types
    if not types.is_integer_dtype(column) and not types.is_float_dtype(column):
        return None
    if types.is_integer_dtype(column):
        known = column.dropna()
        if len(known) and max(abs(int(known.min())), abs(int(known.max()))) > _EXACT:
            return None
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    if types.is_float_dtype(column) and getattr(column.dtype, "itemsize", 8) < 8:
        # 0.1 in float32 is read as 0.1 and not as 0.10000000149.
        single, place = np.unique(numbers.astype(np.float32), return_inverse=True)
        numbers = np.array([float(str(one)) for one in single], dtype=np.float64)[place]
    for text in missing:
        numbers[numbers == _number(text)] = np.nan
    return numbers


def _texts(column: pd.Series[Any], missing: Collection[str]) -> Texts:
    """(n,) the cells as text without surrounding blanks; None where they are missing."""
    declared = {text.strip() for text in missing}
    if pd.api.types.is_datetime64_any_dtype(column):
        column = _dates(column)
    if not isinstance(column.dtype, pd.StringDtype):
        texts = [_text(value) for value in column.tolist()]
        return np.array([None if one in declared else one for one in texts], dtype=object)
    # Only the different texts become Python objects, and the cells share them.
    place, distinct = pd.factorize(column)
    texts = [_text(value) for value in distinct]
    cells = [None if one in declared else one for one in texts]
    return np.array([*cells, None], dtype=object)[place]


def _dates(column: pd.Series[Any]) -> pd.Series[Any]:
    """Dates as in a CSV file: without a time if all of them are at midnight."""
    known = column.dropna()
    midnight = bool((known == known.dt.normalize()).all())
    texts = column.dt.strftime("%Y-%m-%d") if midnight else column.astype(str)
    return texts.astype(object).where(column.notna(), None)


def _text(value: object) -> str | None:
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, float | np.floating):
        return None if np.isnan(value) else number_text(float(str(value)))
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value.isoformat()
    return str(value).strip() or None


def _number(text: str) -> float:
    """A text as a number; NaN where it is not one."""
    try:
        return np.nan if "_" in text else float(text)
    except ValueError:
        return np.nan


def _looked_up(texts: Texts, number_of: Mapping[str, float]) -> Floats:
    place, distinct = pd.factorize(texts)
    numbers = np.array([number_of[one] for one in distinct] + [np.nan], dtype=np.float64)
    return np.asarray(numbers[place], dtype=np.float64)
