"""Blocks: fixed parts of the samples, each computed alone and stored in files of its own.

Which samples a block holds, and how it is cut into batches, depends on nothing else. So its numbers are
the same to the bit whichever blocks are computed in the same process, before or after it. That is what an
interrupted audit, shards, and several processes rely on.

A block is either complete or absent: its file appears under its name when all of it is on the disk.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import ValidationError

from auditor.records import Record

PREDICTED_SAMPLES = 2048
"""Samples in a block of predictions."""
EXPLAINED_SAMPLES = 256
"""Samples in a block of explanations."""

_FACTS = b"auditor.block"
"""Key of the metadata of a block's file."""

Facts = TypeVar("Facts", bound=Record)


@dataclass(frozen=True)
class Blocks:
    """Some items, one after another, in blocks.

    Attributes:
        n: number of items.
        size: items in a block; the last one may have fewer.
    """

    n: int
    size: int

    def __len__(self) -> int:
        return (self.n + self.size - 1) // self.size

    def rows(self, number: int) -> NDArray[np.int64]:
        """Positions of the items of a block, int64."""
        return np.arange(number * self.size, min((number + 1) * self.size, self.n), dtype=np.int64)

    def rows_of(self, numbers: Iterable[int]) -> NDArray[np.int64]:
        """Positions of the items of some blocks, int64."""
        nothing = np.empty(0, dtype=np.int64)
        return np.concatenate([nothing, *(self.rows(number) for number in numbers)])

    def batch_lengths(self, numbers: Iterable[int], batch_size: int) -> list[int]:
        """The number of items in each batch of some blocks; no batch has items of two blocks."""
        lengths: list[int] = []
        for number in numbers:
            left = len(self.rows(number))
            lengths += [batch_size] * (left // batch_size)
            lengths += [left % batch_size] if left % batch_size else []
        return lengths


def block_name(number: int, prefix: str = "part") -> str:
    """File name of a block."""
    return f"{prefix}-{number:05d}.parquet"


def write_table(table: pa.Table, path: Path) -> None:
    """Writes a Parquet file that appears when it is complete, and survives a power failure."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as stream:
        pq.write_table(table, stream, write_page_checksum=True)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)


def write_block(table: pa.Table, facts: Record, path: Path) -> None:
    """Writes a block, with facts about it in the metadata of the file."""
    metadata = (table.schema.metadata or {}) | {_FACTS: facts.model_dump_json().encode()}
    write_table(table.replace_schema_metadata(metadata), path)


def is_readable(path: Path) -> bool:
    """Whether a Parquet file exists and is not cut off."""
    try:
        pq.read_metadata(path)
    except (OSError, pa.ArrowException):
        return False
    return True


def is_intact(path: Path) -> bool:
    """Whether all pages of a Parquet file have the checksums with which `write_table` wrote them."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for number in range(file.num_row_groups):
                file.read_row_group(number)
    except (OSError, pa.ArrowException, UnicodeDecodeError):
        return False
    return True


def has_rows(path: Path, n: int, texts: Collection[str]) -> bool:
    """Whether a Parquet file has so many rows, these columns of text, and no column twice."""
    try:
        with pq.ParquetFile(path) as file:
            schema, found = file.schema_arrow, file.metadata.num_rows
    except (OSError, pa.ArrowException):
        return False
    return (
        found == n
        and len(set(schema.names)) == len(schema.names)
        and all(name in schema.names and schema.field(name).type == pa.string() for name in texts)
    )


def read_block(path: Path, kind: type[Facts]) -> Facts | None:
    """The facts about a block; None where its file is missing, damaged, or none of ours."""
    try:
        metadata = pq.read_schema(path).metadata or {}
        return kind.model_validate_json(metadata.get(_FACTS, b""))
    except (OSError, pa.ArrowException, ValidationError):
        return None
