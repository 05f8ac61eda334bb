"""A shard: the i-th of n parts of the blocks, in a folder of its own that needs no other.

::

    reports/<run>.predict-1-of-4.unfinished/   while it is computed, and after it was aborted
    reports/<run>.predict-1-of-4/              predictions/  resume.parquet  shard.json  manifest.json
    reports/<run>.explain-1-of-4/              explanations/  resume.parquet  shard.json  manifest.json
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from pydantic import ValidationError

from auditor.errors import ConfigError, DataError
from auditor.records import Record
from auditor.records.expectations import first_fault
from auditor.run_files import read_regular

SHARD = "shard.json"
"""File with which a shard says what it holds."""

Phase = Literal["predict", "explain"]
"""What the blocks of a shard contain."""

MAX_COUNT = 100_000
_LONGEST = 1 << 20
"""Bytes of the file that are read."""
_NAME = re.compile(r"(?P<run>.+)\.(?P<phase>predict|explain)-\d+-of-\d+", re.DOTALL)


@dataclass(frozen=True)
class Shard:
    """The i-th of n shards.

    Attributes:
        number: i, from 1 to ``count``.
        count: n.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads ``i/n``.

        Raises:
            ConfigError: it is something else.
        """
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip(), re.ASCII)
        number, count = (int(one) for one in found.groups()) if found else (0, 0)
        if not 1 <= number <= count <= MAX_COUNT:
            raise ConfigError(
                "--shard: expected i/n with 1 ≤ i ≤ n, such as 1/4 for the first of four shards; got "
                f"{text!r}"
            )
        return cls(number, count)

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def blocks(self, total: int) -> range:
        """The numbers of its blocks, out of ``total``: every n-th, so that all shards have as many."""
        return range(self.number - 1, total, self.count)

    def place(self, final: Path, phase: Phase) -> Path:
        """The folder of the finished shard, beside that of the run."""
        return final.with_name(f"{final.name}.{phase}-{self.number}-of-{self.count}")


class ShardRecord(Record):
    """Content of ``shard.json``."""

    program: Literal["auditor"] = "auditor"
    version: Literal[1] = 1
    phase: Phase
    number: int
    count: int
    n_blocks: int
    """Blocks of all shards together."""

    @property
    def shard(self) -> Shard:
        """Which of the shards it is."""
        return Shard(self.number, self.count)


def write_record(record: ShardRecord, folder: Path) -> None:
    """Writes ``shard.json``."""
    (folder / SHARD).write_text(record.model_dump_json(indent=1), encoding="utf-8")


def read_record(folder: Path) -> ShardRecord:
    """Reads ``shard.json``.

    Raises:
        DataError: the folder is no finished shard.
    """
    path = folder / SHARD
    if folder.name.endswith(".unfinished"):
        raise DataError(
            f"{folder}: expected a finished shard; it is unfinished: continue it with the same command and "
            "--resume"
        )
    try:
        record = ShardRecord.model_validate_json(read_regular(path, _LONGEST))
    except (FileNotFoundError, NotADirectoryError):
        found = "there is no such folder"
        if folder.is_dir():
            found = f"it contains no {SHARD}"
        elif folder.with_name(f"{folder.name}.unfinished").is_dir():
            found = "it is unfinished: continue it with the same command and --resume"
        raise DataError(
            f"{folder}: expected the folder of a shard, which `auditor run --shard` wrote; {found}"
        ) from None
    except ValidationError as error:
        raise DataError(
            f"{path}: expected what `auditor run --shard` wrote; {first_fault(error)}: compute the shard "
            "again"
        ) from error
    if not 1 <= record.number <= record.count <= MAX_COUNT:
        raise DataError(
            f"{path}: expected a shard i/n with 1 ≤ i ≤ n; got {record.shard}: compute the shard again"
        )
    return record


def run_of(shard: Path) -> Path | None:
    """The folder of the run to which a shard belongs, by its name; None where it was renamed."""
    found = _NAME.fullmatch(shard.name)
    return shard.with_name(found["run"]) if found else None
