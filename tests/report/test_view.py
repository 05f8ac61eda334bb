from __future__ import annotations

import pandas as pd

from auditor.records import AuditResult
from auditor.report import words
from auditor.report.view.report_view import build_view
from auditor.run_folder import RunFolder


def test_findings_stand_gravest_first_with_their_images(run_folder: RunFolder) -> None:
    view = build_view(run_folder)
    first = view.findings[0]
    assert [one.record.severity for one in view.findings] == ["alert", "alert", "warning", "note"]
    assert first.blocks
    assert first.attributes == ("cell",)
    assert [one.sample for one in first.cards] == first.record.samples[:6]
    assert all(one.failure and len(one.maps) == 2 for one in first.cards)
    # The contrast comes from the slice that is accused, and is right.
    assert first.contrasts
    assert all(dict(one.attributes)["cell"] == "mono" for one in first.contrasts)
    assert not any(one.failure for one in first.contrasts)
    assert {one.value for one in first.means} == {"mono", "poly"}
    assert first.limit == 0.05


def test_an_untestable_finding_has_no_images(run_folder: RunFolder) -> None:
    last = build_view(run_folder).findings[-1]
    assert last.record.verdict == "untestable"
    assert last.cards == ()


def test_the_confusion_matrix_counts_every_evaluated_sample(run_folder: RunFolder) -> None:
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


def test_the_verdict_claims_no_more_than_was_tested(run_folder: RunFolder) -> None:
    view = build_view(run_folder)
    assert view.verdict.state == "blocked"
    assert view.verdict.reason.startswith("2 findings reach the severity “alert”")
    assert {one.support < 30 for one in view.untested} == {True}


def test_failures_that_may_be_the_datas_fault_are_marked_and_counted_in_words(
    run_folder: RunFolder,
) -> None:
    view = build_view(run_folder)
    result = run_folder.read_result()
    assert result.data_faults is not None
    assert view.accuracy is not None
    marked = {one.sample: one.fault for one in view.failures if one.fault}
    assert sorted(marked.values()) == [
        "a copy has another label; label doubtful",
        "label doubtful",
    ]
    assert set(marked) == set(result.data_faults.samples)
    assert not any(one.fault for finding in view.findings for one in finding.contrasts)
    n_correct = view.summary.n_evaluated - view.summary.n_failures
    without = n_correct / (view.summary.n_evaluated - 2)
    assert (
        f"Of {view.summary.n_failures} failures, 2 may be the data’s fault (copies with different "
        f"labels 1, suspected label errors 2; some for two reasons). Without these samples the "
        "accuracy would be "
        f"{100 * without:.1f}\u202f%" in view.data_faults
    )
    # An addition: the headline stays what it was.
    assert view.accuracy.value == n_correct / view.summary.n_evaluated


def test_a_result_of_an_older_version_says_nothing_of_the_datas_fault(
    run_folder: RunFolder,
) -> None:
    result = run_folder.read_result()
    assert words.data_faults(result.model_copy(update={"data_faults": None})) == ""
    said = result.model_dump(mode="json")
    del said["data_faults"]
    assert AuditResult.model_validate(said).data_faults is None
