"""Several labels per sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from auditor.datasets.label_sets import labels_of_columns, map_label_sets, split_labels
from auditor.errors import DataError

NAMES = ("cat", "dog", "cow")
EXPECTED = [[True, False, True], [False, False, False], [False, True, False]]


def column(*cells: object) -> pd.Series[Any]:
    return pd.Series(list(cells), index=[f"s{k}" for k in range(len(cells))], dtype=object)


@pytest.mark.parametrize(
    "cells",
    [
        (["cat", "cow"], [], ["dog"]),
        (("cow", "cat"), None, "dog"),
        ({"cat", "cow"}, set(), {"dog"}),
        ([0, 2], [], [1]),
        (np.array([0, 2]), np.array([], int), np.array([1])),
        (torch.tensor([0, 2]), torch.tensor([], dtype=torch.int64), torch.tensor([1])),
        (np.array([1, 0, 1]), np.zeros(3), np.array([False, True, False])),
        (torch.tensor([1.0, 0.0, 1.0]), torch.zeros(3), torch.tensor([0, 1, 0])),
        ([2, 0], np.nan, torch.tensor(1)),
        (["cat", "cow", "cat"], [], ["dog", "dog"]),
    ],
    # The text of a set depends on the hash seed; every worker must collect the same names.
    ids=[
        "names",
        "tuples",
        "sets",
        "indices",
        "arrays",
        "tensors",
        "indicator-arrays",
        "indicator-tensors",
        "missing-cell",
        "repeated-names",
    ],
)
def test_label_sets_in_every_form_are_the_same(cells: tuple[object, ...]) -> None:
    assert map_label_sets(column(*cells), NAMES).tolist() == EXPECTED


@pytest.mark.parametrize(
    "cells", [([1, 0, 1], [0, 0, 0]), (np.array([1, 0, 1, 0]),), ([0.0, 0.0, 1.0],)], ids=str
)
def test_zeros_and_ones_that_are_not_recognised_raise_instead_of_being_indices(
    cells: tuple[object, ...],
) -> None:
    with pytest.raises(DataError, match=r"each index at most once.* first s0.*data\.labels"):
        map_label_sets(column(*cells), NAMES)


def test_unknown_label_in_a_row_is_named_with_its_sample() -> None:
    with pytest.raises(DataError, match=r"'zebra'.*first s1"):
        map_label_sets(column(["cat"], ["dog", "zebra"]), NAMES)


def test_split_labels_strips_blanks_and_accepts_empty_cells() -> None:
    cells = split_labels(column("cat | cow", "", None, "dog|", ["dog"]), "|")
    assert cells.tolist() == [("cat", "cow"), (), (), ("dog",), ("dog",)]


def test_columns_of_zeros_and_ones_are_labels() -> None:
    table = pd.DataFrame({"cat": ["1", "0"], "dog": ["true", "0.0"], "cow": ["", "1.0"]})
    assert labels_of_columns(table, NAMES, "t.csv").tolist() == [("cat", "dog"), ("cow",)]


def test_other_values_in_a_column_of_a_label_are_refused() -> None:
    table = pd.DataFrame({"cat": ["1", "maybe"]})
    with pytest.raises(DataError, match="expected 0 or 1 in the column 'cat'; 1 of 2 rows"):
        labels_of_columns(table, ("cat",), "t.csv: data.labels")
