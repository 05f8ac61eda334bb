"""Tables of images as Parquet."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from fuzz import parquet_edits, pixels
from fuzz.datasets import examine
from fuzz.target import Reader, Target
from fuzz.targets.tables import manifests

BASE = pa.table(
    {
        "file": ["a/1.png", "a/1.png", "a/2.png"],
        "label": ["cat", "dog", "cat"],
        "site": ["A", None, "B"],
        "age": [31.0, None, 44.5],
        "patient": [1, 2, 2],
        "weight": [1.0, 2.0, 0.5],
        "box": ["1,1,4,4", None, "[[1,1,4,4]]"],
        "mask": ["a/mask.png", None, None],
        "split": ["test", "test", "train"],
    }
)


def _open(folder: Path) -> Reader:
    (folder / "a").mkdir()
    (folder / "a" / "1.png").write_bytes(pixels.stored(pixels.coloured("RGB"), "PNG"))
    (folder / "a" / "mask.png").write_bytes(pixels.stored(pixels.coloured("L"), "PNG"))
    path = folder / "table.parquet"
    ways = list(manifests(path))

    def read(data: bytes) -> None:
        way = data[0] % len(ways) if data else 0
        path.write_bytes(parquet_edits.changed_file(BASE, data[1:]))
        examine(ways[way].open())

    return read


def _seeds() -> Iterator[bytes]:
    for way in range(3):
        yield bytes([way]) + b"[]"
        yield bytes([way]) + json.dumps([["age", "type", "string"], ["label", "cell", 0]]).encode()
    yield b"\0" + parquet_edits.changed_file(BASE.select(["file", "label"]), b"[]")


def _mutate(data: bytes, rng: random.Random) -> bytes:
    return parquet_edits.mutate(data, rng, tuple(BASE.column_names), head=1)


TARGET = Target(
    name="parquet",
    about="a Parquet file → `Manifest.open`, labels, attributes, boxes, images",
    open=_open,
    seeds=_seeds,
    mutate=_mutate,
    longest=8192,
)
