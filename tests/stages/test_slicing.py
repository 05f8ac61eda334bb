"""Attributes become categories and slices, whatever their columns contain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.attributes.typed_columns import typed_column
from auditor.config import SliceSection
from auditor.records import MISSING, OTHER_VALUES, RARE_VALUES, StatedType
from auditor.stages.slicing import Slicing, slice_samples

CLASSES = ("cat", "dog")


def _usable(n: int = 40, **attributes: Any) -> pd.DataFrame:
    label = ["cat", "dog"] * (n // 2)
    frame = pd.DataFrame({"sample": [f"s{k}" for k in range(n)], "failure": [False] * n})
    frame["label"] = pd.Categorical(label, categories=CLASSES)
    for name, values in attributes.items():
        frame[name] = pd.Series(values, dtype=object) if isinstance(values, list) else values
    return frame


def _cut(values: Any, stated: StatedType | None = None, **section: Any) -> Slicing:
    """One attribute as an audit slices it: typed first, then stored, then cut."""
    frame = _usable(len(values), a=values)
    typed = typed_column(frame["a"], None, "a", stated, has_edges="edges" in section)
    frame["a"] = typed.cells.as_column(frame.index, "a")
    rule = SliceSection(**{"min_support": 2} | section)
    return slice_samples(frame, None, CLASSES, ("a",), rule, types={"a": typed.spec})


def _categories(values: Any, stated: StatedType | None = None, **section: Any) -> list[str]:
    return list(_cut(values, stated, **section).predictions["a"].cat.categories)


def test_slice_samples_numbers_are_cut_at_quantiles_with_readable_names() -> None:
    ages = np.arange(0, 80)
    assert _categories(ages) == ["under 20", "20–39", "40–59", "60 and over"]
    assert _categories(np.linspace(0, 1, 80)) == [
        "under 0.25",
        "0.25–0.5",
        "0.5–0.75",
        "0.75 and over",
    ]
    assert _categories(np.linspace(-4, 4, 80)) == ["under -2", "-2 to 0", "0 to 2", "2 and over"]
    assert _categories([f"{k}" for k in range(40)]) == ["under 10", "10–19", "20–29", "30 and over"]


def test_slice_samples_stated_edges_hold_for_the_reference_as_well() -> None:
    frame = _usable(6, age=[17, 18, 64, 65, None, 90])
    trained = pd.DataFrame(
        {"label": ["cat", "dog", "eel", "cat"], "age": ["70", "unknown", "3", None]}
    )
    cut = slice_samples(frame, trained, CLASSES, ("age",), SliceSection(edges={"age": (18, 65)}))
    assert cut.predictions["age"].tolist() == [
        "under 18",
        "18–64",  # a band includes its lower edge
        "18–64",
        "65 and over",
        MISSING,
        "65 and over",
    ]
    assert cut.reference is not None
    assert cut.reference["age"].tolist() == ["65 and over", "unknown", MISSING]
    assert any("'eel'" in one.reason for one in cut.skipped)


def test_slice_samples_skewed_numbers_keep_every_band_filled() -> None:
    counts = np.array([0] * 70 + list(range(1, 11)))
    assert _categories(counts, "numeric") == ["under 1", "1 and over"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([True, False] * 20, ["False", "True"]),
        ([1.0, 2.0, np.nan, 10.0] * 10, ["1", "2", "10", MISSING]),
        ([f"{k}" for k in (6, 5, 4, 3, 2, 1)] * 10, ["1", "2", "3", "4", "5", "6"]),
        (np.arange(1, 13).repeat(4), [f"{k}" for k in range(1, 13)]),
        (["01", "1", "10", "2"] * 10, ["01", "1", "2", "10"]),
        (["NA", "None", "GB", "gb"] * 10, ["GB", "NA", "None", "gb"]),
        (["b", "a", None, " "] * 10, ["a", "b", MISSING]),
        ([1, "one", 2.5, None] * 10, ["1", "2.5", "one", MISSING]),
        (pd.Categorical(["b", "c", "a"] * 10, ["c", "b", "a"], ordered=True), ["c", "b", "a"]),
    ],
)
def test_slice_samples_few_values_stay_as_they_are(values: Any, expected: list[str]) -> None:
    assert _categories(values) == expected


def test_slice_samples_stated_types_decide() -> None:
    sites = np.arange(1, 21).repeat(4)
    assert _categories(sites, "numeric") == ["under 6", "6–10", "11–15", "16 and over"]
    assert _categories(sites, "categorical") == [f"{k}" for k in range(1, 21)]
    assert _categories(["l", "s", "m"] * 10, ("s", "m", "l")) == ["s", "m", "l"]
    # An ordinal attribute can have at most 50 values.
    assert _categories(np.arange(60).repeat(2), "ordinal")[0] == "under 15"


def test_slice_samples_rare_values_are_pooled() -> None:
    # 48 values of 5 samples, 8 of 4, 4 of 2: 49 stay, the 7 + 4 rarest are pooled.
    sizes = {f"v{k:02d}": 5 if k < 48 else 4 if k < 56 else 2 for k in range(60)}
    values = [name for name, size in sizes.items() for _ in range(size)]
    cut = _cut(values)
    categories = list(cut.predictions["a"].cat.categories)
    assert categories == [*(f"v{k:02d}" for k in range(49)), OTHER_VALUES]
    assert int((cut.predictions["a"] == OTHER_VALUES).sum()) == 7 * 4 + 4 * 2
    assert cut.records[0].n_pooled == 11
    assert "60 values; the 49 with the most samples" in cut.skipped[0].reason
    assert "the other 11 (36 samples)" in cut.skipped[0].reason
    slices = {one.key.attributes["a"]: one.support for one in cut.slices if one.key.label is None}
    assert slices[OTHER_VALUES] == 36


def test_slice_samples_rare_values_are_one_more_slice() -> None:
    # 20 of 60 samples have values with 5 samples each, and no value has 10 of them.
    values = ["a"] * 40 + [f"r{k % 4}" for k in range(20)]
    cut = _cut(values, min_support=10)
    (rare,) = [one for one in cut.slices if one.key.attributes == {"a": RARE_VALUES}]
    assert rare.tail
    assert rare.rows.tolist() == list(range(40, 60))
    # A single rare value, or rare values that are too few together, are no slice of that kind.
    for others in (["r"] * 5, ["r", "s"] * 2):
        cut = _cut(["a"] * 40 + ["b"] * (20 - len(others)) + others, min_support=10)
        assert all(RARE_VALUES not in one.key.attributes.values() for one in cut.slices)


def test_slice_samples_without_any_value_that_is_not_rare_have_no_slice_of_rare_values() -> None:
    # Together they would be all samples with a value, compared with those without one.
    cut = _cut(["r"] * 6 + ["s"] * 6 + [None] * 20, min_support=10)
    assert all(RARE_VALUES not in one.key.attributes.values() for one in cut.slices)


def test_slice_samples_reference_values_are_pooled_alike() -> None:
    frame = _usable(120, a=[f"v{k:02d}" for k in range(60)] * 2)
    trained = pd.DataFrame({"label": ["cat"] * 3, "a": ["v00", "v59", "new"]})
    cut = slice_samples(frame, trained, CLASSES, ("a",), SliceSection(min_support=2))
    assert cut.reference is not None
    assert cut.reference["a"].tolist() == ["v00", OTHER_VALUES, OTHER_VALUES]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([None] * 40, "no sample has a value"),
        (["x"] * 40, "every sample has the value 'x'"),
        ([f"patient {k}" for k in range(40)], "40 values for 40 samples"),
        ([f"patient {k}" for k in range(120)] * 3, "120 values for 360 samples"),
    ],
)
def test_slice_samples_what_cannot_be_compared_is_left_out(values: list[Any], reason: str) -> None:
    cut = slice_samples(_usable(len(values), a=values), None, CLASSES, ("a",), SliceSection())
    assert cut.attributes == ()
    assert cut.slices == ()
    assert reason in cut.skipped[0].reason
    assert cut.records[0].left_out is not None
    assert reason in cut.records[0].left_out


def test_slice_samples_useless_edges_and_other_spellings_are_noted() -> None:
    frame = _usable(40, site=["01", "02"] * 20)
    trained = pd.DataFrame({"label": ["cat", "dog"], "site": [1, 2]})
    section = SliceSection(edges={"site": (1,), "age": (18,)})
    cut = slice_samples(frame, trained, CLASSES, ("site",), section)
    reasons = [one.reason for one in cut.skipped]
    assert "age: the configuration gives edges, but the data has no such attribute" in reasons
    assert any("site" in one and "the attribute is categorical" in one for one in reasons)
    assert any("the training data has none of the values" in one for one in reasons)


def test_slice_samples_rows_are_those_that_a_plain_loop_finds() -> None:
    rng = np.random.default_rng(3)
    frame = _usable(200, sex=rng.choice(["f", "m"], 200).tolist(), age=rng.integers(0, 90, 200))
    cut = slice_samples(frame, None, CLASSES, ("sex", "age"), SliceSection(min_support=20))
    names = [str(one.key) for one in cut.slices if not one.tail]
    assert names[:2] == ["sex = f", "sex = m"]
    assert names[6:8] == ["sex = f, label = cat", "sex = f, label = dog"]
    for one in cut.slices:
        if one.tail:
            continue
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


def test_slice_samples_three_attributes_are_crossed_on_request() -> None:
    generator = np.random.default_rng(0)
    values = {name: generator.choice(["x", "y"], 400).tolist() for name in ("a", "b", "c")}
    frame = _usable(400, **values)
    cut = slice_samples(frame, None, CLASSES, ("a", "b", "c"), SliceSection(intersections=3))
    triples = [one for one in cut.slices if len(one.key.attributes) == 3]
    assert len(triples) == 8
    for one in triples:
        a, b, c = one.key.attributes.values()
        expected = (frame["a"] == a) & (frame["b"] == b) & (frame["c"] == c)
        assert one.rows.tolist() == np.flatnonzero(expected).tolist()
    plain = slice_samples(frame, None, CLASSES, ("a", "b", "c"), SliceSection())
    assert max(len(one.key.attributes) for one in plain.slices) == 2


def test_slice_samples_ends_of_ordered_attributes_are_slices_of_their_own() -> None:
    ages = np.arange(20, 90).repeat(10)
    cut = _cut(ages, min_support=30)
    ends = [one for one in cut.slices if one.tail]
    # 700 samples: 30 · 2 / 700 = 9 % at each end, so 6 of the 70 ages.
    assert [str(one.key) for one in ends] == ["a = under 26", "a = 84 and over"]
    assert [one.support for one in ends] == [60, 60]
    assert np.array_equal(np.sort(ends[1].rows), np.flatnonzero(ages >= 84))
    assert all(one.key.label is None and len(one.key.attributes) == 1 for one in ends)


# Numbers beyond 1e100 are refused before.
_number = st.floats(-1e100, 1e100) | st.sampled_from([np.nan, np.inf, -np.inf])
_cell = st.one_of(
    st.none(), st.booleans(), st.integers(), _number, st.text(max_size=3), st.just(pd.NA)
)


@settings(max_examples=150)
@given(st.lists(_cell, min_size=0, max_size=40), st.lists(_cell, max_size=8))
def test_slice_samples_any_column_gives_slices_or_a_reason(
    values: list[Any], trained: list[Any]
) -> None:
    frame = _usable(2 * len(values), a=values * 2)
    reference = pd.DataFrame({"label": ["cat"] * len(trained)})
    reference["a"] = pd.Series(trained, dtype=object)
    cut = slice_samples(frame, reference, CLASSES, ("a",), SliceSection(min_support=2))
    assert bool(cut.attributes) != bool(cut.records[0].left_out)
    if cut.attributes:
        whole = [one for one in cut.slices if one.key.label is None and not one.tail]
        assert sorted(np.concatenate([one.rows for one in whole])) == list(range(len(frame)))


@settings(max_examples=100)
@given(st.lists(_cell, min_size=1, max_size=40))
def test_slice_samples_stored_columns_give_the_same_slices(values: list[Any]) -> None:
    raw = _usable(2 * len(values), a=values * 2)
    direct = slice_samples(raw, None, CLASSES, ("a",), SliceSection(min_support=2))
    stored = _cut(values * 2)
    assert stored.predictions["a"].tolist() == direct.predictions["a"].tolist()
    assert [str(one.key) for one in stored.slices] == [str(one.key) for one in direct.slices]
