"""Folders and files that no audit wrote survive every audit."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from builders.small_runs import predictions, small_run

from auditor.errors import OutputExistsError
from auditor.results import AuditResult
from auditor.run_folder import RunFolder
from auditor.run_places import NOTICE


def finished(folder: Path, *, overwrite: bool = False, text: str = "{}") -> RunFolder:
    run = RunFolder.begin(folder, overwrite=overwrite)
    (run.path / "audit.json").write_text(text)
    return run.finish()


def contents(folder: Path) -> dict[str, bytes]:
    """All files and links below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
        if path.is_file() or path.is_symlink()
    }


def _other_folder(place: Path) -> None:
    place.mkdir()
    (place / "thesis.tex").write_text("mine")


def _other_file(place: Path) -> None:
    place.write_text("mine")


def _some_audit_json(place: Path) -> None:
    place.mkdir()
    (place / "audit.json").write_text("mine")
    (place / "thesis.tex").write_text("mine")


def _signed(place: Path) -> None:
    finished(place)
    (place / "signed.pdf").write_text("mine")


def _annotated(place: Path) -> None:
    finished(place)
    (place / "audit.json").write_text('{"annotated": true}')


def _with_folder(place: Path) -> None:
    finished(place)
    (place / "explanations" / "more").mkdir()
    (place / "explanations" / "more" / "notes.txt").write_text("mine")


def _with_link(place: Path) -> None:
    finished(place)
    _other_folder(place.with_name("elsewhere"))
    (place / "data").symlink_to(place.with_name("elsewhere"), target_is_directory=True)


def _without_manifest(place: Path) -> None:
    finished(place)
    (place / "manifest.json").unlink()


def _damaged_manifest(place: Path) -> None:
    finished(place)
    (place / "manifest.json").write_text("{")


PLACES: tuple[Callable[[Path], None], ...] = (
    _other_folder,
    _other_file,
    _some_audit_json,
    _signed,
    _annotated,
    _with_folder,
    _with_link,
    _without_manifest,
    _damaged_manifest,
)


