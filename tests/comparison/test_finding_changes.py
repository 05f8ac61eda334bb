from __future__ import annotations

from pathlib import Path

from builders.compared_runs import finding
from builders.small_runs import predictions, small_run

from auditor.comparison import compare, summary
from auditor.comparison.finding_changes import PairedSupport, finding_changes
from auditor.records import Effect, Skipped, SliceKey, TestedRecord

CONFUSION = SliceKey(label="intact", predicted="broken")
REVERSE = SliceKey(label="broken", predicted="intact")


def chance(effect: Effect) -> TestedRecord:
    """A test of site A that may be chance."""
    return TestedRecord(
        check="performance-gap",
        title="",
        slice=SliceKey(attributes={"site": "A"}),
        effect=effect,
        limit=0.05,
        p_value=0.04,
        q_value=0.3,
        level=0.002,
        support=30,
        reason="may be chance",
    )


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
        ("unjudged", "representation", "F3", ""),
        ("gone", "confusion-pairs", "F4", ""),
    ]
    cautions = {(one.status, one.check): one.caution for one in found}
    assert cautions["gone", "confusion-pairs"] is None
    assert "switched off" in str(cautions["unjudged", "representation"])
    assert cautions["stayed", "label-association"] == "the later run could not test it"


def test_finding_changes_gone_finding_states_what_the_later_test_saw(tmp_path: Path) -> None:
    table = predictions(60)
    effect = Effect(name="error-rate gap", value=0.08, low=-0.01, high=0.17, unit="points")
    before = small_run(tmp_path / "a", table, findings=[finding()]).read_result()
    after = before.model_copy(update={"findings": [], "tested": [chance(effect)]})
    (change,) = finding_changes(before, after, PairedSupport())
    assert change.status == "gone"
    assert change.caution == (
        "the later run tested it: error-rate gap +8 points (−1 to +17), may be chance"
    )


def test_finding_changes_later_interval_with_the_earlier_gap_cannot_be_judged(
    tmp_path: Path,
) -> None:
    before = small_run(tmp_path / "a", predictions(60), findings=[finding()]).read_result()
    # The gap was 20 points, with a limit of 5.
    for low, high, status in ((-0.1, 0.26, "unjudged"), (-0.1, 0.19, "gone")):
        effect = Effect(name="error-rate gap", value=0.08, low=low, high=high, unit="points")
        after = before.model_copy(update={"findings": [], "tested": [chance(effect)]})
        (change,) = finding_changes(before, after, PairedSupport())
        assert change.status == status


def test_finding_changes_with_few_pairs_no_finding_counts_as_gone(tmp_path: Path) -> None:
    key = SliceKey(attributes={"site": "B"})
    table = predictions(200, site=["A"] * 150 + ["B"] * 50)
    one = small_run(tmp_path / "a", table, findings=[finding(), finding(key=key, name="F2")])
    # The later run has 10 samples of site B; slices need 20.
    two = small_run(tmp_path / "b", table.head(160))
    found = {str(each.slice): each for each in compare(one, two).findings}
    assert found["site = A"].status == "gone"
    assert found["site = B"].status == "unjudged"
    assert found["site = B"].caution == "only 10 samples of this slice could be compared"
    # Of all samples, the gate needs 100.
    three = small_run(tmp_path / "c", table.head(60))
    few = compare(one, three)
    assert few.exit_code == 4
    assert {each.status for each in few.findings} == {"unjudged"}
    text = summary(few)
    assert "Cannot be judged." in text
    assert "only 60 of 200 samples of the earlier run could be compared" in text
    assert "is gone:" in text
    assert "It cannot be judged whether the main finding of the earlier audit is gone" in text
    assert "Gone" not in text
