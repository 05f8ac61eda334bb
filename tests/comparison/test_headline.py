from __future__ import annotations

from pathlib import Path

from builders.compared_runs import compared_runs, finding
from builders.small_runs import predictions, small_run

from auditor.comparison import compare, summary
from auditor.comparison.headline import headline, highlights


def test_run_compared_with_itself_has_no_change(tmp_path: Path) -> None:
    one, _ = compared_runs(tmp_path, range(10))
    found = compare(one, one)
    assert (found.broken, found.fixed, found.moved, found.differences) == ([], [], 0, [])
    assert not found.blocking
    outcome = headline(found)
    assert outcome.text == "No outcome changed"
    assert "cannot be ruled out" in outcome.reason
    assert found.remarks == ["Both runs audited the same weights."]


def test_better_overall_and_worse_in_a_slice_leads_with_what_changed_overall(
    tmp_path: Path,
) -> None:
    # Site B, at every third and fourth place, fails 80 times before; site A 30 times after.
    site_a = [k for k in range(200) if k % 4 < 2]
    site_b = [k for k in range(200) if k % 4 >= 2]
    before, after = compared_runs(tmp_path, site_b[:80], site_a[:30])
    found = compare(before, after)
    outcome = headline(found)
    assert outcome.state == "undecided"
    assert outcome.text.startswith("Better overall, worse in ")
    # 120 and 170 of 200 are correct.
    assert outcome.reason.startswith(
        "The accuracy on the same samples rose from 60.0 % to 85.0 %: +25 points (95 % interval +"
    )
    shown = highlights(found)
    assert {one.style for one in shown if one.improves} == {"good"}
    assert {one.style for one in shown if not one.improves} == {"alert"}


def test_headline_says_what_became_of_the_main_finding(tmp_path: Path) -> None:
    alert, note = finding("class-gap", "alert", name="F1"), finding(severity="note", name="F2")
    table = predictions(200, range(0, 200, 5))
    one = small_run(tmp_path / "a", table, findings=[note, alert])
    for name, left, end in (("b", [note], "is gone"), ("c", [alert], "is still there")):
        other = small_run(tmp_path / name, table, findings=left)
        assert headline(compare(one, other)).finding == (
            f"The main finding of the earlier audit {end}: {alert.title}."
        )
    empty = small_run(tmp_path / "d", table)
    assert headline(compare(empty, one)).finding == ""


def test_highlights_name_slices_and_findings(tmp_path: Path) -> None:
    found = compare(
        small_run(tmp_path / "a", predictions(200), findings=[finding("representation")]),
        small_run(tmp_path / "b", predictions(200, range(0, 200, 5)), findings=[finding()]),
    )
    shown = highlights(found)
    # 40 of 200 samples are broken: 20 points.
    assert shown[0].text.startswith("all samples: the error rate rose by 20 points (95 % interval")
    assert shown[0].text.endswith("40 broken and 0 fixed of 200.")
    assert [one.tag for one in shown][-2:] == ["New: warning", "Gone: warning"]
    assert "findings: 1 new, 1 gone" in summary(found)
