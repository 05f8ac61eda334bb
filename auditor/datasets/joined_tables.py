"""Tables of attributes joined with images by their paths."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pandas as pd

from auditor.datasets.table_files import read_table
from auditor.datasets.tables import as_text, require_columns, require_free_names
from auditor.errors import DataError
from auditor.phrasing import count, plural
from auditor.records import DataNote

_FILE = "file"


def join_attributes(
    path: Path, root: Path, samples: pd.Index
) -> tuple[pd.DataFrame, tuple[DataNote, ...]]:
    """Reads a table of attributes and brings it into the order of the images.

    The paths in the table are relative to the folder of the images, or absolute; Windows separators
    are accepted, and another case where this is unique.

    Args:
        path: the table, with a column ``file``.
        root: folder of the images.
        samples: paths of the images relative to it.

    Returns:
        The attributes, NA for images without a row, and notes on rows and images without a match.

    Raises:
        DataError: the table can't be read, a name is not free, an image has several rows, or no row
            matches an image.
    """
    table = read_table(path)
    require_columns(table, {"attributes": _FILE}, path)
    names = [str(name) for name in table.columns if name != _FILE]
    require_free_names(names, path)
    written = list(as_text(table[_FILE]).fillna(""))
    table.index = pd.Index(_matched(written, root, samples), dtype=object)
    repeated = table.index[table.index.duplicated() & table.index.isin(samples)]
    if len(repeated):
        raise DataError(f"{path}: expected one row per image; {repeated[0]!r} has several")
    has_image = table.index.isin(samples)
    if not has_image.any():
        raise DataError(
            f"{path}: expected paths such as {samples[0]!r} in column {_FILE!r}; none of the "
            f"{count(len(table))} rows matches an image"
            + (f", the first has {written[0]!r}" if written else "")
        )
    notes = []
    without = samples[~samples.isin(table.index)]
    if len(without):
        notes.append(
            DataNote(
                f"{count(len(without))} of {plural(len(samples), 'image')} have no row in {path.name}, "
                f"such as {without[0]}: their attributes are missing"
            )
        )
    if not has_image.all():
        first = next(one for one, found in zip(written, has_image, strict=True) if not found)
        number = int((~has_image).sum())
        notes.append(
            DataNote(
                f"{count(number)} of {plural(len(table), 'row')} in {path.name} match no image, such as "
                f"{first!r}",
                number,
            )
        )
    return table.loc[has_image, names].reindex(samples), tuple(notes)


def _matched(written: list[str], root: Path, samples: pd.Index) -> list[str]:
    """The path of the image that each row means; the row's own path where it means none."""
    known = set(samples)
    folded: dict[str, str | None] = {}
    for sample in samples:
        key = str(sample).casefold()
        folded[key] = None if key in folded else str(sample)
    matched = []
    for text in written:
        plain = PurePosixPath(text.strip().replace("\\", "/")).as_posix()
        candidates = [text, plain]
        candidates += [_relative(plain, base) for base in (root, root.resolve(), Path(root.name))]
        exact = next((one for one in candidates if one in known), None)
        loose = next(
            (folded[one.casefold()] for one in candidates if one.casefold() in folded), None
        )
        matched.append(exact or loose or plain)
    return matched


def _relative(path: str, base: Path) -> str:
    """A path without the folder that it starts with; unchanged if it lies elsewhere."""
    return path.removeprefix(f"{base.as_posix()}/")
