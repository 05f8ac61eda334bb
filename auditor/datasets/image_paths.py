"""A column with the paths of images."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from auditor.datasets.declared_root import URL, DeclaredRoot
from auditor.datasets.tables import as_text, first_few, require_plain_cells
from auditor.errors import DataError
from auditor.file_system import kind_of
from auditor.phrasing import count, plural
from auditor.records import DataNote


def image_paths(
    column: pd.Series[Any], root: DeclaredRoot
) -> tuple[list[str], tuple[DataNote, ...]]:
    """Reads the paths of the images.

    Args:
        column: one path per row; Windows separators are accepted.
        root: folder to which they are relative.

    Returns:
        The paths with ``/``, and notes on files that can't be opened and on files in several rows.

    Raises:
        DataError: a cell is empty or holds something else than a path, or a path leads out of the folder.
    """
    place = f"{root.table}: data.image"
    require_plain_cells(column, "image", root.table)
    texts = as_text(column)
    cells = pd.DataFrame({"cell": texts})
    blank = texts.isna() | (texts.str.strip() == "")
    if blank.any():
        raise DataError(
            f"{place}: expected a path in every cell of {column.name!r}; missing in "
            f"{first_few(cells, blank, lambda _: '')}"
        )
    unusable = texts.str.contains(URL) | texts.str.contains("\0", regex=False)
    if unusable.any():
        raise DataError(
            f"{place}: expected paths of files in {column.name!r}; URLs are not downloaded, and no path "
            f"holds a NUL; got {first_few(cells, unusable, lambda row: f' ({str(row.cell)[:80]!r})')}: "
            "download the images, and give their paths"
        )
    root.require_inside([str(text) for text in texts], "image")
    paths, folder = [root.path(str(text)) for text in texts], root.folder
    written = [
        path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_posix()
        for path in paths
    ]
    return written, _notes(paths, written)


def _notes(paths: Sequence[Path], written: Sequence[str]) -> tuple[DataNote, ...]:
    notes = list(unusable_files(paths, written, len(written)))
    repeated = pd.Series(list(written))[pd.Series(list(written)).duplicated()]
    if len(repeated):
        verb = "names" if len(repeated) == 1 else "name"
        notes.append(
            DataNote(
                f"{plural(len(repeated), 'row')} {verb} a file that an earlier row names, such as "
                f"{repeated.iloc[0]}; each row is a sample of its own"
            )
        )
    return tuple(notes)


def unusable_files(paths: Sequence[Path], written: Sequence[str], n: int) -> Iterator[DataNote]:
    """Notes on paths at which no file can be opened, one for each reason.

    Args:
        paths: of image files.
        written: the same as the data names them.
        n: number of image files of the data, of which these may be a part.
    """
    found: dict[str, list[int]] = {}
    for position, path in enumerate(paths):
        reason = _reason(path)
        if reason is not None:
            found.setdefault(reason, []).append(position)
    for reason, positions in found.items():
        first = positions[0]
        yield DataNote(
            f"{count(len(positions))} of {plural(n, 'image file')} {_REASONS[reason][len(positions) > 1]}, "
            f"such as {written[first]}{_hint(reason, paths[first])}; these samples are not evaluated"
        )


_REASONS: dict[str, tuple[str, str]] = {
    "missing": ("does not exist", "do not exist"),
    "dangling": ("is a link to nothing", "are links to nothing"),
    "loop": ("is a circular link", "are circular links"),
    "closed": ("can't be accessed with the rights of this user",) * 2,
    "irregular": ("is no regular file", "are no regular files"),
}
"""Why files can't be opened, of one and of several."""
_ERRORS = {errno.ELOOP: "loop", errno.EACCES: "closed"}


def _reason(path: Path) -> str | None:
    """Why a file can't be opened; None for a regular file."""
    try:
        mode = path.stat().st_mode
    except ValueError:  # a null character
        return "missing"
    except OSError as error:
        links_to_nothing = os.path.islink(path)  # noqa: PTH114 - raises nothing
        return _ERRORS.get(error.errno or 0, "dangling" if links_to_nothing else "missing")
    return None if stat.S_ISREG(mode) else "irregular"


def _hint(reason: str, path: Path) -> str:
    if reason == "irregular":
        return f" ({kind_of(path.stat().st_mode)})"
    return _other_spelling(path) if reason == "missing" else ""


def _other_spelling(path: Path) -> str:
    """A hint at a file whose name differs only in upper and lower case; empty if there is none."""
    try:
        names = [one.name for one in path.parent.iterdir()]
    except (OSError, ValueError):
        return ""
    near = [name for name in names if name.casefold() == path.name.casefold()]
    return f" (there is {near[0]})" if near else ""
