"""A column with the paths of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from auditor.datasets.declared_root import URL, DeclaredRoot
from auditor.datasets.tables import as_text, first_few, require_plain_cells
from auditor.errors import DataError
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
        The paths with ``/``, and notes on missing files and on files in several rows.

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
    return written, _notes(paths, written, folder)


def _notes(paths: Sequence[Path], written: Sequence[str], root: Path) -> tuple[DataNote, ...]:
    missing = [name for path, name in zip(paths, written, strict=True) if not _exists(path)]
    notes = []
    if missing:
        verb = "does" if len(missing) == 1 else "do"
        notes.append(
            DataNote(
                f"{count(len(missing))} of {plural(len(written), 'image file')} {verb} not exist, such as "
                f"{missing[0]}{_other_spelling(root / missing[0])}; these samples are not evaluated"
            )
        )
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


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, or with a null character
        return False


def _other_spelling(path: Path) -> str:
    """A hint at a file whose name differs only in upper and lower case; empty if there is none."""
    try:
        names = [one.name for one in path.parent.iterdir()]
    except (OSError, ValueError):
        return ""
    near = [name for name in names if name.casefold() == path.name.casefold()]
    return f" (there is {near[0]})" if near else ""
