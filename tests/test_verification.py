from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from builders.small_runs import predictions, small_run
from typer.testing import CliRunner

from auditor.cli import app
from auditor.errors import DataError
from auditor.run_folder import RunFolder
from auditor.verification import verify


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = predictions(90, wrong=range(0, 90, 7))
    return small_run(tmp_path_factory.mktemp("runs") / "run", table).path


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> RunFolder:
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run" / "report.html").write_text("<p>")
    store = RunFolder.open(tmp_path / "run")
    store.write_manifest()
    return store


def test_a_run_that_nobody_touched_is_intact(run: RunFolder) -> None:
    found = verify(run.path)
    assert found.ok
    assert found.n_files == len(list(run.path.rglob("*.*"))) - 1  # the manifest itself


def test_what_was_altered_removed_and_added_is_named(run: RunFolder) -> None:
    with (run.path / "report.html").open("a") as page:
        page.write("all is well")
    (run.path / "explanations" / "maps-00000.parquet").unlink()
    (run.path / "approval.txt").write_text("signed")
    found = verify(run.path)
    assert not found.ok
    assert found.altered == ("report.html",)
    assert found.missing == ("explanations/maps-00000.parquet",)
    assert found.added == ("approval.txt",)


def test_the_seal_can_be_recomputed_with_sha256sum_and_survives_rendering(run: RunFolder) -> None:
    names = sorted(
        path.relative_to(run.path).as_posix()
        for path in [run.path / "audit.json", *run.path.rglob("*.parquet")]
    )
    lines = "".join(
        f"{hashlib.sha256((run.path / name).read_bytes()).hexdigest()}  {name}\n" for name in names
    )
    seal = hashlib.sha256(lines.encode()).hexdigest()
    assert verify(run.path).seal == seal
    with run.rendering():
        (run.path / "report.html").write_text("<p>again")
        (run.path / "report").mkdir()
        (run.path / "report" / "page-2.html").write_text("<p>new")
    found = verify(run.path, expected_seal=seal)
    assert found.ok
    with run.rendering():
        (run.path / "report" / "page-2.html").unlink()
    assert verify(run.path, expected_seal=seal).ok
    told = [one.files for one in run.read_manifest().rendered]
    assert told == [["report.html", "report/page-2.html"], []]


def test_a_new_manifest_does_not_hide_an_altered_result_from_who_knows_the_seal(
    run: RunFolder,
) -> None:
    seal = verify(run.path).seal
    text = (run.path / "audit.json").read_text().replace('"gate": "alert"', '"gate": null')
    (run.path / "audit.json").write_text(text)
    run.write_manifest()
    assert verify(run.path).ok  # nothing in the folder can tell
    (said,) = verify(run.path, expected_seal=seal).contradictions
    assert seal in said


def test_rendering_blesses_nothing_that_was_altered(run: RunFolder) -> None:
    (run.path / "report.pdf").write_text("page 1")
    run.write_manifest()
    (run.path / "report.pdf").write_text("page one")
    (run.path / "added.txt").touch()
    with run.rendering():
        (run.path / "report.html").write_text("<p>again")
    found = verify(run.path)
    assert (found.altered, found.added) == (("report.pdf",), ("added.txt",))
    (run.path / "audit.json").write_text((run.path / "audit.json").read_text() + "\n")
    with (
        pytest.raises(DataError, match=r"audit\.json: expected the file whose SHA-256"),
        run.rendering(),
    ):
        pytest.fail("no document is made of an altered result")


def test_predictions_that_contradict_the_result_are_told_even_with_a_fresh_manifest(
    run: RunFolder,
) -> None:
    path = run.path / "predictions.parquet"
    table = pd.read_parquet(path)
    wrong = (table["label"] != table["predicted"]) & (table["status"] == "ok")
    table["predicted"] = table["label"]
    table.to_parquet(path)
    run.write_manifest()
    assert verify(run.path).contradictions == (
        f"summary.n_failures: audit.json has {wrong.sum()}, predictions.parquet has 0",
    )


@pytest.mark.parametrize("content", [b"not parquet", b"PAR1"])
def test_unreadable_predictions_are_told(run: RunFolder, content: bytes) -> None:
    (run.path / "predictions.parquet").write_bytes(content)
    found = verify(run.path)
    assert found.altered == ("predictions.parquet",)
    assert "can't be read" in found.contradictions[0]


def test_a_manifest_whose_lines_were_edited_is_told(run: RunFolder) -> None:
    path = run.path / "manifest.json"
    raw = json.loads(path.read_text())
    raw["files"]["audit.json"] = "0" * 64
    path.write_text(json.dumps(raw))
    found = verify(run.path)
    assert found.altered == ("audit.json",)
    assert "seal" in found.contradictions[0]


def test_the_command_says_what_happened_by_its_exit_code(run: RunFolder) -> None:
    command = CliRunner()
    done = command.invoke(app, ["verify", str(run.path)])
    assert done.exit_code == 0, done.output
    seal = verify(run.path).seal
    assert seal in done.stdout
    assert command.invoke(app, ["verify", str(run.path), "--seal", seal]).exit_code == 0
    assert command.invoke(app, ["verify", str(run.path), "--seal", "0" * 64]).exit_code == 1
    (run.path / "added.txt").touch()
    done = command.invoke(app, ["verify", str(run.path)])
    assert (done.exit_code, "added.txt" in done.stdout) == (1, True)
    assert command.invoke(app, ["verify", str(run.path.parent)]).exit_code == 2
    (run.path / "manifest.json").unlink()
    assert command.invoke(app, ["verify", str(run.path)]).exit_code == 2
