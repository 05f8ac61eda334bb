"""Which files of a folder an audit wrote: those that its manifest lists, with the content that it lists.

Nothing else is ever replaced or removed.
"""

from __future__ import annotations

import os
from pathlib import Path

from auditor.errors import DataError
from auditor.manifest import MANIFEST, UNFINISHED_NOTICE, is_sealed, read_manifest, sha256
from auditor.run_files import entries, is_regular

_OWN = {MANIFEST, f"{MANIFEST}.partial", UNFINISHED_NOTICE}


def other_files(folder: Path, *, results: bool = True) -> list[str]:
    """Files below a folder that its manifest does not list, or that were altered since.

    Args:
        folder: of a run.
        results: whether to compare the content of the results, too, which may be large; documents are
            always compared.

    Returns:
        Paths below the folder, sorted. Links count as other files; without a manifest, everything does.
    """
    try:
        listed = read_manifest(folder).files
    except (DataError, OSError):
        listed = {}
    return sorted(name for name in _names(folder) if not _is_listed(folder, name, listed, results))


def remove_own(folder: Path) -> bool:
    """Removes a run folder if there is nothing in it but what its manifest lists.

    Returns:
        Whether it was removed; if not, it is as it was, or what was added meanwhile is still there.
    """
    if other_files(folder):
        return False
    for name in [*_names(folder), *sorted(_OWN)]:
        (folder / name).unlink(missing_ok=True)
    for parent, _, _ in os.walk(folder, topdown=False):
        try:
            os.rmdir(parent)  # noqa: PTH106 - of what `os.walk` found
        except OSError:
            return False
    return True


def free_place(path: Path) -> Path:
    """A place beside a path where nothing is: the path with a number."""
    number = 1
    while os.path.lexists(path.with_name(f"{path.name}-{number}")):
        number += 1
    return path.with_name(f"{path.name}-{number}")


def _is_listed(folder: Path, name: str, listed: dict[str, str], results: bool) -> bool:
    path = folder / name
    if name not in listed or not is_regular(path):
        return False
    return (is_sealed(name) and not results) or sha256(path) == listed[name]


def _names(folder: Path) -> list[str]:
    """Everything below a folder but folders, and but what belongs to every run."""
    return [name for name in entries(folder) if name not in _OWN or not is_regular(folder / name)]
