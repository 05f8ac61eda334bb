"""Predict: run the network once on every sample and write the results, block by block, as Parquet files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from auditor.audited_model import AuditedModel
from auditor.blocks import block_name, write_block
from auditor.errors import ModelError
from auditor.input_pipeline import Batch
from auditor.progress import Advance
from auditor.records import Dataset, Skipped
from auditor.records.predictions import OK
from auditor.records.small_copies import Detail
from auditor.stages.kept_outputs import keeps_copies, keeps_features, with_copies, with_features
from auditor.stages.predicted_blocks import (
    GIVE_UP,
    PredictedBlock,
    blocks_of,
    complete_blocks,
    unpredicted_images,
)
from auditor.stages.prediction_rows import PredictionRows


def predict(
    model: AuditedModel,
    dataset: Dataset,
    codes: NDArray[np.int64],
    folder: Path,
    advance: Advance,
) -> list[Skipped]:
    """Predicts every sample and writes one row per sample, in the order of the data set.

    The columns are those of `records.predictions`, with the probabilities of all classes where
    there are at most 100. A sample whose image can't be read, whose logits are not finite, or for
    which the network raises, keeps its row: ``status`` gives the reason, and ``predicted``,
    ``confidence`` and ``loss`` are null.
    Memory does not grow with the number of samples.

    Args:
        model: the audited model.
        dataset: N samples.
        codes: (N,) labels as class indices; (N, L) for a multi-label task.
        folder: receives one file per block; blocks that are complete there are not computed again.
        advance: called after each batch with its number of samples.

    Returns:
        How many images the network raised an exception on, and which; nothing where it ran on all.

    Raises:
        DataError: two images have different sizes after preprocessing.
        ModelError: on every image so far, the network raises, its output is not (B, K), or a single
            image does not fit into memory.
    """
    predict_blocks(model, dataset, codes, folder, range(len(blocks_of(len(dataset)))), advance)
    return unpredicted_images(complete_blocks(folder, len(dataset)))


def predict_blocks(
    model: AuditedModel,
    dataset: Dataset,
    codes: NDArray[np.int64],
    folder: Path,
    numbers: Iterable[int],
    advance: Advance,
) -> None:
    """Predicts the samples of some blocks; see ``predict``.

    Where these are not all blocks, the network may raise on each of their images; whether it does on all
    images, `predicted_blocks.unpredicted_images` says.

    Args:
        model: the audited model.
        dataset: N samples.
        codes: (N,) labels as class indices; (N, L) for a multi-label task.
        folder: receives one file per block; those that are complete there are not computed again.
        numbers: of the blocks.
        advance: called after each batch with its number of samples.

    Raises:
        DataError: see ``predict``.
        ModelError: see ``predict``.
    """
    cut = blocks_of(len(dataset))
    complete = complete_blocks(folder, len(dataset))
    missing = sorted(set(numbers) - set(complete))
    for number in sorted(set(numbers) & set(complete)):
        advance(len(cut.rows(number)))
    if not missing:
        return
    rows, lengths = cut.rows_of(missing), cut.batch_lengths(missing, model.batch_size)
    table = PredictionRows(dataset, codes, model.rule)
    so_far = _RaisedOnAll(missing[0], complete)
    n_classes, features = len(model.classes), keeps_features(model, len(dataset))
    copied = Detail.PROPERTIES if keeps_copies(model, dataset) else None
    block = _OpenBlock()
    for batch in model.batches(dataset, rows, lengths=lengths, measured=True, copied=copied):
        if not block.n_rows:
            model.forget_passes()
        outputs, errors = model.logits_of_each(batch.images, features=features)
        rows_of_batch = table.of(batch, outputs[:, :n_classes], errors)
        if features:
            readable = np.array([status == OK for status in batch.status])
            rows_of_batch = with_features(rows_of_batch, outputs[:, n_classes:], readable)
        if copied is not None:
            rows_of_batch = with_copies(rows_of_batch, batch.copies)
        raised = [(_readable_samples(dataset, batch)[k], error) for k, error in errors.items()]
        block.add(rows_of_batch, batch, raised)
        so_far.add(len(outputs), raised)
        number = int(batch.rows[-1]) // cut.size
        if block.n_rows == len(cut.rows(number)):
            is_last = number == missing[-1] and len(complete) + len(missing) == len(cut)
            so_far.require_some(GIVE_UP if not is_last else 1)
            block.write(number, dataset, folder)
            block = _OpenBlock()
        else:
            so_far.require_some(GIVE_UP)
        advance(len(batch.rows))


class _OpenBlock:
    """The rows of a block that is being computed."""

    def __init__(self) -> None:
        self.n_rows = 0
        self._tables: list[pa.Table] = []
        self._n_run = self._n_raised_first = 0
        self._raised: list[tuple[str, ModelError]] = []
        self._size: tuple[int, int, int] | None = None

    def add(self, table: pa.Table, batch: Batch, raised: list[tuple[str, ModelError]]) -> None:
        """Adds a batch, and the samples on which the network raised."""
        self._tables.append(table)
        self.n_rows += len(table)
        self._n_run += len(batch.images)
        self._raised += raised
        if len(self._raised) == self._n_run:
            self._n_raised_first = self._n_run
        if self._size is None and len(batch.images):
            height, width = batch.images.shape[2:]
            self._size = int(batch.rows[batch.status.index(OK)]), height, width

    def write(self, number: int, dataset: Dataset, folder: Path) -> None:
        """Writes the file of the block."""
        size = self._size
        facts = PredictedBlock(
            number=number,
            n_samples=self.n_rows,
            n_run=self._n_run,
            n_raised=len(self._raised),
            n_raised_first=self._n_raised_first,
            first_raised=(self._raised[0][0], str(self._raised[0][1])) if self._raised else None,
            image_size=None if size is None else (str(dataset.samples.index[size[0]]), *size[1:]),
        )
        table = pa.concat_tables(self._tables).combine_chunks()
        write_block(table, facts, folder / block_name(number))


class _RaisedOnAll:
    """Counts the images of the data set, from the first one, as long as the network raises on each."""

    def __init__(self, first: int, complete: Mapping[int, PredictedBlock]) -> None:
        before = [complete[number] for number in range(first) if number in complete]
        self._n = sum(one.n_run for one in before)
        # Where earlier blocks are computed elsewhere, nothing is known of them.
        self._holds = len(before) == first and all(one.n_raised == one.n_run for one in before)
        reasons = [one.first_raised[1] for one in before if one.first_raised is not None]
        self._error = ModelError(reasons[0]) if reasons else None

    def add(self, n_run: int, raised: Sequence[tuple[str, ModelError]]) -> None:
        """Counts a batch."""
        self._n += n_run
        self._holds = self._holds and len(raised) == n_run
        if self._error is None and raised:
            self._error = raised[0][1]

    def require_some(self, at_most: int) -> None:
        """Raises the first exception if there were so many images, and all raised one."""
        if self._holds and self._n >= at_most and self._error is not None:
            raise self._error


def _readable_samples(dataset: Dataset, batch: Batch) -> list[str]:
    """Ids of the samples of a batch whose images could be read."""
    readable = [status == OK for status in batch.status]
    return [str(one) for one in dataset.samples.index[batch.rows[readable]]]
