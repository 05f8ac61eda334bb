"""Cells as spreadsheets and other programs write them."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from auditor.attributes.cells import read_cells
from auditor.attributes.guess import guess_type

SIZES = [k / 2 for k in range(40)]


@pytest.mark.parametrize(
    ("cells", "kind", "numbers"),
    [
        ([f"{one} mm" for one in SIZES], "numeric", SIZES),
        ([f"{one}  %" for one in SIZES], "numeric", SIZES),
        ([*(f"{one} mm" for one in SIZES[:20]), *(f"{one} cm" for one in SIZES[:20])], None, None),
        (["1.5 T", "3 T"] * 20, "categorical", None),
        ([f"{k:02d} mm" for k in range(40)], None, None),  # codes
        (["True", "False"] * 20, "categorical", None),
        ([True, False] * 20, "categorical", None),
        (["yes", "no"] * 20, "categorical", None),
        (["01", "1", "02"] * 20, None, None),
    ],
)
def test_cells_are_read_by_what_they_mean(
    cells: list[Any], kind: str | None, numbers: list[float] | None
) -> None:
    read = read_cells(pd.Series(cells))
    assert (None if read.numbers is None else read.numbers.tolist()) == numbers
    if kind is not None:
        assert guess_type(read)[0] == kind
    if numbers is None:
        assert [str(one) for one in cells] == read.text.tolist()


def test_dates_keep_their_order() -> None:
    dates = ["2023-01-05", "2024-02-01", "2023-07-09"] * 20
    kinds = [
        guess_type(read_cells(one))[0]
        for one in (pd.Series(dates), pd.to_datetime(dates).to_series())
    ]
    assert kinds[0] == kinds[1]
