"""What the file system refuses ends every command with exit code 2 and one message."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from builders.compared_runs import compared_runs
from builders.configurations import write_config
from typer.testing import CliRunner, Result

from auditor import cli, interrupts
from auditor.aborted_runs import kept_or_discarded
from auditor.errors import AuditAbortedError, DataError, FileSystemError, OutputExistsError
from auditor.file_system import refusal, require_writable
from auditor.run_folder import RunFolder
from auditor.traceback_file import keep_traceback

LONG = "x" * 300


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(one) for one in arguments])


def require_one_message(done: Result, *words: str, code: int = 2) -> None:
    assert done.exit_code == code, done.output
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path, {})


WRITING: tuple[tuple[str, ...], ...] = (
    ("run", "CONFIG", "--out", "PLACE"),
    ("explain", "CONFIG", "image.png", "--out", "PLACE"),
    ("demo", "--case", "digits", "--out", "PLACE"),
    ("compare", "A", "B", "--out", "PLACE"),
    ("init", "PLACE"),
)
READING: tuple[tuple[str, ...], ...] = (
    ("run", "PLACE"),
    ("check", "PLACE"),
    ("explain", "PLACE", "image.png"),
    ("plan", "PLACE"),
    ("selftest", "PLACE"),
    ("render", "PLACE"),
    ("verify", "PLACE"),
    ("compare", "PLACE", "B"),
    ("compare", "A", "PLACE"),
)


def prepared(
    command: tuple[str, ...], folder: Path, config: Path, place: Path | str
) -> list[str | Path]:
    names: dict[str, Path | str] = {"CONFIG": config, "PLACE": place}
    if "A" in command or "B" in command:
        one, two = compared_runs(folder / "runs")
        names |= {"A": one.path, "B": two.path}
    return [names.get(word, word) for word in command]


@pytest.mark.parametrize("command", WRITING)
@pytest.mark.parametrize(
    ("place", "word"),
    [
        ("file", ""),  # some commands say what is in the way, in their own words
        ("file/below", "expected a folder; Not a directory: remove the file in its place"),
        ("file/far/below", "expected a folder; Not a directory"),
        (LONG, "expected a shorter name; File name too long"),
        (f"new/{LONG}/below", "expected a shorter name; File name too long"),
        ("loop/below", "expected a path without circular links; Too many levels of symbolic links"),
    ],
)
def test_place_that_cannot_be_a_folder_is_refused_before_anything_is_done(
    command: tuple[str, ...], place: str, word: str, tmp_path: Path, config: Path
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    done = invoke(*prepared(command, tmp_path, config, tmp_path / place))
    require_one_message(done, word)
    left = {one.name for one in tmp_path.iterdir()} - {"runs"}
    assert left == {"file", "loop", config.name}


@pytest.mark.parametrize("command", WRITING)
@pytest.mark.parametrize(
    ("code", "word"),
    [
        (errno.EROFS, "expected a place that can be written; Read-only file system"),
        (errno.EACCES, "expected a place that this user may use; Permission denied"),
        (errno.EPERM, "expected a place that this user may use; Operation not permitted"),
        (errno.ENOSPC, "expected space on the disk; No space left on device: free some space"),
        (errno.EDQUOT, "expected space within the quota"),
        (errno.EIO, "expected a disk without errors"),
    ],
)
def test_place_that_cannot_be_written_is_refused_before_anything_is_done(
    command: tuple[str, ...],
    code: int,
    word: str,
    tmp_path: Path,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = prepared(command, tmp_path, config, tmp_path / "new" / "run")
    monkeypatch.setattr(os, "mkdir", _refusing(code, below=tmp_path))
    require_one_message(invoke(*arguments), word, str(tmp_path))
    assert not (tmp_path / "new").exists()


def _refusing(code: int, below: Path) -> Callable[..., None]:
    real = os.mkdir

    def mkdir(path: str | Path, *others: int) -> None:
        if Path(path).is_relative_to(below):
            raise OSError(code, os.strerror(code), str(path))
        real(path, *others)

    return mkdir


@pytest.mark.parametrize("command", READING)
@pytest.mark.parametrize("place", ["missing", "file/below", LONG, "loop", "a[/b]", ""])
def test_path_that_cannot_be_read_is_refused(
    command: tuple[str, ...], place: str, tmp_path: Path, config: Path
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    require_one_message(
        invoke(*prepared(command, tmp_path, config, tmp_path / "in" / ".." / place))
        if place != "missing"
        else invoke(*prepared(command, tmp_path, config, tmp_path / place))
    )


@pytest.mark.parametrize("command", ["render", "verify"])
@pytest.mark.parametrize("name", ["audit.json", "manifest.json", "predictions.parquet"])
def test_file_of_a_run_that_is_a_folder_is_refused(command: str, name: str, tmp_path: Path) -> None:
    run, _ = compared_runs(tmp_path)
    (run.path / name).unlink()
    (run.path / name).mkdir()
    done = invoke(command, run.path)
    assert done.exit_code in ({1, 2} if command == "verify" else {2})  # 1: altered
    assert "Traceback" not in done.output


def test_run_folder_without_permission_is_not_rendered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = compared_runs(tmp_path)
    monkeypatch.setattr(os, "mkdir", _refusing(errno.EROFS, below=run.path))
    before = sorted(one.stat().st_mtime_ns for one in run.path.rglob("*"))
    require_one_message(invoke("render", run.path, "--format", "html"), "Read-only file system")
    assert before == sorted(one.stat().st_mtime_ns for one in run.path.rglob("*"))


@pytest.mark.parametrize(("name", "shown"), [("run\0", r"run\x00"), ("run\udcff", r"run\udcff")])
def test_folder_whose_name_is_no_text_is_refused_before_anything_is_done(
    name: str, shown: str, tmp_path: Path
) -> None:
    with pytest.raises(FileSystemError) as caught:
        RunFolder.require_place(tmp_path / name)
    assert f"{shown}': expected a path of printable characters" in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_folder_below_the_home_folder_is_found_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert RunFolder.require_place(Path("~/run")) == tmp_path.resolve() / "run"
    with pytest.raises(
        FileSystemError, match="expected a known home folder; there is none for '~no"
    ):
        RunFolder.require_place(Path("~nobody-of-this-name/run"))


def test_folder_that_exists_and_can_be_written_is_accepted(tmp_path: Path) -> None:
    require_writable(tmp_path)
    require_writable(tmp_path / "a" / "b")
    assert not list(tmp_path.iterdir())


def test_other_folder_in_the_place_of_the_unfinished_run_is_kept(tmp_path: Path) -> None:
    valuable = tmp_path / "run.unfinished" / "thesis.tex"
    valuable.parent.mkdir()
    valuable.touch()
    with pytest.raises(OutputExistsError, match=r"run\.unfinished: expected no such place"):
        RunFolder.begin(tmp_path / "run")
    assert valuable.exists()


def test_working_folder_that_was_removed_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    require_one_message(invoke("init", "x"), "expected an existing file or folder")
    os.chdir(tmp_path)


@pytest.mark.parametrize("error", [ConnectionResetError(), OSError("no number"), TimeoutError()])
def test_error_of_a_network_is_no_refusal_of_the_file_system(error: OSError) -> None:
    assert refusal(error) is None


# The folder of an unfinished run: when it is kept, and what is said.

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("error", "work", "raised", "kept", "word"),
    [
        (FULL, "", FileSystemError, False, "expected space on the disk"),
        (FULL, "part", AuditAbortedError, True, "expected space on the disk"),
        (FULL, "all", AuditAbortedError, True, "the results so far are in"),
        (DataError("bad"), "", DataError, False, "bad"),
        (DataError("bad"), "part", AuditAbortedError, True, "bad; the results so far are in"),
        (DataError("bad"), "all", AuditAbortedError, True, "bad; the results so far are in"),
        (ValueError("odd"), "", AuditAbortedError, True, "ValueError: odd; the results so far"),
        (KeyboardInterrupt(), "", KeyboardInterrupt, False, "no folder is left behind"),
        (KeyboardInterrupt(), "part", KeyboardInterrupt, True, "marked as unfinished"),
        (KeyboardInterrupt(), "all", KeyboardInterrupt, True, "marked as unfinished"),
    ],
)
def test_unfinished_folder_is_kept_where_work_is_in_it(
    error: BaseException,
    work: str,
    raised: type[BaseException],
    kept: bool,
    word: str,
    tmp_path: Path,
) -> None:
    folder = RunFolder.begin(tmp_path / "run")
    if work:
        (folder.predicted / "part-00000.parquet").touch()
    if work == "all":
        (folder.path / "predictions.parquet").touch()
    with pytest.raises(raised, match=word), kept_or_discarded(folder):
        raise error
    assert [one.name for one in tmp_path.iterdir()] == (["run.unfinished"] if kept else [])


def test_death_of_a_worker_after_an_interrupt_counts_as_the_interrupt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interrupts, "_received", [2])
    folder = RunFolder.begin(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt), kept_or_discarded(folder):
        raise RuntimeError("DataLoader worker (pid 7) exited unexpectedly")


@pytest.mark.parametrize("where", ["main", "command"])
def test_interrupt_is_exit_code_130_wherever_it_arrives(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if where == "main":
        monkeypatch.setattr(cli, "app", _raising(KeyboardInterrupt()))
        with pytest.raises(SystemExit) as left:
            cli.main()
        assert left.value.code == 130
        return
    monkeypatch.setattr("auditor.config.write_starter", _raising(KeyboardInterrupt()))
    done = invoke("init", tmp_path)
    assert (done.exit_code, done.stderr) == (130, "interrupted\n")


def test_swallowed_interrupt_is_exit_code_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interrupts, "_received", [2])
    done = invoke("init", tmp_path)
    assert (done.exit_code, done.stderr) == (130, "interrupted\n")


def _raising(error: BaseException) -> Callable[..., NoReturn]:
    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    return fail


def test_traceback_on_a_full_disk_goes_to_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(elsewhere))
    monkeypatch.setattr(Path, "write_bytes", _raising(FULL))
    monkeypatch.setattr(Path, "unlink", _raising(PermissionError(errno.EROFS, "read-only")))
    assert keep_traceback(tmp_path).startswith(f"the traceback is in {elsewhere}")