@pytest.mark.parametrize("make", PLACES)
def test_overwrite_files_that_no_audit_wrote_are_refused_at_the_start(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    make(tmp_path / "run")
    before = contents(tmp_path)
    with pytest.raises(OutputExistsError, match="run: expected"):
        RunFolder.begin(tmp_path / "run", overwrite=True)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("make", PLACES)
def test_finish_something_that_appeared_at_the_place_is_kept_and_so_is_the_audit(
    make: Callable[[Path], None], overwrite: bool, tmp_path: Path
) -> None:
    run = RunFolder.begin(tmp_path / "run", overwrite=overwrite)
    (run.path / "audit.json").write_text("new")
    make(tmp_path / "aside")
    (tmp_path / "aside").rename(tmp_path / "run")
    before = contents(tmp_path / "run")
    with pytest.raises(OutputExistsError, match="The audit is complete: its folder can be renamed"):
        run.finish()
    assert contents(tmp_path / "run") == before
    assert (tmp_path / "run.unfinished" / "audit.json").read_text() == "new"


@pytest.mark.parametrize("inside", ["next", "explanations/next"])
def test_begin_inside_a_finished_run_is_refused(inside: str, tmp_path: Path) -> None:
    run = finished(tmp_path / "run")
    before = contents(run.path)
    with pytest.raises(OutputExistsError, match="outside of finished runs"):
        RunFolder.begin(run.path / inside)
    assert contents(run.path) == before


def _link(place: Path) -> None:
    _other_folder(place.with_name("elsewhere"))
    place.symlink_to(place.with_name("elsewhere"), target_is_directory=True)


def _own_notice(place: Path) -> None:
    place.mkdir()
    (place / "UNFINISHED.txt").write_text("My thesis is not finished.")


def _notice_folder(place: Path) -> None:
    (place / "UNFINISHED.txt").mkdir(parents=True)


@pytest.mark.parametrize(
    "make", [_other_folder, _other_file, _some_audit_json, _link, _own_notice, _notice_folder]
)
def test_begin_other_things_where_the_run_is_built_are_refused(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    make(tmp_path / "run.unfinished")
    before = contents(tmp_path)
    with pytest.raises(OutputExistsError, match=r"run\.unfinished: expected no such place"):
        RunFolder.begin(tmp_path / "run")
    assert contents(tmp_path) == before


def test_begin_files_that_were_added_to_an_unfinished_audit_are_moved_aside(tmp_path: Path) -> None:
    _other_folder(tmp_path / "run.unfinished")
    (tmp_path / "run.unfinished" / "UNFINISHED.txt").write_text(NOTICE)
    run = RunFolder.begin(tmp_path / "run")
    (note,) = run.notes
    assert f"was moved to {tmp_path / 'run.unfinished-1'}" in note
    assert (tmp_path / "run.unfinished-1" / "thesis.tex").read_text() == "mine"


def test_begin_shards_of_a_killed_audit_are_moved_aside(tmp_path: Path) -> None:
    run = RunFolder.begin(tmp_path / "run")
    (run.predicted / "part-00000.parquet").write_text("rows")
    run.release()  # as the system does when a process is killed
    again = RunFolder.begin(tmp_path / "run")
    (note,) = again.notes
    assert note == (
        f"{run.path}: an unfinished audit of an earlier run was moved to {run.path}-1; remove it when you do "
        "not need it"
    )
    again.release()
    assert RunFolder.begin(tmp_path / "run").notes == ()  # nothing is in the second one
    assert (tmp_path / "run.unfinished-1/predictions/part-00000.parquet").read_text() == "rows"


def test_begin_aborted_audit_with_predictions_is_moved_aside_and_one_without_is_replaced(
    tmp_path: Path,
) -> None:
    run = RunFolder.begin(tmp_path / "run")
    (run.explanations / "some.parquet").write_text("rows")
    run.keep()
    run = RunFolder.begin(tmp_path / "run")
    assert run.notes == ()
    assert not list(run.path.rglob("*.parquet"))
    (run.predicted / "part-00000.parquet").write_text("rows")
    run.keep()
    assert "was moved to" in RunFolder.begin(tmp_path / "run").notes[0]
    assert (tmp_path / "run.unfinished-1/predictions/part-00000.parquet").read_text() == "rows"


@pytest.mark.parametrize("written", [None, "", "This audit is not"])
def test_begin_audit_killed_while_its_folder_was_made_is_replaced(
    written: str | None, tmp_path: Path
) -> None:
    (tmp_path / "run.unfinished" / "explanations").mkdir(parents=True)
    if written is not None:
        (tmp_path / "run.unfinished" / "UNFINISHED.txt").write_text(written)
    run = RunFolder.begin(tmp_path / "run")
    assert run.notes == ()
    assert (run.path / "UNFINISHED.txt").read_text() == NOTICE


def test_crash_between_the_two_renames_loses_neither_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(tmp_path / "run", text="old")
    run = RunFolder.begin(tmp_path / "run", overwrite=True)
    (run.path / "audit.json").write_text("new")
    real = os.rename

    def pulled(source: str | Path, target: str | Path) -> None:
        if Path(target) == tmp_path / "run":
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(os, "rename", pulled)
    with pytest.raises(KeyboardInterrupt):
        run.finish()
    monkeypatch.undo()
    run.release()
    again = RunFolder.begin(tmp_path / "run")
    (note,) = again.notes
    assert f"a complete audit of an earlier run was moved to {run.path}-1" in note
    assert (tmp_path / "run.unfinished-1" / "audit.json").read_text() == "new"
    assert (tmp_path / "run.old-1" / "audit.json").read_text() == "old"


@pytest.mark.parametrize("name", ["run.old", "run.old-1", "run.unfinished-1"])
def test_overwrite_folders_of_the_user_beside_the_run_are_kept(name: str, tmp_path: Path) -> None:
    _other_folder(tmp_path / name)
    finished(tmp_path / "run")
    finished(tmp_path / "run", overwrite=True, text="new")
    assert contents(tmp_path / name) == {"thesis.tex": b"mine"}
    assert {path.name for path in tmp_path.iterdir()} == {"run", name}


def test_link_at_the_place_is_followed_and_kept(tmp_path: Path) -> None:
    (tmp_path / "run").symlink_to(tmp_path / "disk" / "run", target_is_directory=True)
    finished(tmp_path / "run")
    finished(tmp_path / "run", overwrite=True, text="new")
    assert (tmp_path / "run").readlink() == tmp_path / "disk" / "run"
    assert (tmp_path / "disk" / "run" / "audit.json").read_text() == "new"
    (tmp_path / "disk" / "run" / "signed.pdf").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"signed\.pdf was added or changed"):
        finished(tmp_path / "run", overwrite=True)


@pytest.mark.parametrize("make", PLACES)
def test_save_never_replaces_files_that_no_audit_wrote(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    result = AuditResult.load(small_run(tmp_path / "source", predictions(20)).path)
    make(tmp_path / "run")
    before = contents(tmp_path)
    with pytest.raises(OutputExistsError):
        result.save(tmp_path / "run", overwrite=True)
    assert contents(tmp_path) == before
    result.save(tmp_path / "other")
    result.save(tmp_path / "other", overwrite=True)
    assert contents(tmp_path / "other") == contents(tmp_path / "source")
