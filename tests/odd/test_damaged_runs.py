"""Run folders whose predictions or explanation files are damaged, or come from another hand."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders.small_runs import predictions, small_run

from auditor import comparison, selftest
from auditor.comparison.view import build_view
from auditor.errors import DataError, UsageError
from auditor.manifest import write_manifest
from auditor.report import documents
from auditor.run_folder import RunFolder
from auditor.verification import verify

Change = Callable[[pa.Table], pa.Table]
IMAGES, MAPS = "explanations/images-00000.parquet", "explanations/maps-00000.parquet"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = predictions(120, range(8), site=["A", "B"] * 60)
    return small_run(tmp_path_factory.mktemp("runs") / "run", table).path


def _copy(run: Path, tmp_path: Path) -> RunFolder:
    return RunFolder.open(shutil.copytree(run, tmp_path / "run"))


def _with(name: str, values: Any) -> Change:
    def change(table: pa.Table) -> pa.Table:
        column = values(table[name].to_pylist()) if callable(values) else values
        return table.set_column(table.column_names.index(name), name, pa.array(column))

    return change


def _rewrite(path: Path, change: Change) -> None:
    pq.write_table(change(pq.read_table(path)), path)


def _refused(read: Callable[[], object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


INVALID = pa.Array.from_buffers(
    pa.string(),
    120,
    [None, pa.py_buffer(np.arange(121, dtype=np.int32).tobytes()), pa.py_buffer(b"\xff" * 120)],
)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop_columns(["label"]), "it lacks label"),
        (lambda table: table.drop_columns(["sample", "loss"]), "it lacks sample, loss"),
        (lambda table: table.slice(0, 0), "expected the sample 's00"),
        (lambda table: table.append_column("label", table["label"]), "'label' occurs more than"),
        (lambda table: pa.concat_tables([table, table]), "'s0000' occurs more than once"),
        (_with("label", lambda one: ["other", *one[1:]]), "label: expected classes of audit.json"),
        (_with("predicted", lambda one: [None, *one[1:]]), "predicted: expected classes"),
        (_with("label", [0] * 120), "label: expected text; got int"),
        (_with("label", INVALID), "expected a readable Parquet file"),
        (_with("site", INVALID), "expected a readable Parquet file"),
        (_with("confidence", ["x"] * 120), "confidence: expected numbers"),
        (_with("confidence", [1.5] * 120), "confidence: expected probabilities from 0 to 1"),
        (_with("loss", [float("nan")] * 120), "expected finite numbers"),
        (_with("loss", [None] * 120), "expected"),
        (_with("status", [None] * 120), "expected an id and a status"),
        (_with("status", ["broken"] * 120), "it is not among the evaluated ones"),
        (_with("sample", lambda one: [f"x{k}" for k in one]), "explanations.failures.0.sample"),
    ],
)
def test_predictions_of_another_hand_are_refused(
    run: Path, change: Change, message: str, tmp_path: Path
) -> None:
    store = _copy(run, tmp_path)
    _rewrite(store.path / "predictions.parquet", change)
    write_manifest(store.path)
    other = RunFolder.open(run)
    _refused(lambda: documents.write(store, ["html"]), message)
    _refused(lambda: comparison.compare(store, other), message)
    _refused(lambda: comparison.compare(other, store), message)
    _refused(lambda: selftest.of_run(store), message)
    assert any(message in one for one in verify(store.path).contradictions)


@pytest.mark.parametrize("name", ["predictions.parquet", IMAGES, MAPS])
@pytest.mark.parametrize("content", [b"", b"PAR1", b"no Parquet" * 99, None, "cut", "flipped"])
def test_damaged_file_is_refused(
    run: Path, name: str, content: bytes | str | None, tmp_path: Path
) -> None:
    store = _copy(run, tmp_path)
    path = store.path / name
    whole = path.read_bytes()
    path.unlink()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif content == "flipped":
        broken = bytearray(whole)
        quarter = len(whole) // 4
        broken[quarter : 3 * quarter] = bytes(2 * quarter)
        path.write_bytes(bytes(broken))
    write_manifest(store.path)
    other = RunFolder.open(run)
    _refused(lambda: documents.write(store, ["html"]), path.name)
    if name == "predictions.parquet":
        _refused(lambda: comparison.compare(store, other), path.name)
        _refused(lambda: selftest.of_run(store), path.name)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (IMAGES, lambda table: table.slice(0, 1), "expected a row 1"),
        (IMAGES, lambda table: table.drop_columns(["image"]), "image: expected a JPEG; it is"),
        (IMAGES, _with("image", [None] * 6), "image: expected a JPEG; it is missing"),
        (IMAGES, _with("image", [b"no JPEG"] * 6), "image: expected a JPEG; it is missing or"),
        (IMAGES, _with("image", ["text"] * 6), "row 0: image: expected bytes; got str"),
        (IMAGES, _with("image", lambda one: [each[:200] for each in one]), "expected a JPEG"),
        (MAPS, _with("overlay", lambda one: [each[:200] for each in one]), "overlay: expected a"),
        (MAPS, _with("cam", [b"123"] * 6), "expected a map of 4 × 4 numbers of 4 bytes; got 3"),
        (MAPS, _with("cam_height", [0] * 6), "expected a map of 0 × 4"),
        (MAPS, _with("cam_width", [-4] * 6), "expected a map of 4 × -4"),
        (MAPS, _with("cam_width", ["4"] * 6), "row 0: cam_width: expected int; got str"),
    ],
)
def test_images_and_maps_of_another_hand_are_refused(
    run: Path, name: str, change: Change, message: str, tmp_path: Path
) -> None:
    store = _copy(run, tmp_path)
    _rewrite(store.path / name, change)
    _refused(lambda: documents.write(store, ["html"]), message)


def test_damaged_image_is_refused_in_a_comparison(run: Path, tmp_path: Path) -> None:
    store = _copy(run, tmp_path)
    right = predictions(120, range(3), site=["A", "B"] * 60)
    other = small_run(tmp_path / "other", right)
    _rewrite(store.path / IMAGES, _with("image", [b"no JPEG"] * 6))
    write_manifest(store.path)
    found = comparison.compare(store, other)
    with pytest.raises(DataError, match="image: expected a JPEG"):
        build_view(found, store, other)


def test_map_of_numbers_that_are_not_finite_is_shown_as_empty(run: Path, tmp_path: Path) -> None:
    store = _copy(run, tmp_path)
    empty = np.full((4, 4), np.nan, np.float32).tobytes()
    _rewrite(store.path / MAPS, _with("cam", [empty] * 6))
    documents.write(store, ["html"])
    assert "is empty: no part" in (store.path / "report.html").read_text("utf-8")


def test_metadata_of_pandas_in_predictions_is_not_believed(run: Path, tmp_path: Path) -> None:
    store = _copy(run, tmp_path)
    for metadata in (b"no json", b"[]", b'{"index_columns": ["nope"], "columns": []}'):
        path = store.path / "predictions.parquet"
        pq.write_table(pq.read_table(path).replace_schema_metadata({b"pandas": metadata}), path)
        documents.write(store, ["markdown"])
