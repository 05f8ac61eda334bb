"""The places around a run folder: where it is built, its lock, and how it takes the place of an earlier run.

Only what an audit wrote is replaced or removed. Everything else is refused, or moved aside, and the place
is named.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Literal

from auditor import folder_lock
from auditor.blocks import is_intact
from auditor.errors import DataError, OutputExistsError
from auditor.file_system import real_path, refusal, require_writable
from auditor.manifest import (
    EXPLANATIONS,
    MANIFEST,
    PREDICTIONS,
    RESULT,
    RESUME_STATE,
    TRACEBACK,
    UNFINISHED_NOTICE,
    read_manifest,
    sha256,
)
from auditor.own_files import free_place, other_files, remove_own
from auditor.phrasing import several

Stage = Literal["new", "unfinished", "complete"]
"""What is found where a run is built: nothing to resume, an unfinished run, or a complete one."""

_SHARD = re.compile(r"[a-z]+-\d{5}\.parquet")
_OF_BLOCKS = ("images-", "maps-")
"""Files in ``explanations/`` that belong to blocks."""

NOTICE = (
    "This audit is not finished: it is still running, or it was aborted. The files of blocks in "
    "this folder are complete; there is no result yet.\n"
)
"""Content of ``UNFINISHED.txt``."""


def unfinished_place(final: Path) -> Path:
    """Where a run is while it is built."""
    return final.with_name(f"{final.name}.unfinished")


def lock_place(final: Path) -> Path:
    """The lock file of a run."""
    return final.with_name(f"{final.name}.lock")


def require_place(final: Path, *, overwrite: bool, thorough: bool = False) -> Path:
    """Makes sure that a run can be written; changes nothing.

    Args:
        final: the folder for the finished run.
        overwrite: whether an earlier finished run at that place may be replaced.
        thorough: whether to read also the results of that run, which may be large, for changes.

    Returns:
        The same path, absolute.

    Raises:
        OutputExistsError: see `auditor.run_folder.RunFolder.require_place`.
        FileSystemError: the folder can't be created or written, or its name is no text.
    """
    try:
        final = real_path(final)
        _require_outside_of_runs(final)
        _require_free(final, overwrite=overwrite, thorough=thorough)
        aside = unfinished_place(final) if final.name else final
        if final.name:
            folder_lock.require_free(lock_place(final))
        require_unfinished(aside)
    except OSError as error:
        raise refusal(error, final) or error from error
    require_writable(aside)
    return final


def require_unfinished(path: Path) -> None:
    """Makes sure that nothing is at the place where a run is built, or an unfinished audit.

    Raises:
        OutputExistsError: it is something else.
    """
    if os.path.lexists(path) and not _is_unfinished(path):
        raise OutputExistsError(
            f"{path}: expected no such place, or an unfinished audit; it is something else, which "
            "is never overwritten: remove it, or choose another folder with --out"
        )


def stage_of(path: Path) -> Stage:
    """What is at the place where a run is built: nothing to resume, or an unfinished or complete run."""
    if not os.path.lexists(path):
        return "new"
    if is_complete(path):
        return "complete"
    return "unfinished" if (path / RESUME_STATE).is_file() else "new"


def is_complete(path: Path) -> bool:
    """Whether only the last renaming of a run is missing: its manifest lists all files, with their content.

    The manifest of an aborted run lists the files of the blocks, too.
    """
    listed = _listed(path)
    if RESULT not in listed or RESUME_STATE in listed:
        return False
    return all(
        (path / name).is_file() and sha256(path / name) == digest for name, digest in listed.items()
    )


def temporary(path: Path) -> list[Path]:
    """Files and folders that a run has only as long as it is not complete."""
    return [path / "predictions", path / EXPLANATIONS / "blocks", path / RESUME_STATE]


def flush(path: Path) -> None:
    """Waits until all files of a run are on the disk: after a power failure, they replace the blocks."""
    for one in path.rglob("*"):
        if one.is_file():
            with one.open("rb+") as stream:
                os.fsync(stream.fileno())


def remove_temporary(path: Path) -> None:
    """Removes what a complete run needs no more; the state is last, as long as it exists the rest does."""
    for one in temporary(path):
        if one.is_dir():
            shutil.rmtree(one)
        else:
            one.unlink(missing_ok=True)


def remove_remains(path: Path) -> None:
    """Removes what an interrupted run has written besides its intact blocks; it is computed again.

    Files that others have added are kept.
    """
    for name, digest in _listed(path).items():
        if (
            "/" not in name
            and name != RESUME_STATE
            and (path / name).is_file()
            and sha256(path / name) == digest
        ):
            (path / name).unlink()
    for one in [*path.rglob("*.partial")]:
        one.unlink()
    for one in (path / EXPLANATIONS).glob("*.parquet"):
        if _SHARD.fullmatch(one.name) and not one.name.startswith(_OF_BLOCKS):
            one.unlink()
    for blocks in (path / "predictions", path / EXPLANATIONS):
        for one in [*blocks.rglob("*.parquet")]:
            if one.is_file() and _SHARD.fullmatch(one.name) and not is_intact(one):
                one.unlink()
    for name in (MANIFEST, RESULT, PREDICTIONS, TRACEBACK):
        (path / name).unlink(missing_ok=True)
    (path / EXPLANATIONS).mkdir(exist_ok=True)


def clear_unfinished(path: Path) -> str | None:
    """Frees the place where a run is built; this process has its lock.

    Removes what an aborted audit of ours left, and moves it aside where it has complete blocks, a result, or
    other files.

    Returns:
        What to say about a folder that was moved aside; None where there is none.
    """
    if not os.path.lexists(path):
        return None
    if not (path / RESULT).exists() and not _has_blocks(path) and remove_own(path):
        return None
    can_be_resumed = stage_of(path) != "new"
    aside = free_place(path)
    path.rename(aside)
    what = "a complete audit" if (aside / RESULT).exists() else "an unfinished audit"
    moved = (
        f"{path}: {what} of an earlier run was moved to {aside}; remove it when you do not need it"
    )
    if not can_be_resumed:
        return moved
    return f"{moved}, or, to continue it, interrupt this audit, rename that folder back, and use --resume"


def publish(path: Path, final: Path, *, overwrite: bool) -> str | None:
    """Moves a complete run to its place; this process has its lock.

    Returns:
        Where the earlier run is, if it could not be removed; else None.

    Raises:
        OutputExistsError: something appeared at the place since the audit began.
        OSError: the file system refuses it; the earlier run is in its place.
    """
    try:
        _require_free(final, overwrite=overwrite, thorough=True)
    except OutputExistsError as error:
        raise OutputExistsError(
            f"{error}. The audit is complete: its folder can be renamed to {final.name} as well"
        ) from error
    old = None
    if final.exists():
        old = free_place(final.with_name(f"{final.name}.old"))
        final.rename(old)
    try:
        (path / UNFINISHED_NOTICE).unlink(missing_ok=True)
        path.rename(final)
    except OSError:
        if old is not None:
            old.rename(final)
        raise
    if old is None or remove_own(old):
        return None
    return f"{old}: expected to remove the earlier run; it was changed meanwhile, and is kept there"


def _require_outside_of_runs(final: Path) -> None:
    for folder in final.parents:
        if (folder / RESULT).is_file() and (folder / MANIFEST).is_file():
            raise OutputExistsError(
                f"{final}: expected a folder outside of finished runs; {folder} is one, and files that "
                "are added to it break its seal: choose another folder with --out"
            )


def _require_free(final: Path, *, overwrite: bool, thorough: bool) -> None:
    if not os.path.lexists(final):
        return
    if final.is_symlink() or not final.is_dir():
        raise OutputExistsError(
            f"{final}: expected a folder; it is a file: choose another folder with --out"
        )
    if not any(final.iterdir()):
        return
    if not (final / RESULT).is_file():
        raise OutputExistsError(
            f"{final}: expected a new folder or an earlier run; it contains other files, which "
            "are never overwritten: choose another folder with --out"
        )
    if not overwrite:
        aside = unfinished_place(final)
        also = (
            f"; to continue the audit in {aside}, which is to replace it, use --resume --overwrite"
            if (aside / RESUME_STATE).is_file()
            else ""
        )
        raise OutputExistsError(
            f"{final}: contains a finished run: choose another folder with --out, or replace "
            f"the run with --overwrite{also}"
        )
    others = other_files(final, results=thorough)
    if others:
        raise OutputExistsError(
            f"{final}: expected only files that its manifest lists; {several(others, 3)} "
            f"{'was' if len(others) == 1 else 'were'} added or changed after the audit: move "
            f"{'it' if len(others) == 1 else 'them'} elsewhere, or choose another folder with --out"
        )


def _is_unfinished(path: Path) -> bool:
    """Whether a folder is an unfinished audit, or a complete one that was not moved to its place."""
    if path.is_symlink() or not path.is_dir():
        return False
    notice = path / UNFINISHED_NOTICE
    if notice.is_file() and not notice.is_symlink():
        # An audit may have been killed before it had written all of it.
        return NOTICE.encode().startswith(notice.read_bytes()[: 2 * len(NOTICE)])
    if all(one.is_dir() and one.name == EXPLANATIONS for one in path.rglob("*")):
        return True  # killed before the notice was written
    return (path / RESULT).is_file() and not other_files(path)


def _listed(path: Path) -> dict[str, str]:
    """The files that the manifest of a run lists, with their hashes; empty without a manifest."""
    try:
        return read_manifest(path).files
    except (DataError, OSError):
        return {}


def _has_blocks(path: Path) -> bool:
    """Whether a part of the predictions is complete."""
    return (path / PREDICTIONS).exists() or any((path / "predictions").glob("part-*.parquet"))
