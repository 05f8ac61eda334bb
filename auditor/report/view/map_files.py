"""The images and maps of a run folder, read by reference: only the rows and columns needed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from auditor.errors import DataError
from auditor.records.stored_tables import parquet_errors

Row = Mapping[str, Any]

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
        if not path.is_relative_to(self.folder.resolve()) or not path.is_file():
            raise DataError(
                f"{self.folder}: expected the file {name!r}, which audit.json refers to; it is "
                "missing: copy the whole run folder again"
            )
        with parquet_errors(path), pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            stored = {one: _FORMER.get(one, one) if one not in names else one for one in columns}
            present = [one for one in columns if stored[one] in names]
            start, left = 0, iter(places)
            place = next(left, None)
            for group in range(file.num_row_groups):
                end = start + file.metadata.row_group(group).num_rows
                if place is not None and place < end:
                    table = file.read_row_group(group, columns=[stored[one] for one in present])
                    while place is not None and place < end:
                        values = {one: table[stored[one]][place - start].as_py() for one in present}
                        yield place, {one: values.get(one) for one in columns}
                        place = next(left, None)
                start = end
        if place is not None:
            raise DataError(
                f"{path}: expected a row {place}, which audit.json refers to; the file has {start} rows: "
                "the run folder was altered; check it with `auditor verify`"
            )


def cam_of(row: Row) -> NDArray[np.float32] | None:
    """The class activation map of a row.

    Returns:
        (h, w) float32, unnormalised; None where the row has none.
    """
    raw, height, width = row["cam"], row["cam_height"], row["cam_width"]
    if raw is None or height is None or width is None:
        return None
    return np.frombuffer(raw, np.float32).reshape(int(height), int(width))


def _split(reference: str) -> tuple[str, int]:
    name, hash_sign, row = reference.rpartition("#")
    if not hash_sign or not row.isdigit():
        raise DataError(
            f"audit.json: expected a reference such as 'explanations/maps-00000.parquet#12'; got "
            f"{reference!r}"
        )
    return name, int(row)
