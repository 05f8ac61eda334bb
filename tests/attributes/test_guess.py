from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from auditor.attributes.cells import read_cells
from auditor.attributes.guess import guess_type

RNG = np.random.default_rng(0)


def _guess(values: Any) -> str:
    return guess_type(read_cells(pd.Series(values)))[0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (RNG.integers(1, 7, 500), "ordinal"),  # skin types
        (np.where(RNG.random(500) < 0.1, np.nan, RNG.integers(1, 7, 500)), "ordinal"),
        (RNG.integers(1, 13, 500), "ordinal"),  # sites or months
        (RNG.choice([2.5, 5, 10, 20, 40], 500), "ordinal"),  # magnifications
        (RNG.integers(2015, 2025, 500), "ordinal"),  # ten years
        (RNG.integers(1, 31, 1000), "ordinal"),  # thirty sites
        (RNG.choice([101, 107, 212, 219, 305, *range(400, 900, 37)], 1000), "ordinal"),
        (RNG.integers(0, 24, 1000), "ordinal"),  # hours
        (RNG.integers(18, 66, 2000), "numeric"),  # ages of adults
        (RNG.integers(0, 18, 1000) * 5, "numeric"),  # ages rounded to 5 years
        (RNG.integers(1985, 2021, 2000), "numeric"),  # years
        (RNG.geometric(0.2, 1000), "numeric"),  # counts: most values are rare
        (RNG.integers(1, 31, 200), "numeric"),  # thirty sites of seven samples
        (RNG.normal(size=500), "numeric"),
        (np.arange(10), "numeric"),  # ten samples, ten values
        ([0, 1] * 20, "categorical"),
        ([True, False] * 20, "categorical"),
        (["01", "1", "2"] * 20, "categorical"),
        (["1", "2", "x"] * 20, "categorical"),
        (["2024-01-31", "2024-02-01"] * 20, "categorical"),
        ([None] * 20, "categorical"),
        (pd.Categorical(["b", "a"] * 9, ["b", "a"], ordered=True), "ordinal"),
        (pd.Categorical([1, 2, 3] * 9), "categorical"),
    ],
)
def test_guess_type_typical_columns(values: Any, expected: str) -> None:
    assert _guess(values) == expected


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (["01", "1"], "codes such as “01”"),
        (["31"] * 30 + ["unknown"], "97 % are numbers, but 1 cell is not, such as “unknown”"),
        (["1.1", "1.10"], "“1.1” and “1.10” are different"),
        (["red", "blue"], "text"),
        ([1, 2, 3] * 9, "3 different numbers"),
    ],
)
def test_guess_type_gives_its_reason(values: Any, reason: str) -> None:
    assert reason in guess_type(read_cells(pd.Series(values)))[1]
