from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from auditor.datasets.tables import infer_types, unique_ids


def test_unique_ids_path_that_resembles_an_id_stays_unique() -> None:
    assert unique_ids(["a", "a#2", "a", "a"]) == ["a", "a#2", "a#3", "a#4"]


@pytest.mark.parametrize(
    ("cells", "numeric"),
    [
        (["1", " 2.5", "-3e2"], True),
        (["1", "", "NA"], True),
        (["1", "x"], False),
        (["", ""], False),
        (["1", "inf"], False),
        ([True, False], False),
        ([1, 2], True),
    ],
)
def test_infer_types_is_numeric_only_if_all_cells_are_numbers(
    cells: list[Any], numeric: bool
) -> None:
    (column,) = infer_types(pd.Series(cells))
    assert pd.api.types.is_numeric_dtype(column) == numeric
