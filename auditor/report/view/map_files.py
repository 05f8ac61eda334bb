"""The images and maps of a run folder, read by reference: only the rows and columns needed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from auditor.errors import DataError
from auditor.manifest import EXPLANATIONS

Row = Mapping[str, Any]

_VERIFY = "the run folder was altered; check it with `auditor verify`, and restore it from a backup"
_TYPES: Mapping[str, type] = {
    **dict.fromkeys(("image", "overlay", "guided", "gradient", "other", "edges", "cam"), bytes),
    **dict.fromkeys(("cam_height", "cam_width"), int),
    **dict.fromkeys(("sample", "label"), str),
}
"""Types of the columns."""
_FORMER = {"image": "picture"}
"""Names of columns in runs of schema version 1."""


@dataclass(frozen=True)
class MapFiles:
    """Resolves references such as ``explanations/maps-00000.parquet#12``.

    Attributes:
        folder: the run folder; nothing outside of it is read.
    """

    folder: Path

    def rows(self, references: Iterable[str], columns: tuple[str, ...]) -> dict[str, Row]:
        """Reads the rows behind references, each file and row group at most once.

        Args:
            references: ``file#row`` below the run folder.
            columns: which columns; those that a file lacks are None.

        Returns:
            The rows by reference.

        Raises:
            DataError: a reference leads out of the run folder, to a missing file, or past its end.
        """
        wanted: dict[str, set[int]] = defaultdict(set)
        for reference in references:
            name, row = _split(reference)
            wanted[name].add(row)
        found: dict[str, Row] = {}
        for name, places in wanted.items():
            for place, row_values in self._read(name, sorted(places), columns):
                found[f"{name}#{place}"] = row_values
        return found

    def _read(
        self, name: str, places: list[int], columns: tuple[str, ...]
    ) -> Iterator[tuple[int, Row]]:
        path = (self.folder / name).resolve()
        if not path.is_relative_to(self.folder.resolve() / EXPLANATIONS) or not path.is_file():
            raise DataError(
                f"{self.folder}: expected the file {name!r}, which audit.json refers to; it is "
                "missing: copy the whole run folder again"
            )
        try:
            found, n_rows = _stored_rows(path, places, columns)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            first = next(iter(str(error).splitlines()), "")
            raise DataError(
                f"{path}: expected a readable Parquet file, which audit.json refers to; {first}: {_VERIFY}"
            ) from error
        if len(found) < len(places):
            raise DataError(
                f"{path}: expected a row {places[len(found)]}, which audit.json refers to; the file has "
                f"{n_rows} rows: {_VERIFY}"
            )
        for place, row in zip(places, found, strict=True):
            for column, value in row.items():
                expected = _TYPES.get(column, object)
                if value is not None and not isinstance(value, expected):
                    raise DataError(
                        f"{path}: row {place}: {column}: expected {expected.__name__}; got "
                        f"{type(value).__name__}: {_VERIFY}"
                    )
            yield place, row


def _stored_rows(
    path: Path, places: Sequence[int], columns: tuple[str, ...]
) -> tuple[list[Row], int]:
    """The rows at ascending places as far as the file has them, and how many rows it has."""
    found: list[Row] = []
    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        stored = {one: _FORMER.get(one, one) if one not in names else one for one in columns}
        present = [one for one in columns if stored[one] in names]
        twice = [one for one in present if names.count(stored[one]) > 1]
        if twice:
            raise pa.ArrowInvalid(f"the column {twice[0]!r} occurs more than once")
        start = 0
        for group in range(file.num_row_groups):
            end = start + file.metadata.row_group(group).num_rows
            here = [place - start for place in places[len(found) :] if place < end]
            if here:
                table = file.read_row_group(group, columns=[stored[one] for one in present])
                for place in here:
                    values = {one: _cell(table[stored[one]], place) for one in present}
                    found.append({one: values.get(one) for one in columns})
            start = end
    return found, start


def _cell(column: pa.ChunkedArray, place: int) -> object:
    """One cell as a Python object."""
    try:
        return column[place].as_py()
    except (OverflowError, ValueError) as error:  # a date or duration that Python cannot hold
        raise pa.ArrowInvalid(f"a cell of type {column.type} is out of range ({error})") from error


def cam_of(row: Row) -> NDArray[np.float32] | None:
    """The class activation map of a row.

    Returns:
        (h, w) float32, unnormalised; None where the row has none.

    Raises:
        DataError: its bytes do not match its size.
    """
    raw, height, width = row["cam"], row["cam_height"], row["cam_width"]
    if raw is None or height is None or width is None:
        return None
    if height < 1 or width < 1 or len(raw) != 4 * height * width:
        raise DataError(
            f"explanations: expected a map of {height} × {width} numbers of 4 bytes; got {len(raw)} bytes: "
            f"{_VERIFY}"
        )
    return np.frombuffer(raw, "<f4").reshape(height, width)


def _split(reference: str) -> tuple[str, int]:
    name, hash_sign, row = reference.rpartition("#")
    if not hash_sign or not row.isdigit():
        raise DataError(
            f"audit.json: expected a reference such as 'explanations/maps-00000.parquet#12'; got "
            f"{reference!r}"
        )
    return name, int(row)
