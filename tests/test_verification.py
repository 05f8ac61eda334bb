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
from auditor.manifest import write_manifest
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
    write_manifest(store.path)
    return store


def test_verify_untouched_run_is_intact(run: RunFolder) -> None:
    found = verify(run.path)
    assert found.ok
    assert found.n_files == len(list(run.path.rglob("*.*"))) - 1  # the manifest itself


def test_verify_names_altered_missing_and_added_files(run: RunFolder) -> None:
    with (run.path / "report.html").open("a") as page:
        page.write("all is well")
    (run.path / "explanations" / "maps-00000.parquet").unlink()
    (run.path / "approval.txt").write_text("signed")
    found = verify(run.path)
    assert not found.ok
    assert found.altered == ("report.html",)
    assert found.missing == ("explanations/maps-00000.parquet",)
    assert found.added == ("approval.txt",)


def test_verify_rewritten_manifest_is_revealed_by_the_noted_seal(run: RunFolder) -> None:
    seal = verify(run.path).full_seal
    text = (run.path / "audit.json").read_text().replace('"gate": "alert"', '"gate": null')
    (run.path / "audit.json").write_text(text)
    write_manifest(run.path)
    assert verify(run.path).ok  # the folder alone does not show it
    (contradiction,) = verify(run.path, expected_seal=seal).contradictions
    assert seal in contradiction


@pytest.mark.parametrize("name", ["report.html", "report.pdf"])
def test_forged_document_is_revealed_by_the_noted_seal(run: RunFolder, name: str) -> None:
    before = verify(run.path)
    (run.path / name).write_text("Passes")
    write_manifest(run.path)
    assert verify(run.path).ok  # the folder alone does not show it
    assert not verify(run.path, expected_seal=before.full_seal).ok
    found = verify(run.path, expected_seal=before.seal)
    assert found.ok
    assert found.results_only


def test_seal_is_the_hash_of_the_list_of_all_hashes(run: RunFolder) -> None:
    files = sorted(
        one for one in run.path.rglob("*") if one.is_file() and one.name != "manifest.json"
    )
    lines = sorted(
        (one.relative_to(run.path).as_posix(), hashlib.sha256(one.read_bytes()).hexdigest())
        for one in files
    )
    text = "".join(f"{digest}  {name}\n" for name, digest in lines)
    assert verify(run.path).full_seal == hashlib.sha256(text.encode()).hexdigest()


def test_verify_predictions_contradicting_the_result_are_reported(run: RunFolder) -> None:
    path = run.path / "predictions.parquet"
    table = pd.read_parquet(path)
    wrong = (table["label"] != table["predicted"]) & (table["status"] == "ok")
    table["predicted"] = table["label"]
    table.to_parquet(path)
    write_manifest(run.path)
    assert verify(run.path).contradictions == (
        f"summary.n_failures: audit.json has {wrong.sum()}, predictions.parquet has 0",
    )


@pytest.mark.parametrize("content", [b"not parquet", b"PAR1"])
def test_verify_unreadable_predictions_are_reported(run: RunFolder, content: bytes) -> None:
    (run.path / "predictions.parquet").write_bytes(content)
    found = verify(run.path)
    assert found.altered == ("predictions.parquet",)
    assert "can't be read" in found.contradictions[0]


def test_verify_edited_manifest_is_reported(run: RunFolder) -> None:
    path = run.path / "manifest.json"
    raw = json.loads(path.read_text())
    raw["files"]["audit.json"] = "0" * 64
    path.write_text(json.dumps(raw))
    found = verify(run.path)
    assert found.altered == ("audit.json",)
    assert "seal" in found.contradictions[0]


def test_verify_command_exit_codes(run: RunFolder) -> None:
    command = CliRunner()
    done = command.invoke(app, ["verify", str(run.path)])
    assert done.exit_code == 0, done.output
    seal = verify(run.path).full_seal
    assert seal in done.stdout
    assert command.invoke(app, ["verify", str(run.path), "--seal", seal]).exit_code == 0
    assert command.invoke(app, ["verify", str(run.path), "--seal", "0" * 64]).exit_code == 1
    (run.path / "added.txt").touch()
    done = command.invoke(app, ["verify", str(run.path)])
    assert (done.exit_code, "added.txt" in done.stdout) == (1, True)
    assert command.invoke(app, ["verify", str(run.path.parent)]).exit_code == 2
    (run.path / "manifest.json").unlink()
    assert command.invoke(app, ["verify", str(run.path)]).exit_code == 2
