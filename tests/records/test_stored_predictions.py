"""The columns of a file of predictions: as Arrow reads the whole table, but one at a time."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from auditor.records.predictions import STATUS, as_classes
from auditor.records.stored_predictions import StoredPredictions

_COLUMNS = ["sample", "path", "label", "loss", "a", "a.b", "phash"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Seven samples in row groups of three; the third and the last could not be evaluated."""
    table = pa.table(
        {
            "sample": [f"s{k}" for k in range(7)],
            "path": [f"images/{k}.png" for k in range(7)],
            "label": list("xyxyxyx"),
            "loss": [0.1, 0.2, None, 0.4, 0.5, 0.6, None],
            "status": ["ok", "ok", "truncated", "ok", "ok", "ok", None],
            "phash": ["00", None, "02", "03", "04", "05", "06"],
            "p:x": pa.array(np.linspace(0, 1, 7), pa.float32()),
            "p:y": pa.array(np.linspace(1, 0, 7), pa.float32()),
            "a": [1, 2, 3, 4, 5, 6, 7],
            "a.b": list("abcdefg"),
        }
    )
    pq.write_table(table, tmp_path / "predictions.parquet", row_group_size=3)
    return tmp_path / "predictions.parquet"


def test_evaluated_samples_are_those_of_the_filtered_table(path: Path) -> None:
    whole = pq.read_table(path)
    expected = whole.filter(pc.equal(whole[STATUS], "ok")).select(_COLUMNS).to_pandas()
    with pq.ParquetFile(path) as file:
        found = StoredPredictions(file).evaluated(_COLUMNS)
    pd.testing.assert_frame_equal(found, expected)


def test_table_has_all_samples(path: Path) -> None:
    with pq.ParquetFile(path) as file:
        found = StoredPredictions(file).table(_COLUMNS)
    pd.testing.assert_frame_equal(found, pq.read_table(path, columns=_COLUMNS).to_pandas())


def test_probabilities_are_in_the_order_of_the_classes_or_missing_as_a_whole(path: Path) -> None:
    with pq.ParquetFile(path) as file:
        stored = StoredPredictions(file)
        found = stored.probabilities(["y", "x"])
        without = stored.probabilities(["x", "z"]), stored.probabilities([])
    assert found is not None
    assert found.dtype == np.float32
    assert found[:, 1] == pytest.approx(np.linspace(0, 1, 7)[[0, 1, 3, 4, 5]])
    assert without == (None, None)


def test_samples_that_could_not_be_evaluated_are_named_with_their_status(path: Path) -> None:
    with pq.ParquetFile(path) as file:
        found = list(StoredPredictions(file).unusable())
    assert found == [("s2", "images/2.png", "truncated"), ("s6", "images/6.png", "None")]


def test_column_of_another_hand_is_validated_only_where_asked(tmp_path: Path) -> None:
    offsets, data = pa.py_buffer(np.array([0, 1, 2], np.int32)), pa.py_buffer(b"\xff\xfe")
    broken = pa.Array.from_buffers(pa.string(), 2, [None, offsets, data])  # not UTF-8
    path = tmp_path / "broken.parquet"
    pq.write_table(pa.table({"sample": broken, "status": ["ok", "ok"]}), path)
    with pq.ParquetFile(path) as file, pytest.raises(pa.ArrowInvalid, match="UTF8"):
        StoredPredictions(file, checked=True).table(["sample"])


def test_class_names_become_codes_and_unknown_ones_missing() -> None:
    found = as_classes(pd.Series(["b", "a", None, "c", "b"]), ["a", "b"])
    assert found.codes.tolist() == [1, 0, -1, -1, 1]
    assert found.categories.tolist() == ["a", "b"]


def test_class_names_of_many_samples_take_a_few_bytes_each() -> None:
    n = 200_000
    column = pd.Series(pa.array(["cat", "dog"] * (n // 2)).to_pandas())
    tracemalloc.start()
    found = as_classes(column, ["cat", "dog"])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Places and codes of 8 bytes each, and the result of 1: not 50 bytes and more of a Python text.
    assert peak < 32 * n
    assert len(found) == n
