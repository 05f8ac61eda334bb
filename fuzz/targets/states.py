"""The folder of an interrupted audit that somebody else left: what `--resume` reads of it.

An input is a list of four lists: edits to the facts and to the table of the state, and of a block. Other
inputs are the file of the state, or of the block, behind a letter.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from PIL import Image

from auditor.blocks import _FACTS, block_name
from auditor.datasets.images import FileImages
from auditor.manifest import RESUME_STATE
from auditor.progress import Silent
from auditor.records import Dataset, Record
from auditor.resume_state import ResumeState
from auditor.resuming import _Unchanged
from auditor.run_folder import RunFolder
from auditor.stages.predicted_blocks import PredictedBlock, complete_blocks, unpredicted_images
from fuzz import parquet_edits
from fuzz.edits import apply, mutate_edits
from fuzz.target import Reader, Target

_N = 3
_STATE = ResumeState(
    config={"seed": 0, "data.path": "t.csv", "slices.min_support": 30},
    weights="0" * 64,
    found={"target layer": "features", "output": "logits"},
    packages={"auditor": "1", "torch": "2"},
    reference=None,
    block_sizes=(4096, 512),
)
_BLOCK = PredictedBlock(
    number=0,
    n_samples=_N,
    n_run=_N,
    n_raised=0,
    n_raised_first=0,
    first_raised=None,
    image_size=("0.png", 2, 2),
)
_FILES = ((_STATE, ("row",)), (_BLOCK, ("sample", "status", "sha256", "label")))
"""The facts of both files, and the columns of their tables."""


def _open(folder: Path) -> Reader:
    names = [f"{k}.png" for k in range(_N)]
    for name in names:
        Image.new("RGB", (2, 2)).save(folder / name)
    images = FileImages.of(folder, names)
    samples = pd.DataFrame({"path": names, "label": "a"}, index=names)
    dataset = Dataset(samples=samples, images=images, attributes=(), adapter="manifest")
    rows = np.arange(_N, dtype=np.uint64)
    hashes = [images[k].sha256 for k in range(_N)]
    columns = {"sample": names, "status": ["ok"] * _N, "sha256": hashes, "label": ["a"] * _N}
    tables = (pa.table({"row": rows}), pa.table(columns))
    final = folder / "run"

    def read(data: bytes) -> None:
        begun = RunFolder.begin(final)
        state, block = _files(tables, data)
        (begun.path / RESUME_STATE).write_bytes(state)
        (begun.predicted / block_name(0)).write_bytes(block)
        begun.release()
        found = RunFolder.begin(final, resume=True)
        try:
            _Unchanged(_STATE, rows, dataset, Silent()).unfinished(found)
            complete = complete_blocks(found.predicted, _N)
            unpredicted_images(complete)
            if complete:
                found.merge_predictions(len(complete))
        finally:
            found.release()
            shutil.rmtree(found.path)

    return read


def _files(tables: tuple[pa.Table, ...], data: bytes) -> list[bytes]:
    """The files of the state and of the block."""
    lists = _lists(data)
    made = []
    for k, (table, (facts, _)) in enumerate(zip(tables, _FILES, strict=True)):
        changed = apply(facts.model_dump(mode="json"), lists[2 * k])
        whole = table.replace_schema_metadata({_FACTS: json.dumps(changed).encode()})
        edits = json.dumps(lists[2 * k + 1]).encode("utf-8", "surrogatepass")
        made.append(parquet_edits.changed_file(whole, edits))
    if data[:1] in (b"s", b"b"):
        made[data[:1] == b"b"] = data[1:]
    return made


def _lists(data: bytes) -> list[list[Any]]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    lists = found if isinstance(found, list) else []
    return [one if isinstance(one, list) else [] for one in [*lists, [], [], [], []][:4]]


def _seeds() -> Iterator[bytes]:
    yield b"[[], [], [], []]"
    yield b"sPAR1"
    yield b"bPAR1"
    yield b'[[[["weights"], "set", "1"]], [], [], []]'
    yield b'[[], [["row", "remove", 0]], [], []]'
    yield b'[[], [], [[["number"], "set", 1]], [["sha256", "cell", "x"]]]'


def _mutate(data: bytes, rng: random.Random) -> bytes:
    lists = _lists(data)
    place = rng.randrange(4)
    facts, columns = _FILES[place // 2]
    old = json.dumps(lists[place]).encode("utf-8", "surrogatepass")
    new = (
        parquet_edits.mutate(old, rng, columns)
        if place % 2
        else mutate_edits(old, rng, _base(facts))
    )
    lists[place] = json.loads(new)
    return json.dumps(lists).encode("utf-8", "surrogatepass")


def _base(facts: Record) -> Any:
    return facts.model_dump(mode="json")


TARGET = Target(
    name="states",
    about="edits to the state and a block of an unfinished run → what `--resume` reads",
    open=_open,
    seeds=_seeds,
    mutate=_mutate,
    kept=40,
    longest=8192,
)
