"""Records without ids and paths."""

from __future__ import annotations

from pathlib import Path

from builders.synthetic_run import Plan, build_run

from auditor.config import RedactSection
from auditor.records import MatchedImageRecord, SampleRef, Skipped, Summary
from auditor.records.explanations import MapRecord
from auditor.redaction.copy import write_redacted
from auditor.redaction.records import Renaming, renamed
from auditor.report.gallery import FOLDER


def _names(*, several: bool = False, keeps_paths: bool = False) -> Renaming:
    return Renaming(lambda kind, name: f"{kind}:{len(name)}", str.upper, several, keeps_paths)


def test_renamed_decision_of_a_multi_label_task_keeps_its_label() -> None:
    record = MapRecord(
        sample="secret · cat",
        target="cat",
        role="label",
        map="explanations/maps-00000.parquet#0",
        image="explanations/images-00000.parquet#0",
        mass=1.0,
    )
    shown = renamed(record, _names(several=True))
    assert (shown.sample, shown.target, shown.map) == ("sample:6 · cat", "cat", record.map)


def test_renamed_training_image_has_a_pseudonym_of_its_own_kind() -> None:
    shown = renamed(SampleRef(sample="row 17", label="cat", source="reference"), _names())
    assert shown == SampleRef(sample="training:6", label="cat", source="reference")


def test_renamed_path_is_removed_unless_paths_are_kept() -> None:
    record = MatchedImageRecord(
        sample="x", source="audited", path="a/x.png", image="explanations/m-0.parquet#0"
    )
    assert renamed(record, _names()).path == ""
    assert renamed(record, _names(keeps_paths=True)).path == "a/x.png"


def test_renamed_notes_lose_their_examples_and_reasons_are_counted_together() -> None:
    note = renamed(Skipped(check="data", reason="2 rows, such as ann.png; left out"), _names())
    assert note.reason == "2 ROWS; LEFT OUT"
    summary = Summary(
        n_samples=3,
        n_evaluated=0,
        n_unusable=3,
        n_failures=0,
        n_explained=0,
        accuracy=None,
        unusable={"can't read 'a.png'": 1, "can't read 'b.png'": 2},
    )
    # Both quotations are removed: the reasons are equal then. The apostrophe of "can't" is no quotation mark.
    assert sum(renamed(summary, _names()).unusable.values()) == 3


def test_pages_of_further_failures_are_redacted(tmp_path: Path) -> None:
    plan = Plan(samples=760, side=16, drawn=2, failures=510, guided=False)
    run = build_run(tmp_path / "run", plan)
    made = write_redacted(
        run, tmp_path / "copy", RedactSection(), bytes(range(32)), formats=["html"]
    )
    pages = [*(made.run.path / FOLDER).glob("*.html"), made.run.path / "report.html"]
    assert len(pages) > 2
    assert not [page for page in pages if "cells/0" in page.read_text(encoding="utf-8")]
