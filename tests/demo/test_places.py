"""The demo replaces its own files and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.small_runs import predictions, small_run
from typer.testing import CliRunner

from auditor import demo
from auditor.cli import app
from auditor.demo.places import is_earlier_demo, written_inputs
from auditor.errors import OutputExistsError


def _prepare(case: str, folder: Path, _say: object) -> Path:
    """The files of a demo whose network takes no time to train."""
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "0.png").write_text(case)
    path = folder / "audit.yaml"
    path.write_text(f"name: demo-{case}")
    return path


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "prepare", _prepare)


def _write(folder: Path) -> list[str]:
    said: list[str] = []
    with written_inputs("digits", folder, said.append) as path:
        assert path == folder / "audit.yaml"
    return said


def test_inputs_of_an_earlier_demo_are_replaced(tmp_path: Path) -> None:
    assert _write(tmp_path / "inputs") == _write(tmp_path / "inputs") == []
    assert [one.name for one in tmp_path.iterdir()] == ["inputs"]


@pytest.mark.parametrize("name", ["audit.yaml", "images/0.png", "thesis.tex", "manifest.json"])
def test_inputs_that_were_added_or_changed_are_moved_aside(name: str, tmp_path: Path) -> None:
    _write(tmp_path / "inputs")
    (tmp_path / "inputs" / name).write_text("mine")
    (said,) = _write(tmp_path / "inputs")
    assert said.endswith(f"are now in {tmp_path / 'inputs-1'}")
    assert (tmp_path / "inputs-1" / name).read_text() == "mine"
    assert (tmp_path / "inputs" / "audit.yaml").read_text() == "name: demo-digits"


def test_inputs_of_a_running_demo_are_refused(tmp_path: Path) -> None:
    with (
        written_inputs("digits", tmp_path / "inputs", lambda _text: None),
        pytest.raises(OutputExistsError, match="still running"),
    ):
        _write(tmp_path / "inputs")


def test_only_an_earlier_audit_of_the_example_without_decisions_is_replaced(tmp_path: Path) -> None:
    run = small_run(tmp_path / "run", predictions(20), name="demo-digits")
    assert is_earlier_demo(run.path, "digits")
    assert not is_earlier_demo(run.path, "solar")
    (run.path / "decisions.json").touch()
    assert not is_earlier_demo(run.path, "digits")
    assert not is_earlier_demo(tmp_path / "nothing", "digits")


@pytest.mark.parametrize("out", [True, False])
def test_demo_over_a_real_run_is_refused(
    out: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = small_run(tmp_path / "reports" / "demo-digits", predictions(20), name="real")
    arguments = ["--out", str(run.path)] if out else []
    done = CliRunner().invoke(app, ["demo", "--case", "digits", *arguments])
    assert done.exit_code == 2
    assert "contains a finished run" in done.stderr
    assert run.read_result().run.name == "real"
    assert [one.name for one in run.path.parent.iterdir()] == ["demo-digits"]
