"""The blocks of explanations: which are complete, and what they say together.

Beside the images and maps, which stay in the run folder, each block has a file in ``explanations/blocks/``
until the run is finished. It holds the maps and images of samples of cells, of which mean maps are made, and
what was left out. It is written last: with it, the block is complete.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from auditor import blocks
from auditor.blocks import Blocks, block_name, is_readable, read_block, write_block
from auditor.evaluated_samples import EvaluatedSamples
from auditor.explanation_files import MeanMaps, map_files
from auditor.judging.broken_parts import BrokenPart
from auditor.records import PreflightRecord, Record, SampleSelection
from auditor.records.predictions import SAMPLE

GIVE_UP = 100
"""If the maps of so many images could not be computed, and those of no other, no more are tried."""

BLOCKS = "blocks"
"""Folder in ``explanations/`` that holds the blocks until the run is finished."""

_CELL_MAPS = pa.schema(
    [
        ("row", pa.int64()),
        ("target", pa.string()),
        ("cam", pa.binary()),
        ("cam_height", pa.int32()),
        ("cam_width", pa.int32()),
        ("view", pa.binary()),
        ("height", pa.int32()),
        ("width", pa.int32()),
    ]
)


class Some(Record):
    """Some samples."""

    n: int
    first: str


class Raised(Record):
    """Samples for which computing the maps raised an exception, and the first exception."""

    n: int
    first: str
    reason: str
    traceback: str


class ExplainedBlock(Record):
    """What is known of a block beside its maps."""

    number: int
    jobs: str
    """Fingerprint of what was to be explained."""
    n_tried: int
    n_explained: int
    """Samples with maps in files."""
    n_raised_first: int
    """Images of the first batches, as long as the maps of none of them could be computed."""
    gave_up: bool
    """Whether the rest was not tried, because none of the first images of the audit could be explained."""
    lost: dict[str, Some]
    """Images that can no longer be read, by their status."""
    not_finite: Some | None
    without_detail: Some | None
    raised: Raised | None
    explainer: str
    preflight: PreflightRecord


@dataclass
class CellMaps:
    """The maps and images of the samples of cells, as far as they are in one block."""

    rows: list[dict[str, object]] = field(default_factory=list)

    def add(self, row: int, target: str, cam: NDArray[np.float32], view: NDArray[np.uint8]) -> None:
        """Adds a map, (h, w), and the image, (H, W, 3)."""
        self.rows.append(
            {
                "row": row,
                "target": target,
                "cam": np.ascontiguousarray(cam, dtype="<f4").tobytes(),
                "cam_height": cam.shape[0],
                "cam_width": cam.shape[1],
                "view": np.ascontiguousarray(view).tobytes(),
                "height": view.shape[0],
                "width": view.shape[1],
            }
        )

    def write(self, facts: ExplainedBlock, folder: Path) -> None:
        """Writes the file with which a block is complete."""
        place = folder / BLOCKS
        place.mkdir(exist_ok=True)
        table = pa.Table.from_pylist(self.rows, _CELL_MAPS)
        write_block(table, facts, place / block_name(facts.number))


def add_cell_maps(means: MeanMaps, folder: Path, number: int) -> None:
    """Adds the maps of a block to the mean maps."""
    with pq.ParquetFile(folder / BLOCKS / block_name(number)) as file:
        for batch in file.iter_batches(batch_size=64):
            for one in batch.to_pylist():
                cam = np.frombuffer(one["cam"], "<f4").reshape(one["cam_height"], one["cam_width"])
                view = np.frombuffer(one["view"], np.uint8)
                means.add(
                    one["row"], one["target"], cam, view.reshape(one["height"], one["width"], 3)
                )


def blocks_of(n_jobs: int) -> Blocks:
    """The blocks of what is to be explained."""
    return Blocks(n_jobs, blocks.EXPLAINED_SAMPLES)


def fingerprints(samples: EvaluatedSamples, selection: SampleSelection) -> list[str]:
    """SHA-256 over what each block is to explain, and which of its maps mean maps need."""
    cut, means = blocks_of(len(selection.jobs)), MeanMaps(selection.cells)
    ids, classes = samples.table[SAMPLE].to_numpy(), samples.model.classes
    found: list[str] = []
    for number in range(len(cut)):
        jobs = [selection.jobs[k] for k in cut.rows(number)]
        kept = (
            (job.row, code)
            for job in jobs
            for _, code in job.targets
            if means.needs(job.row, classes[code])
        )
        described = [(str(ids[job.row]), job) for job in jobs], list(kept)
        found.append(hashlib.sha256(repr(described).encode("utf-8", "replace")).hexdigest())
    return found


def complete_blocks(folder: Path, wanted: Sequence[str]) -> dict[int, ExplainedBlock]:
    """The complete blocks in a folder, by number.

    Args:
        folder: ``explanations/`` of the run.
        wanted: fingerprint of each block.
    """
    found: dict[int, ExplainedBlock] = {}
    for number, jobs in enumerate(wanted):
        one = read_block(folder / BLOCKS / block_name(number), ExplainedBlock)
        if one is None or (one.number, one.jobs) != (number, jobs):
            continue
        if not one.n_explained or all(map(is_readable, map_files(folder, number))):
            found[number] = one
    return found


def used_blocks(found: Mapping[int, ExplainedBlock]) -> list[ExplainedBlock]:
    """The blocks in order, up to that in which no more was tried."""
    used: list[ExplainedBlock] = []
    for number in sorted(found):
        used.append(found[number])
        if found[number].gave_up:
            break
    return used


def joined(parts: Iterable[Some | None]) -> Some | None:
    """All samples of some blocks; None where there are none."""
    some = [one for one in parts if one is not None]
    return Some(n=sum(one.n for one in some), first=some[0].first) if some else None


def broken_part(parts: Sequence[ExplainedBlock], name: str, share: str) -> BrokenPart:
    """Why maps could not be computed, with the first traceback.

    Args:
        parts: blocks of which at least one has an exception.
        name: of the stage.
        share: how many images have no maps, in words.
    """
    first = next(one.raised for one in parts if one.raised is not None)
    reason = f"no maps of {share}, such as {first.first}: {first.reason}"
    return BrokenPart(name, "map", reason, first.traceback)
