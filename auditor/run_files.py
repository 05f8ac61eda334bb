"""The files of a run folder: regular files in folders, and nothing else.

A run may come from a stranger. Whoever opens a named pipe waits for ever. What a link points to is not what
the audit wrote, and a document that is written through it replaces a file of somebody else.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from auditor.errors import DataError
from auditor.file_system import kind_of


def is_regular(path: Path) -> bool:
    """Whether there is a regular file; a link to one is none."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def entries(folder: Path) -> Iterator[str]:
    """Paths below a folder, with ``/``, of everything but folders; links are listed and not followed."""
    for parent, folders, files in os.walk(folder):
        links = [name for name in folders if (Path(parent) / name).is_symlink()]
        below = Path(parent).relative_to(folder)
        yield from ((below / name).as_posix() for name in (*files, *links))


def empty_folders(folder: Path) -> Iterator[str]:
    """Paths below a folder, with ``/``, of the folders in which nothing is, or nothing can be listed."""
    for parent, folders, _ in os.walk(folder):
        for path in (Path(parent) / name for name in folders):
            if not path.is_symlink() and _is_empty(path):
                yield path.relative_to(folder).as_posix()


def read_regular(path: Path, largest: int = -1) -> bytes:
    """Reads a file of a run folder.

    Args:
        path: of the file.
        largest: number of bytes that are read; -1: all.

    Raises:
        DataError: there is something else than a regular file.
        OSError: there is nothing, or it can't be read.
    """
    mode = path.lstat().st_mode
    if not stat.S_ISREG(mode):
        raise _not_regular(path, mode)
    with path.open("rb") as stream:
        return stream.read(largest)


def require_regular(folder: Path) -> None:
    """Checks that a run folder contains only regular files and folders, before any of them is opened.

    Raises:
        DataError: it contains something else, such as a link or a named pipe.
    """
    for name in sorted(entries(folder)):
        mode = (folder / name).lstat().st_mode
        if not stat.S_ISREG(mode):
            raise _not_regular(folder / name, mode)


def remove_empty_parents(path: Path, folder: Path) -> None:
    """Removes the folders of a file that is gone, as far as nothing is left in them.

    Args:
        path: of the file.
        folder: in which it was, and which is kept.
    """
    for parent in path.parents:
        if parent == folder or (parent.is_dir() and not _is_empty(parent)):
            return
        with suppress(OSError):  # it is gone, or a file appeared in it
            parent.rmdir()


def _is_empty(folder: Path) -> bool:
    try:
        with os.scandir(folder) as found:
            return next(found, None) is None
    except PermissionError:
        return True


def _not_regular(path: Path, mode: int) -> DataError:
    return DataError(
        f"{path}: expected a regular file; it is {kind_of(mode)}: see `auditor verify`, and restore the run "
        "from a backup"
    )
