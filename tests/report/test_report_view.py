from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from auditor.records import Estimate, SliceRecord
from auditor.report.view.report_view import build_view
from auditor.run_folder import RunFolder


def test_findings_are_ordered_by_severity(run_folder: RunFolder) -> None:
    view = build_view(run_folder)
    assert [one.record.severity for one in view.findings] == [
        "alert",
        "alert",
        "warning",
        "note",
        "note",
    ]
    assert [one.blocks for one in view.findings] == [True, True, False, False, False]
    assert view.counts == (("alert", 2), ("warning", 1), ("note", 2))


def test_confusion_matrix_counts_every_evaluated_sample(run_folder: RunFolder) -> None:
    view = build_view(run_folder)
    table = pd.read_parquet(run_folder.path / "predictions.parquet")
    good = table[table.status == "ok"]
    expected = pd.crosstab(good.label, good.predicted)
    for row, label in enumerate(view.confusion.classes):
        for column, predicted in enumerate(view.confusion.classes):
            assert view.confusion.counts[row][column] == expected.loc[label, predicted]
    assert sum(view.confusion.supports) == view.summary.n_evaluated


def test_failures_are_ranked_by_loss_and_name_their_findings(run_folder: RunFolder) -> None:
    view = build_view(run_folder)
    losses = [one.loss for one in view.failures]
    assert losses == sorted(losses, reverse=True)
    assert len(view.failures) == view.summary.n_explained
    named = {one.sample: one for one in view.failures}[view.findings[0].record.samples[0]]
    assert view.findings[0].anchor in named.findings


def test_failures_that_may_be_the_datas_fault_are_marked(run_folder: RunFolder) -> None:
    view = build_view(run_folder)
    result = run_folder.read_result()
    assert result.data_faults is not None
    marked = {one.sample: one.fault for one in view.failures if one.fault}
    assert sorted(marked.values()) == [
        "a copy has another label; label doubtful",
        "label doubtful",
    ]
    assert set(marked) == set(result.data_faults.samples)
    assert not any(one.fault for finding in view.findings for one in finding.contrasts)


def test_untested_slices_are_those_with_too_few_samples(run_folder: RunFolder) -> None:
    assert {one.support < 30 for one in build_view(run_folder).untested} == {True}


def test_slice_exceeds_the_limit_if_its_gap_is_larger_and_significant(
    run_folder: RunFolder,
) -> None:
    view = build_view(run_folder)
    assert (view.max_gap, view.alpha) == (0.05, 0.05)

    def exceeds(gap: float, q_value: float | None) -> bool:
        return view.exceeds_limit(
            SliceRecord(
                attributes={},
                label=None,
                support=100,
                n_failures=10,
                error_rate=None,
                gap=Estimate(value=gap, low=gap, high=gap),
                p_value=q_value,
                q_value=q_value,
            )
        )

    assert exceeds(0.06, 0.04)
    assert not exceeds(0.05, 0.04)
    assert not exceeds(0.06, 0.06)
    assert not exceeds(0.06, None)
    assert not replace(view, max_gap=None).exceeds_limit(view.slices[0])


def test_ratio_counts_where_a_significant_gap_is_within_its_limit(run_folder: RunFolder) -> None:
    view = build_view(run_folder)
    gap, ratio = Estimate(value=0.03, low=0.02, high=0.04), Estimate(value=4.0, low=2.5, high=6.0)
    small = view.slices[0].model_copy(update={"gap": gap, "ratio": ratio, "q_value": 0.001})
    assert view.counts_by_ratio(small)
    large = gap.model_copy(update={"value": 0.2})
    better = ratio.model_copy(update={"value": 0.5})
    for other in ({"gap": large}, {"q_value": 0.2}, {"ratio": None}, {"ratio": better}):
        assert not view.counts_by_ratio(small.model_copy(update=other))


def test_version_1_run_shows_the_same_findings(example_v1: Path) -> None:
    view = build_view(RunFolder.open(example_v1))
    first = view.findings[0]
    # As read from `audit.json` by eye.
    assert [(one.record.severity, one.record.verdict) for one in view.findings[:3]] == [
        ("alert", "confirmed"),
        ("note", "supported"),
        ("note", "observed"),
    ]
    assert first.record.title.startswith("19 % of the samples with mark = present are called 8")
    assert first.held_fixed is not None
    assert first.held_fixed.rows == (
        ("stroke", "+14 (+11 to +18)", "the gap remains"),
        ("all of them and the label, by a regression", "+15 (+11 to +18)", ""),
    )
    assert [one.heading.split(" ")[1] for one in first.interventions] == [
        "swapping",
        "transferring",
        "masking",
    ]
    assert len(first.supporting) == 20  # 23 claims, three of them with the title of another one
    assert len(first.map_shifts) == 2
    assert view.max_gap == 0.05
    assert "186 hypotheses were tested; 45 are significant" in view.correction_text
