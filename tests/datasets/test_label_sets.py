"""Several labels per sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from auditor.datasets.label_sets import labels_of_columns, map_label_sets, split_labels
from auditor.errors import DataError

NAMES = ("cat", "dog", "eel")


def series(*cells: Any) -> pd.Series[Any]:
    return pd.Series(cells, index=[f"s{k}" for k in range(len(cells))], dtype=object)


@pytest.mark.parametrize(
    ("cell", "present"),
    [
        (("dog", "cat"), [True, True, False]),
        (["eel"], [False, False, True]),
        ((0, 2), [True, False, True]),
        ("dog", [False, True, False]),
        ((), [False, False, False]),
        (None, [False, False, False]),
        (np.nan, [False, False, False]),
        (np.array([1, 0, 1]), [True, False, True]),
        (np.array([False, True, False]), [False, True, False]),
        ((" Dog ", "cat", "cat"), [True, True, False]),
    ],
)
def test_label_sets_are_matched_by_name_index_or_indicator(cell: Any, present: list[bool]) -> None:
    assert map_label_sets(series(cell), NAMES).tolist() == [present]


def test_unknown_label_in_a_set_is_named_with_its_sample() -> None:
    with pytest.raises(DataError, match=r"'fox' \(1 samples, first s1\)"):
        map_label_sets(series(("cat",), ("dog", "fox")), NAMES)


def test_cells_are_split_without_blanks() -> None:
    cells = series("cat | dog", "", "eel", None)
    assert split_labels(cells, "|").tolist() == [("cat", "dog"), (), ("eel",), ()]


def test_columns_of_zeros_and_ones_are_labels() -> None:
    table = pd.DataFrame({"cat": ["1", "0"], "dog": ["true", "0.0"], "eel": ["", "1.0"]})
    assert labels_of_columns(table, NAMES, "t.csv").tolist() == [("cat", "dog"), ("eel",)]


def test_other_values_in_a_column_of_a_label_are_refused() -> None:
    table = pd.DataFrame({"cat": ["1", "maybe"]})
    with pytest.raises(DataError, match="expected 0 or 1 in the column 'cat'; 1 of 2 rows"):
        labels_of_columns(table, ("cat",), "t.csv: data.labels")
