"""Cells with the boxes or masks of objects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pandas as pd

from auditor.datasets.declared_root import DeclaredRoot
from auditor.datasets.tables import as_text, first_few
from auditor.errors import DataError
from auditor.imaging import Box
from auditor.phrasing import count
from auditor.records import DataNote
from auditor.records.json_texts import parse_json_text

BoxFormat = Literal["xyxy", "xywh", "cxcywh"]
_SEPARATORS = re.compile(r"[\s,;\[\]()]+")
_EDGES = {
    "xyxy": "x0,y0,x1,y1 with x0 < x1 and y0 < y1",
    "xywh": "x,y,width,height with positive width and height",
    "cxcywh": "the centre x,y, then width,height, both positive",
}


def read_boxes(
    column: pd.Series[Any], box_format: BoxFormat, path: Path
) -> tuple[pd.Series[Any], bool, tuple[DataNote, ...]]:
    """Reads a column of boxes.

    Args:
        column: cells such as ``10,20,30,40``, several boxes as ``[[10,20,30,40], [50,60,70,80]]``, or
            lists of numbers.
        box_format: what the four numbers are.
        path: of the table, for messages.

    Returns:
        ``(x0, y0, x1, y1)`` of each row, a tuple of such boxes where there are several, or None;
        whether they are shares of the image's width and height, because all are in 0…1; and notes.

    Raises:
        DataError: a cell is no box.
    """
    read: list[tuple[Box, ...]] = []
    written: list[float] = []
    bad = pd.Series(data=False, index=column.index)
    inverted = True
    for position, cell in enumerate(column):
        numbers = _numbers(cell)
        boxes = None if numbers is None else _as_boxes(numbers, box_format)
        if boxes is None:
            bad.iloc[position] = True
            inverted &= numbers is not None and len(numbers) % 4 == 0 and min(numbers) >= 0
        read.append(boxes or ())
        written += numbers or ()
    if bad.any():
        cells = pd.DataFrame({"cell": column.astype(object)})
        hint = (
            "; if the numbers are x,y,width,height, set `data: {box_format: xywh}`"
            if inverted and box_format == "xyxy"
            else ": correct them, or use masks (data.mask) for other shapes"
        )
        raise DataError(
            f"{path}: data.box: expected {_EDGES[box_format]}, or an empty cell; got something else in "
            + first_few(cells, bad, lambda row: f" ({row.cell!r})")
            + hint
        )
    relative = bool(written) and min(written) >= 0 and max(written) <= 1
    notes = []
    if relative:
        notes.append(
            DataNote(
                "all boxes lie in 0…1: they were read as shares of the image's width and height, not as "
                "pixels"
            )
        )
    single: list[Any] = [boxes[0] if len(boxes) == 1 else boxes or None for boxes in read]
    return pd.Series(single, index=column.index, dtype=object), relative, tuple(notes)


def read_masks(column: pd.Series[Any], root: DeclaredRoot) -> pd.Series[Any]:
    """Reads a column with the paths of masks.

    Args:
        column: cells with a path, several paths separated by semicolons or as a JSON list, or lists.
        root: folder to which they are relative.

    Returns:
        The path of each row's mask, a tuple of paths where there are several, NA where there is none.

    Raises:
        DataError: a path leads out of the folder.
    """
    named = [_names(cell, root.folder) for cell in column]
    for place in range(max(map(len, named), default=0)):
        root.require_inside([row[place] if place < len(row) else "" for row in named], "mask")
    read: list[Any] = []
    for names in named:
        files = tuple(str(root.path(name)) for name in names)
        read.append(files[0] if len(files) == 1 else files or pd.NA)
    return pd.Series(read, index=column.index, dtype=object)


def merge_objects(
    table: pd.DataFrame, image: str, objects: Sequence[str], others: Iterable[str]
) -> tuple[pd.DataFrame, tuple[DataNote, ...]]:
    """Joins the rows of one image that differ in nothing but its boxes or masks.

    Args:
        table: one row per object or per image.
        image: column with the paths of the images.
        objects: columns with boxes and masks.
        others: the other columns that are used.

    Returns:
        The table with one row per image, whose cells list all objects; unchanged where no image is
        repeated, or where the rows of an image have different labels or attributes. And a note.
    """
    keys = [image, *(name for name in others if name != image)]
    if not objects or not table[image].duplicated().any():
        return table, ()
    described = table[keys].map(_key)
    number = described.groupby(keys, sort=False, dropna=False).ngroup()
    if number.nunique() == len(table):
        return table, ()
    first = ~number.duplicated()
    merged = table[first].copy()
    for name in objects:
        cells: dict[int, list[Any]] = {}
        for group, cell in zip(number, table[name], strict=True):
            cells.setdefault(int(group), []).append(cell)
        merged[name] = pd.Series(
            [one[0] if len(one) == 1 else _joined(one) for one in cells.values()],
            index=merged.index,
            dtype=object,
        )
    further = len(table) - len(merged)
    are = "row is a further object" if further == 1 else "rows are further objects"
    note = DataNote(
        f"{count(further)} {are} of an image in another row, and joined with it", further
    )
    return merged.reset_index(drop=True), (note,)


def _joined(cells: Sequence[Any]) -> list[Any]:
    """The cells of several rows, without empty ones."""
    return [cell for cell in cells if not _is_empty(cell)]


def _key(cell: object) -> str:
    return repr(cell.tolist()) if isinstance(cell, np.ndarray) else repr(cell)


def _is_empty(cell: object) -> bool:
    if isinstance(cell, str):
        return not cell.strip()
    return cell is None or cell is pd.NA or (isinstance(cell, float) and bool(np.isnan(cell)))


def _numbers(cell: object) -> list[float] | None:
    """All numbers in a cell; empty if it is empty, None if it holds something else."""
    if _is_empty(cell):
        return []
    if isinstance(cell, list | tuple | np.ndarray):
        parts = [_numbers(one) for one in cell]
        return (
            None if any(one is None for one in parts) else [x for one in parts for x in one or ()]
        )
    if isinstance(cell, str):
        try:
            numbers = [float(text) for text in _SEPARATORS.split(cell) if text]
        except ValueError:
            return None
    elif isinstance(cell, int | float | np.integer | np.floating):
        numbers = [float(cell)]
    else:
        return None
    return numbers if np.isfinite(numbers).all() else None


def _as_boxes(numbers: Sequence[float], box_format: BoxFormat) -> tuple[Box, ...] | None:
    """Four numbers each as ``(x0, y0, x1, y1)``; None if they are no boxes."""
    if len(numbers) % 4:
        return None
    values = np.array(numbers).reshape(-1, 4)
    first, second = values[:, :2], values[:, 2:]
    if box_format == "xywh":
        second = first + second
    elif box_format == "cxcywh":
        first, second = first - second / 2, first + second / 2
    if not (first < second).all():
        return None
    edges = np.concatenate([first, second], axis=1).tolist()
    return cast("tuple[Box, ...]", tuple(tuple(box) for box in edges))


def _names(cell: object, root: Path) -> list[str]:
    """The paths in a cell."""
    if isinstance(cell, list | tuple | np.ndarray):
        return [name for one in cell for name in _names(one, root)]
    (text,) = as_text(pd.Series([cell], dtype=object)).fillna("")
    text = text.strip()
    if text.startswith("["):
        try:
            names = parse_json_text(text)
        except ValueError:
            names = None
        if isinstance(names, list):
            return [str(name) for name in names]
    if ";" in text and not (root / text).exists():
        return [part.strip() for part in text.split(";") if part.strip()]
    return [text] if text else []
