"""What commands print, which options they take, and where they find the user's code."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders.configurations import write_config
from builders.small_runs import predictions, small_run
from rich.console import Console
from typer.testing import CliRunner, Result

from auditor import cli, terminal
from auditor.classifiers.python import PythonClassifier
from auditor.console import PlainConsole
from auditor.errors import ModelError
from auditor.progress import Bars, Lines, time_left
from auditor.records import CriterionResult
from auditor.report.renderers.html import HtmlReport
from auditor.run_folder import RunFolder

MARKUP = ("x[/v2]", "[bold]run", "[link=a]b[/link]", "a\\[b]", "end\\", ":smile:", "[/]")


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(one) for one in arguments])


@pytest.mark.parametrize("name", MARKUP)
def test_name_of_a_run_is_printed_as_it_is_by_every_command(name: str, tmp_path: Path) -> None:
    one = small_run(tmp_path / name, predictions(60), name=name)
    two = small_run(tmp_path / "b", predictions(60), name=name)
    for arguments in (
        ("verify", one.path),
        ("render", one.path, "--format", "csv"),
        ("compare", one.path, two.path, "--out", tmp_path / f"{name}out", "--quiet"),
    ):
        done = invoke(*arguments)
        assert done.exit_code == 0, done.output
        assert done.stderr == ""
    assert str(one.path) in invoke("render", one.path, "--format", "csv").stdout
    assert str(tmp_path / f"{name}out") in done.stdout


@pytest.mark.parametrize("name", MARKUP)
def test_result_of_a_run_with_markup_in_its_names_is_printed_to_the_end(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = small_run(tmp_path / name, predictions(60), name=name)
    (run.path / "report.html").touch()
    for console in (PlainConsole(), Console()):
        terminal.print_result(console, run.read_result(), run.path, "5ea1")
        shown = capsys.readouterr().out
        assert f"report: {run.path}/report.html" in shown
        assert "seal: 5ea1" in shown


@pytest.mark.parametrize("name", MARKUP)
def test_message_and_stage_with_markup_are_displayed_as_they_are(name: str) -> None:
    for make in (
        Lines,
        lambda stream: Bars(Console(file=stream, force_terminal=True, width=90)),
    ):
        stream = io.StringIO()
        display = make(stream)
        with display.stage(name, 1) as advance:
            display.doing(name)
            advance(1)
        display.message(name)
        assert name in stream.getvalue()
        assert stream.getvalue().splitlines()[-1].removeprefix("\x1b[?25h") == name


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        (["--format", "csv", "--format", "json"], {"tables", "json"}),
        (["--format", "csv,json"], {"tables", "json"}),
        (["--format", " csv , json ", "--format", "csv"], {"tables", "json"}),
        (["--format", "csv"], {"tables"}),
    ],
)
def test_render_writes_every_format_that_is_named(
    arguments: list[str], written: set[str], tmp_path: Path
) -> None:
    run = small_run(tmp_path / "run", predictions(60))
    done = invoke("render", run.path, *arguments)
    assert done.exit_code == 0, done.output
    *paths, seal = done.stdout.splitlines()
    assert {"json" if path.suffix else path.name for path in map(Path, paths)} == written
    assert len(paths) == len(set(paths))
    assert seal.startswith("seal: ")


@pytest.mark.parametrize("formats", ["", ",", "csv,nope", "csv,,json", "../x"])
def test_unknown_format_is_a_usage_error(formats: str, tmp_path: Path) -> None:
    run = small_run(tmp_path / "run", predictions(60))
    done = invoke("render", run.path, "--format", formats)
    assert done.exit_code == 2
    assert "expected one of the renderer plug-ins" in done.stderr


def test_disk_that_is_full_while_rendering_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = small_run(tmp_path / "run", predictions(60))

    def full(*_: object) -> Path:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(run.path / "report.html"))

    monkeypatch.setattr(HtmlReport, "render", full)
    done = invoke("render", run.path, "--format", "html")
    assert done.exit_code == 2
    assert "report.html: expected space on the disk; No space left on device" in done.stderr


# Criteria that do not block.


def _criterion(name: str, state: str, *, blocking: bool) -> CriterionResult:
    return CriterionResult.model_validate(
        {
            "id": name, "name": name, "metric": "accuracy", "bound": "at least", "threshold": 0.9,
            "unit": "share", "estimate": None, "support": 5, "state": state, "configured": True,
            "statement": "", "blocking": blocking,
        }
    )  # fmt: skip


def test_criteria_that_are_not_met_without_blocking_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = small_run(tmp_path / "run", predictions(60))
    criteria = [
        _criterion("A", "undecided", blocking=False),
        _criterion("B", "missed", blocking=False),
        _criterion("C", "met", blocking=False),
        _criterion("D", "undecided", blocking=True),
    ]
    result = run.read_result().model_copy(update={"criteria": criteria})
    terminal.print_result(PlainConsole(), result, run.path, "5ea1")
    shown = capsys.readouterr().out
    assert "missed, without blocking the gate: B\n" in shown
    assert "undecided, without blocking the gate: A\n" in shown


@pytest.mark.parametrize(
    ("n_unusable", "line"),
    [
        (24, "184 of 208 samples evaluated (24 unusable): accuracy 92.4 %, 14 failures"),
        (0, "208 of 208 samples evaluated: accuracy 93.3 %, 14 failures"),
    ],
)
def test_printed_result_says_how_many_of_the_samples_were_evaluated(
    n_unusable: int, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = ["missing"] * n_unusable + ["ok"] * (208 - n_unusable)
    run = small_run(tmp_path / "run", predictions(208, range(100, 114), status=status))
    terminal.print_result(PlainConsole(), run.read_result(), run.path, "5ea1")
    assert line in capsys.readouterr().out.splitlines()


# Progress.


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 s left"),
        (40, "40 s left"),
        (99.4, "99 s left"),
        (99.6, "2 min left"),
        (600, "10 min left"),
        (5999, "1 h 40 min left"),
        (19792, "5 h 30 min left"),
        (3600 * 47.9, "47 h 54 min left"),
        (3600 * 50, "2 days 2 h left"),
    ],
)
def test_time_left_has_two_units_at_most(seconds: float, text: str) -> None:
    assert time_left(seconds) == text


def test_lines_names_the_item_that_comes_next() -> None:
    stream = io.StringIO()
    display = Lines(stream, every=0.0)
    with display.stage("judge", 2) as advance:
        for check in ("label-errors", "leakage"):
            display.doing(check)
            advance(1)
    assert stream.getvalue().splitlines() == [
        "judge: 0/2, next label-errors",
        "judge: 1/2, next leakage",
        "judge: 2/2",
    ]


def test_bars_names_the_item_that_comes_next() -> None:
    stream = io.StringIO()
    display = Bars(Console(file=stream, force_terminal=True, width=100))
    with display.stage("judge", 2) as advance:
        display.doing("label-errors")
        advance(1)
    assert "judge label-errors" in stream.getvalue()


# The user's code.


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for name in [one for one in sys.modules if one.startswith("odd_factory_")]:
        del sys.modules[name]


def _factory(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("from torch import nn\n\n\ndef build():\n    return nn.Conv2d(3, 2, 1)\n")


def _load(config: Path, name: str, path: str | None = None) -> str:
    given = {"factory": f"{name}:build"} | ({} if path is None else {"path": path})
    classifier = PythonClassifier.model_validate(given, context={"base": config})
    before = list(sys.path)
    description = classifier.load().description
    assert sys.path == before
    return description


def test_module_beside_the_configuration_is_found(folder: Path) -> None:
    _factory(folder / "odd_factory_beside.py")
    assert _load(folder, "odd_factory_beside").startswith("Conv2d of odd_factory_beside:build")


def test_module_that_is_a_link_is_found(folder: Path) -> None:
    _factory(folder / "elsewhere" / "odd_factory_link.py")
    (folder / "code").mkdir()
    (folder / "code" / "odd_factory_link.py").symlink_to("../elsewhere/odd_factory_link.py")
    assert _load(folder, "odd_factory_link", "code").startswith("Conv2d")


def test_package_and_folder_that_are_links_are_found(folder: Path) -> None:
    _factory(folder / "elsewhere" / "odd_factory_pkg" / "__init__.py")
    (folder / "code").mkdir()
    (folder / "code" / "odd_factory_pkg").symlink_to("../elsewhere/odd_factory_pkg")
    (folder / "linked").symlink_to("code")
    assert _load(folder, "odd_factory_pkg", "linked").startswith("Conv2d")


def test_installed_module_comes_before_the_folder_of_the_configuration(folder: Path) -> None:
    (folder / "colorsys.py").write_text("raise RuntimeError\n")
    sys.modules.pop("colorsys", None)
    with pytest.raises(ModelError, match=r"expected 'build' in colorsys"):
        _load(folder, "colorsys")


def test_module_that_is_nowhere_is_refused_with_both_places(folder: Path) -> None:
    with pytest.raises(ModelError) as caught:
        _load(folder, "odd_factory_absent")
    assert f"in {folder} or in this environment" in str(caught.value)
    assert "set `model.path` to its folder" in str(caught.value)


# Streams that are closed or full.


@pytest.mark.parametrize(
    ("arguments", "code"), [("--help", 0), ("schema config", 0), ("verify nowhere", 2)]
)
def test_closed_pipe_changes_no_exit_code(arguments: str, code: int, tmp_path: Path) -> None:
    script = (
        "import os, sys\n"
        "read, write = os.pipe()\n"
        "os.close(read)\n"
        "os.dup2(write, 1)\n"
        "from auditor.cli import main\n"
        f"sys.argv = ['auditor', *{arguments.split()!r}]\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])},
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("arguments", [["--help"], ["schema", "config"], ["init", "."]])
def test_full_output_is_exit_code_2(arguments: list[str], tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "auditor", *arguments], cwd=tmp_path, stdout=full,
            stderr=subprocess.PIPE, text=True, check=False,
            env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])},
        )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: expected space on the disk; No space left on device")


def test_run_checks_its_output_folder_before_the_data(tmp_path: Path) -> None:
    config = write_config(tmp_path, {})  # its table does not exist
    (tmp_path / "file").touch()
    done = invoke("run", config, "--out", tmp_path / "file" / "run")
    assert done.exit_code == 2
    assert "expected a folder; Not a directory" in done.stderr


def test_long_title_gives_a_short_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    seen: list[Path] = []

    def begin(out: Path, *, overwrite: bool = False, resume: bool = False) -> None:
        del overwrite, resume
        seen.append(out)
        raise KeyboardInterrupt

    monkeypatch.setattr(RunFolder, "require_place", begin)
    done = invoke("run", write_config(tmp_path, {"name": "\u4e2d" * 500}))
    assert done.exit_code == 130
    assert len(f"{seen[0].name}.unfinished".encode()) <= 255
