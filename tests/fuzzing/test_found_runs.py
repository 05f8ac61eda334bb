"""Run folders that fuzzing found: each raised an exception, and is now refused in one message."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders.small_runs import predictions, small_run
from PIL import Image

from auditor.errors import DataError
from auditor.report import documents
from auditor.run_folder import RunFolder


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return small_run(tmp_path / "run", predictions(60, range(4)))


def _jpeg_that_states(side: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (8, 8)).save(stream, "JPEG")
    data = bytearray(stream.getvalue())
    size = data.index(b"\xff\xc0") + 5
    data[size : size + 4] = struct.pack(">HH", side, side)
    return bytes(data)


@pytest.mark.parametrize("side", [9000, 13_000, 65_000])
def test_stored_image_of_extreme_size_is_refused(side: int, run: RunFolder) -> None:
    path = run.path / "explanations" / "images-00000.parquet"
    table = pq.read_table(path)
    bomb = pa.array([_jpeg_that_states(side)] * len(table))
    pq.write_table(table.set_column(table.column_names.index("image"), "image", bomb), path)
    with pytest.raises(DataError, match="image: expected a JPEG"):
        documents.write(run, ["html"])


@pytest.mark.parametrize("unit", ["s", "ms"])
def test_duration_that_python_cannot_hold_is_refused(unit: str, run: RunFolder) -> None:
    path = run.path / "explanations" / "images-00000.parquet"
    table = pq.read_table(path)
    endless = pa.array([2**63 - 1] * len(table), pa.duration(unit))
    pq.write_table(table.set_column(table.column_names.index("image"), "image", endless), path)
    with pytest.raises(DataError, match="out of range"):
        documents.write(run, ["html"])


@pytest.mark.parametrize("column", ["image", "sample", "width"])
def test_column_that_occurs_twice_in_a_file_of_images_is_refused(
    column: str, run: RunFolder
) -> None:
    path = run.path / "explanations" / "images-00000.parquet"
    table = pq.read_table(path)
    pq.write_table(table.append_column(column, table[column]), path)
    if column == "image":
        with pytest.raises(DataError, match="occurs more than once"):
            documents.write(run, ["html"])
    else:
        documents.write(run, ["html"])  # a column that is not read does no harm
