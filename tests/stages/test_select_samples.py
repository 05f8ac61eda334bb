from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.config import ExplainSection
from auditor.stages.select_samples import select_samples


def frame(rows: list[tuple[str, str, str]]) -> pd.DataFrame:
    """Rows of (label, predicted, site)."""
    label, predicted, site = zip(*rows, strict=True)
    return pd.DataFrame(
        {
            "label": pd.Categorical(label, ["a", "b"]),
            "predicted": pd.Categorical(predicted, ["a", "b"]),
            "failure": np.array(label) != np.array(predicted),
            "site": pd.Categorical(site),
        }
    )


def test_failures_come_first_in_their_order_with_both_targets() -> None:
    data = frame([("a", "b", "x"), ("a", "a", "x"), ("b", "a", "y")])
    selection = select_samples(data, np.array([2, 0]), ["site"], ExplainSection(contrast=False), 0)
    first, second = selection.jobs[:2]
    assert (first.row, first.kind, first.targets) == (
        2,
        "failure",
        (("predicted", 0), ("label", 1)),
    )
    assert (second.row, second.targets) == (0, (("predicted", 1), ("label", 0)))


def test_contrast_has_the_slice_of_the_failure_or_else_its_label() -> None:
    data = frame([("a", "b", "x"), ("a", "a", "y"), ("a", "a", "x"), ("b", "b", "x")])
    selection = select_samples(data, np.array([0]), ["site"], ExplainSection(mean_cells=0), 0)
    assert [job.row for job in selection.jobs if job.kind == "contrast"] == [2]
    data = frame([("a", "b", "x"), ("a", "a", "y"), ("b", "b", "x")])
    selection = select_samples(data, np.array([0]), ["site"], ExplainSection(mean_cells=0), 0)
    assert [job.row for job in selection.jobs if job.kind == "contrast"] == [1]


def test_more_cells_than_allowed_are_reported_as_skipped() -> None:
    data = frame([("a", "a", "x"), ("a", "a", "x"), ("b", "b", "y")])
    selection = select_samples(data, np.array([], int), ["site"], ExplainSection(mean_cells=1), 0)
    assert [(cell.value, cell.label) for cell in selection.cells] == [("x", "a")]
    assert "2 pairs" in selection.skipped[0].reason


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from("ab"), st.sampled_from("xyz")),
        min_size=1,
        max_size=60,
    ),
    st.integers(0, 5),
)
def test_any_selection_has_each_sample_once_and_correct_contrasts(
    rows: list[tuple[str, str, str]], seed: int
) -> None:
    data = frame(rows)
    failures = np.flatnonzero(data["failure"])
    selection = select_samples(data, failures, ["site"], ExplainSection(mean_samples=3), seed)
    positions = [job.row for job in selection.jobs]
    assert len(positions) == len(set(positions))
    assert [job.row for job in selection.jobs if job.kind == "failure"] == list(failures)
    contrast = [job.row for job in selection.jobs if job.kind == "contrast"]
    assert not data["failure"].to_numpy()[contrast].any()
    for label in "ab":  # one for each failure of the label, as long as there are correct samples
        of = (data["label"] == label).to_numpy()
        wanted = min(of[failures].sum(), (of & ~data["failure"].to_numpy()).sum())
        assert of[contrast].sum() == wanted
    for cell in selection.cells:
        assert len(cell.rows) <= 3
        assert (data["site"].iloc[cell.rows] == cell.value).all()
        assert (data["label"].iloc[cell.rows] == cell.label).all()
        assert set(cell.rows) <= set(positions)
