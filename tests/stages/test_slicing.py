"""Attributes become categories and slices, whatever their columns contain."""

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


def usable(n: int = 40, **attributes: Any) -> pd.DataFrame:
    label = ["cat", "dog"] * (n // 2)
    frame = pd.DataFrame({"sample": [f"s{k}" for k in range(n)], "failure": [False] * n})
    frame["label"] = pd.Categorical(label, categories=CLASSES)
    for name, values in attributes.items():
        frame[name] = pd.Series(values, dtype=object) if isinstance(values, list) else values
    return frame


def test_configured_edges_also_apply_to_the_reference() -> None:
    frame = usable(6, age=[17, 18, 64, 65, None, 90])
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


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([None] * 40, "no sample has a value"),
        (["x"] * 40, "every sample has the value 'x'"),
        ([f"patient {k}" for k in range(40)], "40 values for 40 samples"),
    ],
)
def test_attribute_that_cannot_be_compared_is_reported_as_skipped(
    values: list[Any], reason: str
) -> None:
    cut = slice_samples(usable(40, a=values), None, CLASSES, ("a",), SliceSection())
    assert cut.attributes == ()
    assert cut.slices == ()
    assert reason in cut.skipped[0].reason


def test_slices_equal_those_of_a_plain_loop() -> None:
    rng = np.random.default_rng(3)
    frame = usable(200, sex=rng.choice(["f", "m"], 200).tolist(), age=rng.integers(0, 90, 200))
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
    frame = usable(2 * len(values), a=values * 2)
    reference = pd.DataFrame({"label": ["cat"] * len(trained)})
    reference["a"] = pd.Series(trained, dtype=object)
    cut = slice_samples(frame, reference, CLASSES, ("a",), SliceSection(min_support=2))
    assert bool(cut.attributes) != bool(cut.skipped)
    if cut.attributes:
        whole = [one for one in cut.slices if one.key.label is None]
        assert sorted(np.concatenate([one.rows for one in whole])) == list(range(len(frame)))
