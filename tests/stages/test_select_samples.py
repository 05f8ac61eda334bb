from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

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


def test_only_the_failures_with_the_largest_loss_are_explained_and_the_rest_is_counted() -> None:
    data = frame(
        [("a", "b", "x"), ("a", "b", "x"), ("b", "a", "y"), ("a", "a", "x"), ("b", "b", "y")]
    )
    section = ExplainSection(max_failures=2, mean_cells=0)
    selection = select_samples(data, np.array([2, 0, 1]), ["site"], section, 0)  # by loss
    assert [job.row for job in selection.jobs if job.kind == "failure"] == [2, 0]
    assert [job.row for job in selection.jobs if job.kind == "contrast"] == [4, 3]
    assert [one.check for one in selection.skipped] == ["explain", "mean maps"]
    assert selection.skipped[0].reason == (
        "no maps of 1 of 3 failures: those of the 2 with the largest loss were made "
        "(explain.max_failures)"
    )


def test_limit_above_the_number_of_failures_changes_nothing() -> None:
    data = frame([("a", "b", "x"), ("a", "a", "x"), ("b", "a", "y"), ("b", "b", "y")])
    failures = np.array([2, 0])
    without, with_limit = (
        select_samples(data, failures, ["site"], ExplainSection(max_failures=most), 0)
        for most in (None, 2)
    )
    assert without.jobs == with_limit.jobs
    assert without.skipped == with_limit.skipped


def _slowly_matched(data: pd.DataFrame, failures: NDArray[np.int64], seed: int) -> list[int]:
    """Failure after failure takes the last sample of its pool: of its slice, then of its label."""
    correct = np.random.default_rng(seed).permutation(np.flatnonzero(~data["failure"]))
    label, site = data["label"].tolist(), data["site"].tolist()
    taken: list[int] = []
    left = [int(row) for row in failures]
    for key in (list(zip(label, site, strict=True)), label):
        pools: dict[object, list[int]] = {}
        for row in correct:
            if int(row) not in taken:
                pools.setdefault(key[row], []).append(int(row))
        unmatched = []
        for row in left:
            if pools.get(key[row]):
                taken.append(pools[key[row]].pop())
            else:
                unmatched.append(row)
        left = unmatched
    return taken


@pytest.mark.parametrize("seed", range(8))
def test_contrasts_are_those_of_taking_one_after_another(seed: int) -> None:
    random = np.random.default_rng(seed)
    columns = [random.choice(list(values), 90).tolist() for values in ("ab", "ab", "uvwxyz")]
    data = frame(list(zip(*columns, strict=True)))
    failures = random.permutation(np.flatnonzero(data["failure"]))
    selection = select_samples(data, failures, ["site"], ExplainSection(mean_cells=0), seed)
    contrast = [job.row for job in selection.jobs if job.kind == "contrast"]
    assert contrast == _slowly_matched(data, failures, seed)


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
