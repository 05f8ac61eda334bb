from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest

from auditor.attributes.cells import read_cells, read_numbers, read_text, stored_cells


def _texts(values: Any, missing: tuple[str, ...] = (), dtype: Any = None) -> list[str | None]:
    texts: list[str | None] = read_cells(pd.Series(values, dtype=dtype), missing).text.tolist()
    return texts


@pytest.mark.parametrize(
    ("csv", "stored", "dtype"),
    [
        (["1", "6", ""], [1, 6, None], "Int64"),
        (["1", "6", ""], [1.0, 6.0, np.nan], "float64"),
        (["1.0", "6.0", ""], [1, 6, None], "Int64"),
        (["0.1", "2.5"], [0.1, 2.5], "float32"),
        (["1e-05", "3"], [1e-05, 3.0], "float64"),
        (["True", "False", ""], [True, False, None], "boolean"),
        (["2024-01-31", ""], [pd.Timestamp("2024-01-31"), None], "datetime64[ns]"),
        (["2024-01-31", ""], [dt.date(2024, 1, 31), None], object),
        (["01", "1", "NA"], ["01", "1", "NA"], "category"),
        (["1234567890123456789", ""], [1234567890123456789, None], "Int64"),
        (["inf", "2"], [np.inf, 2.0], "float64"),
    ],
)
def test_read_cells_text_and_stored_values_give_the_same(
    csv: list[str], stored: list[Any], dtype: Any
) -> None:
    one, two = read_cells(pd.Series(csv)), read_cells(pd.Series(stored, dtype=dtype))
    assert one.text.tolist() == two.text.tolist()
    assert (one.numbers is None) == (two.numbers is None)


def test_read_cells_codes_keep_their_spelling() -> None:
    assert _texts(["01", "1", " 007 "]) == ["01", "1", "007"]
    assert _texts(["1e5", "2e3", "77"]) == ["1e5", "2e3", "77"]
    assert _texts(["NA", "None", "null", "nan", "GB"]) == ["NA", "None", "null", "nan", "GB"]
    assert _texts([1, "1", True, 2.5, None], dtype=object) == ["1", "1", "True", "2.5", None]


def test_read_cells_declared_values_are_missing() -> None:
    assert _texts(["NA", "GB", "-"], ("NA", "-")) == [None, "GB", None]
    assert _texts(["31", "-1", "unknown"], ("unknown", "-1")) == ["31", None, None]
    assert _texts([31, -1], ("-1",)) == ["31", None]
    assert _texts([31.0, -1.0], ("-1", "unknown")) == ["31", None]


def test_read_cells_ordered_categorical_keeps_its_order() -> None:
    values = pd.Categorical(["high", None, "low"], ["low", "mid", "high"], ordered=True)
    cells = read_cells(pd.Series(values))
    assert cells.order == ("low", "high")
    assert cells.text.tolist() == ["high", None, "low"]
    unordered = read_cells(pd.Series(pd.Categorical([3, 1, None])))
    assert unordered.nominal
    assert unordered.text.tolist() == ["3", "1", None]


def test_read_numbers_other_cells_stay_words() -> None:
    cells = read_numbers(pd.Series(["1.0", "007", "x", "NA", ""]))
    assert cells.text.tolist() == ["1", "7", "x", None, None]
    assert read_numbers(pd.Series(["1_000"])).text.tolist() == ["1_000"]


def test_read_text_numbers_are_named_by_their_value() -> None:
    assert read_text(pd.Series([1.0, np.nan])).text.tolist() == ["1", None]
    assert read_text(pd.Series(["1.0", "01"])).text.tolist() == ["1.0", "01"]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (["1", "2"], "int64"),
        (["1", ""], "Int64"),
        (["1.5", ""], "float64"),
        (["inf", "1"], "float64"),
        (["01", ""], "string"),
    ],
)
def test_as_column_is_read_back_as_it_was(values: list[str], dtype: str) -> None:
    cells = read_cells(pd.Series(values))
    column = cells.as_column(pd.RangeIndex(2), "a")
    assert column.dtype == dtype
    assert stored_cells(column).text.tolist() == cells.text.tolist()


def test_counts_are_those_of_the_values() -> None:
    cells = read_cells(pd.Series(["b", "a", "", "b"]))
    assert cells.counts == {"b": 2, "a": 1}
    assert cells.present.tolist() == [True, True, False, True]
