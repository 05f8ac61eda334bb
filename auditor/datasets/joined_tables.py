"""Tables of attributes joined with images by their paths."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pandas as pd

from auditor.datasets.table_files import read_table
from auditor.datasets.tables import (
    as_text,
    require_columns,
    require_free_names,
    with_decimal_points,
)
from auditor.errors import DataError
from auditor.phrasing import count, plural
from auditor.records import DataNote

_FILE, _FILE_NAME = "file", "file_name"
_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")


def file_column(table: pd.DataFrame) -> str:
    """The column with the paths of the images: ``file``, or ``file_name`` as in an `imagefolder`."""
    return _FILE_NAME if _FILE not in table and _FILE_NAME in table else _FILE


def imagefolder_metadata(root: Path) -> Path | None:
    """The metadata of a folder of images, where it is an `imagefolder` of Hugging Face; else None."""
    found = next((path for name in _METADATA if (path := root / name).is_file()), None)
    return found if found is not None and _FILE_NAME in read_table(found) else None


def join_attributes(
    path: Path, root: Path, samples: pd.Index
) -> tuple[pd.DataFrame, tuple[DataNote, ...]]:
    """Reads a table of attributes and brings it into the order of the images.

    The paths in the table are relative to the folder of the images, or absolute; Windows separators
    are accepted, and another case where this is unique.

    Args:
        path: the table, with a column ``file`` or ``file_name``.
        root: folder of the images.
        samples: paths of the images relative to it.

    Returns:
        The attributes, NA for images without a row, and notes on rows and images without a match.

    Raises:
        DataError: the table can't be read, a name is not free, an image has several rows, or no row
            matches an image.
    """
    table = read_table(path)
    file = file_column(table)
    require_columns(table, {"attributes": file}, path)
    names = [str(name) for name in table.columns if name != file]
    require_free_names(names, path)
    written = list(as_text(table[file]).fillna(""))
    table.index = pd.Index(_matched(written, root, samples), dtype=object)
    repeated = table.index[table.index.duplicated() & table.index.isin(samples)]
    if len(repeated):
        raise DataError(f"{path}: expected one row per image; {repeated[0]!r} has several")
    has_image = table.index.isin(samples)
    if not has_image.any():
        raise DataError(
            f"{path}: expected paths such as {samples[0]!r} in column {file!r}; none of the "
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
    attributes = table[names].apply(with_decimal_points)
    return attributes[has_image].reindex(samples), tuple(notes)


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
