from __future__ import annotations

import pandas as pd
import pytest

from auditor.records import AuditResult
from auditor.report.view.selection_rates import selection_rates
from auditor.run_folder import RunFolder


def _result(run: RunFolder) -> AuditResult:
    """The result of a run with two sensitive attributes."""
    result = run.read_result()
    about = {"selected": "functional", "sensitive": ["cell", "line"]}
    config = {**result.provenance.config, "about": about}
    provenance = result.provenance.model_copy(update={"config": config})
    provenance.__dict__.pop("stated", None)  # the cached reading of the former configuration
    return result.model_copy(update={"provenance": provenance})


@pytest.fixture
def samples() -> pd.DataFrame:
    """Ten of A with six selected, eight of B with two, one of unknown cell."""
    return pd.DataFrame(
        {
            "cell": ["A"] * 10 + ["B"] * 8 + ["(missing)"],
            "line": (["x"] * 5 + ["y"] * 5) + ["x"] * 4 + ["y"] * 4 + [None],
            "predicted": ["functional"] * 6
            + ["defective"] * 4
            + ["functional"] * 2
            + ["defective"] * 6
            + ["functional"],
        }
    )


def test_rates_and_ratios_equal_a_calculation_by_hand(
    run_folder: RunFolder, samples: pd.DataFrame
) -> None:
    found = selection_rates(_result(run_folder), samples)
    assert found is not None
    assert found.selected == "functional"
    cell, line, crossed = found.tables
    assert [(one.names, one.support, one.selected) for one in cell.categories] == [
        (("A",), 10, 6),
        (("B",), 8, 2),
    ]
    assert [one.rate for one in cell.categories] == [0.6, 0.25]
    assert [one.ratio for one in cell.categories] == [1.0, pytest.approx(0.25 / 0.6)]
    assert cell.unknown == line.unknown == crossed.unknown == 1
    # Of A: all five in x, one of five in y; of B: two of four in x, none in y.
    assert [(one.names, one.rate) for one in crossed.categories] == [
        (("A", "x"), 1.0),
        (("A", "y"), 0.2),
        (("B", "x"), 0.5),
        (("B", "y"), 0.0),
    ]


def test_without_selected_samples_there_is_no_ratio(
    run_folder: RunFolder, samples: pd.DataFrame
) -> None:
    found = selection_rates(_result(run_folder), samples.assign(predicted="defective"))
    assert found is not None
    assert {one.ratio for each in found.tables for one in each.categories} == {None}


def test_missing_sensitive_attribute_is_listed(
    run_folder: RunFolder, samples: pd.DataFrame
) -> None:
    found = selection_rates(_result(run_folder), samples.drop(columns="line"))
    assert found is not None
    assert found.absent == ("line",)
    assert len(found.tables) == 1


def test_category_under_2_percent_is_marked(run_folder: RunFolder) -> None:
    # 1 of 51 is 1.96 %, 1 of 50 exactly 2 %.
    for n_others, is_small in ((50, True), (49, False)):
        samples = pd.DataFrame({"cell": ["A"] * n_others + ["B"], "predicted": "functional"})
        found = selection_rates(_result(run_folder), samples)
        assert found is not None
        assert [one.is_small for one in found.tables[0].categories] == [False, is_small]


@pytest.mark.parametrize(("shows_slice", "expected"), [(False, [3, 3, 5]), (True, [3, 3, 0])])
def test_table_that_withholds_a_shown_slice_is_empty(
    run_folder: RunFolder, shows_slice: bool, expected: list[int]
) -> None:
    # The 4 of B and x are withheld, and with them the smallest others of their row and column, 20 and
    # 12, and then 30. If the table of slices shows the 12, then they reveal the 4.
    counts = {"A": (12, 30, 40), "B": (4, 20, 50), "C": (60, 60, 60)}
    pairs = [
        (cell, line)
        for cell, row in counts.items()
        for line, n in zip("xyz", row, strict=True)
        for _ in range(n)
    ]
    samples = pd.DataFrame(pairs, columns=["cell", "line"]).assign(predicted="functional")
    result = _result(run_folder)
    changed = {"attributes": {"cell": "A", "line": "x"}, "label": None}
    slices = [result.slices[0].model_copy(update=changed)] if shows_slice else []
    found = selection_rates(result.model_copy(update={"slices": slices}), samples, 10)
    assert found is not None
    assert [len(one.categories) for one in found.tables] == expected
