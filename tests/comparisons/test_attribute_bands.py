from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from auditor.comparisons.attribute_bands import AttributeColumn
from auditor.records import MISSING


def categories(values: Any) -> list[str]:
    column = AttributeColumn(pd.Series(values, dtype=object if isinstance(values, list) else None))
    return list(column.cut(column.edges(None, quantiles=4)).categories)


def test_numbers_are_cut_at_quantiles_into_bands_with_rounded_names() -> None:
    ages = np.arange(0, 80)
    assert categories(ages) == ["under 20", "20–39", "40–59", "60 and over"]
    assert categories(np.linspace(0, 1, 80)) == [
        "under 0.25",
        "0.25–0.5",
        "0.5–0.75",
        "0.75 and over",
    ]
    assert categories(np.linspace(-4, 4, 80)) == ["under -2", "-2 to 0", "0 to 2", "2 and over"]


def test_bands_of_skewed_numbers_are_never_empty() -> None:
    counts = np.array([0] * 70 + list(range(1, 11)))
    bands = categories(counts)
    assert bands == ["under 1", "1 and over"]


def test_text_booleans_and_few_numbers_keep_their_values() -> None:
    assert categories([True, False] * 20) == ["false", "true"]
    assert categories([1.0, 2.0, np.nan, 10.0] * 10) == ["1", "2", "10", MISSING]
    assert categories(["b", "a", None, " "] * 10) == ["a", "b", MISSING]
    assert categories([1, "one", 2.5, None] * 10) == ["1", "2.5", "one", MISSING]
    assert categories([f"{k}" for k in range(40)]) == ["under 10", "10–19", "20–29", "30 and over"]


def test_value_at_an_edge_belongs_to_the_upper_band() -> None:
    column = AttributeColumn(pd.Series([17, 18, 64, 65, None, 90], dtype=object))
    cut = column.cut(column.edges((65.0, 18.0), quantiles=4))
    expected = ["under 18", "18–64", "18–64", "65 and over", MISSING, "65 and over"]
    assert list(cut) == expected


def test_given_categories_come_first_even_if_they_do_not_occur() -> None:
    cut = AttributeColumn(pd.Series(["b", "d"])).cut(None, first=["c", "b"])
    assert list(cut.categories) == ["c", "b", "d"]


def test_words_in_a_numeric_column_stay_words() -> None:
    cut = AttributeColumn(pd.Series(["70", "unknown", None]), numeric=True).cut((18.0, 65.0))
    assert list(cut) == ["65 and over", "unknown", MISSING]
