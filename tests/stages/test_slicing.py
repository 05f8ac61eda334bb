"""Attributes become categories and slices; strange columns never break an audit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.config import SliceSection
from auditor.records import MISSING
from auditor.stages.slicing import slice_samples

CLASSES = ("cat", "dog")


def _usable(n: int = 40, **attributes: Any) -> pd.DataFrame:
    label = ["cat", "dog"] * (n // 2)
    frame = pd.DataFrame({"sample": [f"s{k}" for k in range(n)], "failure": [False] * n})
    frame["label"] = pd.Categorical(label, categories=CLASSES)
    for name, values in attributes.items():
        frame[name] = pd.Series(values, dtype=object) if isinstance(values, list) else values
    return frame


def _categories(values: Any, **section: Any) -> list[str]:
    frame = _usable(len(values), a=values)
    cut = slice_samples(frame, None, CLASSES, ("a",), SliceSection(min_support=2, **section))
    return list(cut.predictions["a"].cat.categories)


def test_numbers_are_cut_at_quantiles_with_readable_names() -> None:
    ages = np.arange(0, 80)
    assert _categories(ages) == ["under 20", "20–39", "40–59", "60 and over"]
    assert _categories(np.linspace(0, 1, 80)) == [
        "under 0.25",
        "0.25–0.5",
        "0.5–0.75",
        "0.75 and over",
    ]
    assert _categories(np.linspace(-4, 4, 80)) == ["under -2", "-2 to 0", "0 to 2", "2 and over"]


def test_stated_edges_belong_to_the_upper_band_and_hold_for_the_reference() -> None:
    frame = _usable(6, age=[17, 18, 64, 65, None, 90])
    trained = pd.DataFrame(
        {"label": ["cat", "dog", "eel", "cat"], "age": ["70", "unknown", "3", None]}
    )
    cut = slice_samples(frame, trained, CLASSES, ("age",), SliceSection(edges={"age": (18, 65)}))
    assert cut.predictions["age"].tolist() == [
        "under 18",
        "18–64",
        "18–64",
        "65 and over",
        MISSING,
        "65 and over",
    ]
    assert cut.reference is not None
    assert cut.reference["age"].tolist() == ["65 and over", "unknown", MISSING]
    assert any("'eel'" in one.reason for one in cut.skipped)


def test_skewed_numbers_keep_every_band_filled() -> None:
    counts = np.array([0] * 70 + list(range(1, 11)))
    bands = _categories(counts)
    assert bands == ["under 1", "1 and over"]


def test_values_missing_or_true_or_few_stay_as_they_are() -> None:
    assert _categories([True, False] * 20) == ["false", "true"]
    assert _categories([1.0, 2.0, np.nan, 10.0] * 10) == ["1", "2", "10", MISSING]
    assert _categories(["b", "a", None, " "] * 10) == ["a", "b", MISSING]
    assert _categories([1, "one", 2.5, None] * 10) == ["1", "2.5", "one", MISSING]
    assert _categories([f"{k}" for k in range(40)]) == ["under 10", "10–19", "20–29", "30 and over"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([None] * 40, "no sample has a value"),
        (["x"] * 40, "every sample has the value 'x'"),
        ([f"patient {k}" for k in range(40)], "40 values for 40 samples"),
    ],
)
def test_what_cannot_be_compared_is_said(values: list[Any], reason: str) -> None:
    cut = slice_samples(_usable(40, a=values), None, CLASSES, ("a",), SliceSection())
    assert cut.attributes == ()
    assert cut.slices == ()
    assert reason in cut.skipped[0].reason


def test_slices_are_the_rows_that_a_plain_loop_finds() -> None:
    rng = np.random.default_rng(3)
    frame = _usable(200, sex=rng.choice(["f", "m"], 200).tolist(), age=rng.integers(0, 90, 200))
    cut = slice_samples(frame, None, CLASSES, ("sex", "age"), SliceSection(min_support=20))
    names = [str(one.key) for one in cut.slices]
    assert names[:2] == ["sex = f", "sex = m"]
    assert names[6:8] == ["sex = f, label = cat", "sex = f, label = dog"]
    for one in cut.slices:
        expected = [
            k
            for k, row in enumerate(cut.predictions.itertuples(index=False))
            if all(getattr(row, name) == value for name, value in one.key.attributes.items())
            and one.key.label in {None, row.label}
        ]
        assert one.rows.tolist() == expected
        assert len(one.key.attributes) < 2 or one.support >= 20
    assert any(len(one.key.attributes) == 2 for one in cut.slices)
    assert not any(
        len(one.key.attributes) == 2
        for one in slice_samples(
            frame, None, CLASSES, ("sex", "age"), SliceSection(intersections=False)
        ).slices
    )


_cell = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.just(pd.NA)
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_cell, min_size=0, max_size=40), st.lists(_cell, max_size=8))
def test_any_column_gives_slices_or_a_reason(values: list[Any], trained: list[Any]) -> None:
    frame = _usable(2 * len(values), a=values * 2)
    reference = pd.DataFrame({"label": ["cat"] * len(trained)})
    reference["a"] = pd.Series(trained, dtype=object)
    cut = slice_samples(frame, reference, CLASSES, ("a",), SliceSection(min_support=2))
    assert bool(cut.attributes) != bool(cut.skipped)
    if cut.attributes:
        whole = [one for one in cut.slices if one.key.label is None]
        assert sorted(np.concatenate([one.rows for one in whole])) == list(range(len(frame)))
