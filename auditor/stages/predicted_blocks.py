"""The blocks of predictions: which are complete, and what they say together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from auditor import blocks
from auditor.blocks import Blocks, block_name, has_rows, read_block
from auditor.errors import ModelError
from auditor.phrasing import count, plural
from auditor.records import Record, Skipped
from auditor.records.predictions import SAMPLE, SHA256, STATUS

GIVE_UP = 64
"""If the network raised on so many images, and ran on no other, no more are tried."""


class PredictedBlock(Record):
    """What is known of a block beside its rows."""

    number: int
    n_samples: int
    n_run: int
    """Images on which the network was run."""
    n_raised: int
    """Those of them on which it raised an exception."""
    n_raised_first: int
    """Images of the first batches, as long as the network raised on all of them."""
    first_raised: tuple[str, str] | None
    """The first sample on which it raised, and the message."""
    image_size: tuple[str, int, int] | None
    """A sample with its height and width after preprocessing; None where no image could be read."""


def blocks_of(n_samples: int) -> Blocks:
    """The blocks of a data set."""
    return Blocks(n_samples, blocks.PREDICTED_SAMPLES)


def complete_blocks(folder: Path, n_samples: int) -> dict[int, PredictedBlock]:
    """The complete blocks in a folder, by number.

    Args:
        folder: of the blocks.
        n_samples: N, of the data set.
    """
    found: dict[int, PredictedBlock] = {}
    expected = blocks_of(n_samples)
    for number in range(len(expected)):
        path, rows = folder / block_name(number), len(expected.rows(number))
        one = read_block(path, PredictedBlock)
        if one is None or (one.number, one.n_samples) != (number, rows):
            continue
        if has_rows(path, rows, (SAMPLE, STATUS, SHA256)):
            found[number] = one
    return found


def unpredicted_images(found: Mapping[int, PredictedBlock]) -> list[Skipped]:
    """The images on which the network raised an exception.

    Args:
        found: all blocks.

    Returns:
        How many there are, and which; nothing where it ran on all.

    Raises:
        DataError: images have different sizes after preprocessing.
        ModelError: the network raises on all images, or on the first ones.
    """
    ordered = [found[number] for number in sorted(found)]
    sizes = [one.image_size for one in ordered if one.image_size is not None]
    for size in sizes:
        if size[1:] != sizes[0][1:]:
            from auditor.input_pipeline import different_sizes  # imports torch

            raise different_sizes(sizes[0], size)
    raised = [one.first_raised for one in ordered if one.first_raised is not None]
    if not raised:
        return []
    n_run, n_raised = sum(one.n_run for one in ordered), sum(one.n_raised for one in ordered)
    sample, reason = raised[0]
    if n_raised == n_run or _n_raised_first(ordered) >= GIVE_UP:
        raise ModelError(reason)
    which = f"no predictions for {count(n_raised)} of {plural(n_run, 'image')}, such as {sample}"
    return [Skipped(check="predict", reason=f"{which}: {reason}")]


def _n_raised_first(ordered: list[PredictedBlock]) -> int:
    """Images of the first batches of the data set, as long as the network raised on all of them."""
    total = 0
    for one in ordered:
        total += one.n_raised_first
        if one.n_raised_first < one.n_run:
            break
    return total
