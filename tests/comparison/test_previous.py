from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from builders.coded_images import write_audit
from builders.compared_runs import SITE, compared_runs, finding
from builders.small_runs import predictions, small_run
from typer.testing import CliRunner

from auditor.cli import app
from auditor.comparison.previous import store_previous
from auditor.errors import DataError, UsageError
from auditor.manifest import PREVIOUS, read_manifest
from auditor.previous_audit import read_previous
from auditor.records import SliceKey
from auditor.report.view.change_history import change_history
from auditor.report.view.report_view import build_view
from auditor.review_log import add_decision
from auditor.run_folder import RunFolder
from auditor.verification import verify


def invoke(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    return done.exit_code, " ".join(done.output.split())


@pytest.fixture
def runs(tmp_path: Path) -> tuple[RunFolder, RunFolder]:
    """Two audits of 200 samples: 40 failures before, 20 after; a finding is gone, one is new."""
    kept, gone, new = (SliceKey(attributes={"site": name}) for name in ("A", "B", "C"))
    before = small_run(
        tmp_path / "a",
        predictions(200, range(40), site=SITE),
        findings=[finding(key=kept), finding(key=gone, name="F2")],
    )
    after = small_run(
        tmp_path / "b",
        predictions(200, range(20), site=SITE),
        findings=[finding(key=kept, severity="alert"), finding(key=new, name="F2")],
    )
    return before, after


def test_history_holds_both_accuracies_and_what_became_of_the_findings(
    runs: tuple[RunFolder, RunFolder],
) -> None:
    before, after = runs
    stored = store_previous(before, after)
    assert read_previous(after.path) == stored
    assert stored.run_id == "a-20260102T030405Z"
    assert stored.seal == read_manifest(before.path).seal
    assert stored.paired is not None
    assert stored.paired.n == 200
    # 160 of 200 were correct, 180 are.
    assert (stored.paired.before.value, stored.paired.now.value) == (0.8, 0.9)
    assert stored.paired.change.value == pytest.approx(0.1)
    assert stored.paired.change.low < 0.1 < stored.paired.change.high
    found = {one.title: (one.state, one.before, one.now) for one in stored.findings}
    assert found == {
        "performance-gap of site = A": ("still there", "warning", "alert"),
        "performance-gap of site = B": ("gone", "warning", None),
        "performance-gap of site = C": ("new", None, "warning"),
    }
    history = change_history(stored, after.read_result())
    assert history is not None
    assert [one.state for one in history.findings] == [
        "New",
        "Gone",
        "Still there: warning then, alert now",
    ]
    assert history.counts == "Findings: 1 new, 1 gone, 1 still there."
    assert "the accuracy was 80.0 % and is 90.0 %: a change of +10 points" in history.paired
    rows = {name: (then, now) for name, then, now in history.rows}
    assert rows["Model"] == ("SHA-256 aaaaaaaaaaaa…", "changed: bbbbbbbbbbbb…")
    assert rows["Data"][1].startswith("same: ")
    assert rows["Accuracy"][0].startswith("80.0 %")


def test_render_repeats_the_history_after_the_previous_audit_was_removed(
    runs: tuple[RunFolder, RunFolder],
) -> None:
    before, after = runs
    add_decision(before.path, "F2", "accept", reason="rare", reviewer="A. Weiss", role="owner")
    assert invoke("render", before.path, "--format", "html")[0] == 0
    page = (before.path / "report.html").read_text("utf-8")
    assert "Accept the risk: rare" in page
    assert "A. Weiss, owner" in page
    seal = read_manifest(after.path).seal
    assert invoke("render", after.path, "--format", "html", "--previous", before.path)[0] == 0
    shutil.rmtree(before.path)
    assert invoke("render", after.path, "--format", "html")[0] == 0
    page = (after.path / "report.html").read_text("utf-8")
    assert "Changes since the previous audit" in page
    assert "Accept the risk: rare (A. Weiss, owner, " in page
    manifest = read_manifest(after.path)
    assert PREVIOUS in manifest.files
    assert manifest.seal == seal
    assert verify(after.path).ok


def test_decisions_on_another_result_are_not_shown(runs: tuple[RunFolder, RunFolder]) -> None:
    before, after = runs
    add_decision(before.path, "F2", "accept", reason="rare", reviewer="A. Weiss")
    log = before.path / "decisions.json"
    log.write_text(log.read_text("utf-8").replace("rare", "none"), encoding="utf-8")
    review = build_view(before).sign_off.review
    assert review.decisions == {}
    assert "was changed after it was made" in review.fault
    assert {one.decision for one in store_previous(before, after).findings} == {""}


def test_audits_of_other_classes_are_listed_without_a_comparison(tmp_path: Path) -> None:
    before = small_run(tmp_path / "a", predictions(60))
    table = predictions(60).replace({"label": {"broken": "torn"}, "predicted": {"broken": "torn"}})
    after = small_run(tmp_path / "b", table, classes=("intact", "torn"))
    stored = store_previous(before, after)
    assert stored.paired is None
    assert stored.findings == []
    assert "expected the same classes" in stored.not_compared
    assert str(tmp_path) not in stored.not_compared


def redated(run: RunFolder, **changes: Any) -> RunFolder:
    path = run.path / "audit.json"
    content = json.loads(path.read_text("utf-8"))
    content["run"] |= changes
    path.write_text(json.dumps(content), encoding="utf-8")
    return run


def test_audit_is_not_compared_with_itself_or_with_a_later_one(tmp_path: Path) -> None:
    before, after = compared_runs(tmp_path)
    with pytest.raises(UsageError, match="it is the same audit"):
        store_previous(after, after)
    later = redated(before, created_at=datetime(2027, 1, 1, tzinfo=UTC).isoformat())
    with pytest.raises(UsageError, match="expected an earlier audit; it is of 2027-01-01 00:00"):
        store_previous(later, after)
    assert not (after.path / PREVIOUS).exists()


def test_damaged_history_is_one_message(tmp_path: Path) -> None:
    run = small_run(tmp_path / "a", predictions(60))
    (run.path / PREVIOUS).write_text('{"run_id": 3}')
    with pytest.raises(DataError, match="auditor render --previous"):
        build_view(run)


def test_configured_previous_audit_is_read_first_and_shown_at_the_end(tmp_path: Path) -> None:
    config = write_audit(tmp_path / "data", "good", n=60)
    small_run(tmp_path / "first", predictions(60))
    out = tmp_path / "second"
    options = ["--quiet", "--out", out, "--set", "report.formats=[html]"]
    code, output = invoke("run", config, "--set", "report.previous=../no", *options)
    assert code == 2
    assert "expected the folder of a finished run" in output
    invoke("run", config, "--set", "report.previous=../first", *options)
    stored = read_previous(out)
    assert stored is not None
    assert stored.run_id == "first-20260102T030405Z"
    assert "expected the same classes" in stored.not_compared
    assert "Changes since the previous audit" in (out / "report.html").read_text("utf-8")
    assert PREVIOUS in read_manifest(out).files
