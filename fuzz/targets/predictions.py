"""A hostile ``predictions.parquet`` in a run folder."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from auditor import verification
from auditor.records.decision_table import read_decisions
from auditor.records.prediction_file import require_predictions
from auditor.report.view.report_view import build_view
from auditor.run_folder import PREDICTIONS
from fuzz import parquet_edits, runs
from fuzz.target import Reader, Target

_COLUMNS = ("sample", "path", "label", "predicted", "confidence", "loss", "status", "cell", "line")

_VIEWS = 8
"""The run is verified and shown for one of so many inputs: it takes much longer."""


def _open(folder: Path) -> Reader:
    run = runs.small_run(folder)
    path = run.path / PREDICTIONS
    base = pq.read_table(path)
    result = run.read_result()

    def read(data: bytes) -> None:
        path.write_bytes(parquet_edits.changed_file(base, data))
        require_predictions(path, result)
        read_decisions(path, result.decision, [one.name for one in result.classes])
        if zlib.crc32(data) % _VIEWS == 0:
            verification.verify(run.path)
            build_view(run)

    return read


def _seeds() -> Iterator[bytes]:
    yield b"[]"
    yield b"PAR1"
    for column in _COLUMNS:
        yield json.dumps([[column, "cell", "x"]]).encode()
        yield json.dumps([[column, "type", "large_string"]]).encode()


def _mutate(data: bytes, rng: random.Random) -> bytes:
    return parquet_edits.mutate(data, rng, _COLUMNS)


TARGET = Target(
    name="predictions",
    about="edits to a `predictions.parquet` → checked, verified, read for the report",
    open=_open,
    seeds=_seeds,
    mutate=_mutate,
    kept=40,
    longest=8192,
)
