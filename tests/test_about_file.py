from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders.small_runs import predictions, small_run
from typer.testing import CliRunner

from auditor.cli import app
from auditor.manifest import read_manifest
from auditor.run_folder import RunFolder
from auditor.verification import verify


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return small_run(tmp_path / "run", predictions(wrong=range(8)))


def render(run: RunFolder, text: str, tmp_path: Path) -> tuple[int, str]:
    path = tmp_path / "about.yaml"
    path.write_text(text, encoding="utf-8")
    done = CliRunner().invoke(
        app, ["render", str(run.path), "--about", str(path), "--format", "markdown,html"]
    )
    return done.exit_code, " ".join(done.output.split())


def test_later_statements_are_shown_with_their_date_and_listed_in_the_manifest(
    run: RunFolder, tmp_path: Path
) -> None:
    seal = read_manifest(run.path).seal
    before = (run.path / "audit.json").read_bytes()
    code, _ = render(run, "about:\n  purpose: sorts screws\n  persons: B. Meyer\n", tmp_path)
    assert code == 0
    page = (run.path / "report.html").read_text("utf-8")
    assert "sorts screws" in page
    assert "after the audit" in page
    manifest = read_manifest(run.path)
    assert manifest.seal == seal
    assert "about.json" in manifest.files
    assert "about.json" in manifest.rendered[-1].files
    assert (run.path / "audit.json").read_bytes() == before
    assert verify(run.path).ok


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("purpos: x", "did you mean 'purpose'"),
        ("sensitive: [site]", "audit again with the changed configuration"),
        ("selected: nobody", "about.selected: expected one of the classes"),
        ("{}", "expected statements such as"),
        ("[a]", "expected"),
        ("purpose: [1, 2]", "about.purpose"),
    ],
)
def test_statements_that_cannot_be_used_are_refused(
    text: str, message: str, run: RunFolder, tmp_path: Path
) -> None:
    code, output = render(run, text, tmp_path)
    assert code == 2
    assert message in output
    assert not (run.path / "about.json").exists()


def test_damaged_statements_are_one_message(run: RunFolder, tmp_path: Path) -> None:
    assert render(run, "purpose: x", tmp_path)[0] == 0
    (run.path / "about.json").write_text(json.dumps({"about": 3}))
    done = CliRunner().invoke(app, ["render", str(run.path), "--format", "markdown"])
    assert done.exit_code == 2
    assert "auditor render --about" in " ".join(done.output.split())
