"""Attributes that identify samples or clusters, that have many values, or that are spelled oddly."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from auditor.attributes.categories import categories_of
from auditor.attributes.cells import read_cells
from auditor.attributes.identifiers import cluster_hint
from auditor.attributes.typed_columns import typed_column
from auditor.comparisons.trends import OrderedBands
from auditor.datasets.label_sets import map_label_sets
from auditor.datasets.labels import map_labels
from auditor.errors import DataError
from auditor.phrasing import is_or_are, reading_order
from auditor.phrasing.clusters import cluster_count
from auditor.records import OTHER_VALUES, AttributeSpec
from auditor.records.audit_data import OrderedValues
from auditor.statistics import kish_size
from auditor.statistics.bands import band_edges

_MANY = [f"v{k}" for k in range(77)]


@pytest.mark.parametrize(
    ("name", "sizes", "is_text", "hint"),
    [
        ("who", [2] * 116 + [1] * 64, True, True),  # 180 patients with 296 X-rays
        ("patient_id", [2] * 116 + [1] * 64, False, True),
        ("PatientID", [10] * 20, False, True),
        ("video", [30] * 6, True, True),
        ("who", [1] * 296, True, False),  # one value a sample: nothing belongs together
        ("who", [40] + [1] * 100, True, False),  # one default value, all others unique
        ("site", [30] * 6, True, False),
        ("patient", [150, 150], True, False),  # a yes/no attribute
        ("weight", [2] * 116 + [1] * 64, False, False),  # measurements repeat by chance
    ],
)
def test_column_that_may_be_a_cluster_is_noted(
    name: str, sizes: list[int], *, is_text: bool, hint: bool
) -> None:
    note = cluster_hint(name, sizes, is_text=is_text)
    assert (note is not None) == hint
    if note is not None:
        assert f"set `data: {{group: {name}}}`" in note.text
        assert "samples were taken to be independent" in note.text


@pytest.mark.parametrize(
    ("values", "kept", "n_pooled"),
    [
        # One value of 37 samples among 78: it stays, the other 77 are one slice.
        (["large"] * 37 + _MANY, ["large", OTHER_VALUES], 77),
        (["a"] * 20 + ["b"] * 10 + _MANY, ["a", "b", OTHER_VALUES], 77),
    ],
)
def test_large_values_of_a_long_attribute_stay_slices(
    values: list[str], kept: list[str], n_pooled: int
) -> None:
    cells = read_cells(pd.Series(values))
    spec = AttributeSpec(name="x", type="categorical", guessed=True)
    found = categories_of(cells, spec, stated_edges=None, quantiles=4, min_support=10)
    assert found.record.left_out is None
    assert sorted(found.column.categories, key=kept.index) == kept
    assert found.record.n_pooled == n_pooled


def test_attribute_without_a_large_value_still_identifies_samples() -> None:
    cells = read_cells(pd.Series(_MANY * 2))
    spec = AttributeSpec(name="x", type="categorical", guessed=True)
    found = categories_of(cells, spec, stated_edges=None, quantiles=4, min_support=10)
    assert found.record.left_out is not None
    assert "it identifies samples rather than groups" in found.record.left_out


ORDERS = [
    ["1–10", "11–100", "101 and over"],
    ["1-10", "11-100", "101-1000"],
    ["<18", "18-64", ">64"],
    ["under 18", "18–64", "65 and over"],
    ["under -5", "-5 to 3", "3 and over"],
    ["0-9", "10-19", "100+"],
    ["2 mg", "10 mg", "100 mg"],
    ["1", "11", "101"],
    ["2023-01", "2023-11", "2024-02"],
    ["cat", "dog"],
]


@pytest.mark.parametrize("ordered", ORDERS)
def test_values_that_begin_with_a_number_are_ordered_by_it(ordered: list[str]) -> None:
    shuffled = sorted(ordered, reverse=True)
    assert sorted(shuffled, key=lambda one: reading_order({"x": one})) == ordered
    cells = read_cells(pd.Series(shuffled * 20))
    typed = typed_column(pd.Series(shuffled * 20), None, "x")
    found = categories_of(cells, typed.spec, stated_edges=None, quantiles=4, min_support=10)
    assert list(found.column.categories) == ordered


@pytest.mark.parametrize(
    "cells",
    [
        ["2023-01-05", "2023-11-05", ""],
        ["true", "False", ""],
        ["10 mg", "2 mg", "n/a"],
        ["3,5", "4,5", "x"],
        ["007", "01", "1"],
        ["é", "\u4e2d", "\U0001f600"],
        ["-1", "999", "0"],
    ],
)
def test_odd_cells_are_kept(cells: list[str]) -> None:
    read = read_cells(pd.Series(cells))
    assert [one or "" for one in read.text] == cells


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["c", "a"], "1 of 2 samples has another label: 'c' (1 sample, first s0)"),
        (["c", "c"], "2 of 2 samples have other labels: 'c' (2 samples, first s0)"),
    ],
)
def test_unknown_labels_are_counted_in_samples(labels: list[str], words: str) -> None:
    with pytest.raises(DataError) as caught:
        map_labels(pd.Series(labels, index=["s0", "s1"]), ("a", "b"))
    assert words in str(caught.value)


def test_unknown_labels_of_a_multi_label_task_are_counted_in_samples() -> None:
    labels = pd.Series([("a", "x", "y"), ("a",)], index=["s0", "s1"], dtype=object)
    with pytest.raises(DataError) as caught:
        map_label_sets(labels, ("a", "b"))
    assert "1 of 2 samples has another label: 'x' (1 sample, first s0); 'y'" in str(caught.value)


def test_numbers_in_sentences_agree() -> None:
    assert [is_or_are(*one) for one in ((1, 30), (0, 1), (0, 30), (30, 30))] == [
        *("is", "is"),
        *("are", "are"),
    ]
    assert cluster_count(69, "sample") == "69 samples"
    assert cluster_count(69, "patient") == "69 clusters by patient"
    assert cluster_count(1, "patient", named=False) == "1 cluster"
    assert np.isfinite(reading_order({"x": "1e+06 and over"})[0][2])


@pytest.mark.parametrize("number", ["1e+101", "-1.7976931348623157e+308"])
def test_number_that_no_difference_can_be_taken_of_is_refused(number: str) -> None:
    column = pd.Series(["1", number, "3"])
    with pytest.raises(DataError, match=r"at most 1e\+100 in size.*row 2 .*data\.missing"):
        typed_column(column, None, "v")
    with pytest.raises(DataError, match="'v, in the training data': expected numbers of at most"):
        typed_column(pd.Series(["1", "2", "3"]), column, "v")
    assert typed_column(column, None, "v", missing=[number]).cells.counts == {"1": 1, "3": 1}


@pytest.mark.parametrize("scale", [5e-324, 1e-310, 1e-5, 1e90])
def test_numbers_of_any_scale_are_cut_into_bands(scale: float) -> None:
    edges = band_edges(np.arange(80, dtype=np.float64) * scale, None, 4)
    assert edges
    assert np.isfinite(edges).all()


def test_centre_of_a_band_with_infinite_numbers_is_finite() -> None:
    numbers = np.repeat([-np.inf, 1.0, 2.0, 3.0, np.inf], 20)
    bands = OrderedBands.of("v", OrderedValues(numbers, ()), 20)
    # Infinite numbers count as the smallest and the largest finite one, 1 and 3.
    assert bands.centres == pytest.approx([1, 1, 2, 3, 3])


def test_effective_size_of_large_weights_is_finite() -> None:
    # (2 · 1e308)² / (2 · 1e616) = 2 of two equal weights.
    assert kish_size(np.array([1e308, 1e308, 0.0])) == pytest.approx(2)
