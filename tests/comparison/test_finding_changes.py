from __future__ import annotations

from pathlib import Path

from builders.compared_runs import finding
from builders.small_runs import predictions, small_run

from auditor.comparison import compare
from auditor.comparison.finding_changes import finding_changes
from auditor.records import Effect, Skipped, SliceKey, TestedRecord

CONFUSION = SliceKey(label="intact", predicted="broken")
REVERSE = SliceKey(label="broken", predicted="intact")


def test_findings_are_matched_by_check_and_slice_not_by_id(tmp_path: Path) -> None:
    b = SliceKey(attributes={"site": "B"})
    table = predictions(60)
    before = small_run(
        tmp_path / "a", table,
        findings=[
            finding(name="F1", severity="alert"),
            finding(name="F2", key=b, severity="note"),
            finding("representation", name="F3"),
            finding("confusion-pairs", name="F4", key=CONFUSION),
            finding("label-association", name="F5"),
        ],
    )  # fmt: skip
    after = small_run(
        tmp_path / "b", table,
        findings=[
            finding("performance-gap", name="F1", key=b, severity="alert"),
            finding("label-association", name="F2", verdict="untestable"),
            finding(name="F3", severity="note"),
            finding("confusion-pairs", name="F4", key=REVERSE),
        ],
        skipped=[Skipped(check="representation", reason="switched off in the configuration")],
    )  # fmt: skip
    found = compare(before, after).findings
    ids = [
        (
            one.status,
            one.check,
            one.before.id if one.before else "",
            one.after.id if one.after else "",
        )
        for one in found
    ]
    assert ids == [
        ("new", "confusion-pairs", "", "F4"),
        ("graver", "performance-gap", "F2", "F1"),
        ("stayed", "label-association", "F5", "F2"),
        ("milder", "performance-gap", "F1", "F3"),
        ("gone", "representation", "F3", ""),
        ("gone", "confusion-pairs", "F4", ""),
    ]
    cautions = {(one.status, one.check): one.caution for one in found}
    assert cautions["gone", "confusion-pairs"] is None
    assert "switched off" in str(cautions["gone", "representation"])
    assert cautions["stayed", "label-association"] == "the later run could not test it"


def test_finding_changes_gone_finding_states_what_the_later_test_saw(tmp_path: Path) -> None:
    table = predictions(60)
    tested = TestedRecord(
        check="performance-gap",
        title="",
        slice=SliceKey(attributes={"site": "A"}),
        effect=Effect(name="error-rate gap", value=0.08, low=-0.01, high=0.17, unit="points"),
        limit=0.05,
        p_value=0.04,
        q_value=0.3,
        level=0.002,
        support=30,
        reason="may be chance",
    )
    before = small_run(tmp_path / "a", table, findings=[finding()]).read_result()
    after = before.model_copy(update={"findings": [], "tested": [tested]})
    (change,) = finding_changes(before, after)
    assert change.status == "gone"
    assert change.caution == (
        "the later run tested it: error-rate gap +8 points (−1 to +17), may be chance"
    )
