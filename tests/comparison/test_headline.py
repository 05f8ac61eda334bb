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
