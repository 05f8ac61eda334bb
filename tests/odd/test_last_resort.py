"""What nobody expected ends a command with exit code 3 and one message, never with exit code 1."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from auditor import cli, terminal
from auditor.traceback_file import keep_traceback

DISK_FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _raising(error: BaseException) -> Callable[..., NoReturn]:
    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    return fail


def _init(folder: Path) -> Result:
    return CliRunner().invoke(cli.app, ["init", str(folder)])


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (TimeoutError("no answer"), "TimeoutError: no answer"),
        (KeyError("label"), "KeyError: 'label'"),
        (SystemExit(0), "SystemExit: 0"),  # of a plug-in: 0 and 1 would be verdicts
        (RuntimeError("first\nsecond"), "RuntimeError: first second"),
        (RecursionError("[/red] deep"), "RecursionError: [/red] deep"),
        (ValueError("caf\udce9.png"), "ValueError: caf\\udce9.png"),
    ],
)
@pytest.mark.parametrize("writable", [True, False])
def test_unexpected_error_is_exit_code_3_with_one_message(
    error: BaseException,
    message: str,
    writable: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("auditor.config.write_starter", _raising(error))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    if not writable:
        monkeypatch.setattr("tempfile.NamedTemporaryFile", _raising(DISK_FULL))
    done = _init(tmp_path)
    assert done.exit_code == 3
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"unexpected error: {message}; ")
    kept = list(tmp_path.iterdir())
    if writable:
        (file,) = kept
        assert line.endswith(f"the traceback is in {file}")
        assert type(error).__name__ in file.read_text(encoding="utf-8")
    else:
        assert not kept
        assert line.endswith("no traceback could be written (No space left on device)")


def test_error_outside_of_a_command_is_exit_code_3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "app", _raising(ImportError("libtorch")))
    monkeypatch.setattr("tempfile.NamedTemporaryFile", _raising(DISK_FULL))
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 3


def test_traceback_that_fits_nowhere_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "traceback.txt").mkdir()  # can't be written
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    assert keep_traceback(tmp_path).startswith("no traceback could be written (")


@pytest.mark.parametrize("name", ["x[/v2]", "[bold]run", "[link=a]b[/link]"])
def test_markup_in_the_name_of_a_folder_is_printed_as_it_is(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    done = _init(folder)
    assert done.exit_code == 0, done.stderr
    assert str(folder) in done.stdout
    missing = CliRunner().invoke(cli.app, ["verify", str(folder)])
    assert missing.exit_code == 2
    assert str(folder) in missing.stderr


@pytest.mark.parametrize("name", ["x[/v2]", "[bold]run"])
def test_path_with_markup_is_printed_as_it_is(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name / "report.html"
    path.parent.mkdir(parents=True)
    path.touch()
    terminal.print_paths(Console(), [path], "report: ")
    assert capsys.readouterr().out == f"report: {path}\n"
