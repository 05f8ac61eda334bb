"""Predict: run the network once on every sample and write the results as Parquet shards."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from auditor.audited_model import AuditedModel
from auditor.errors import ModelError
from auditor.input_pipeline import Batch, Measured
from auditor.phrasing import count, plural
from auditor.progress import Advance
from auditor.records import Dataset, Skipped, image_properties
from auditor.records.decisions import DecisionRule
from auditor.records.predictions import (
    GROUP,
    INFINITE_OUTPUT,
    MOST_PROBABILITY_COLUMNS,
    NAN_OUTPUT,
    NETWORK_ERROR,
    OK,
    PATH,
    WEIGHT,
    arrow_schema,
    class_texts,
    property_column,
)
from auditor.run_folder import ShardWriter

SHARD_ROWS = 2048
"""Samples per shard: at most so many are lost when a run is aborted."""

_GIVE_UP = 64
"""If the network raised on so many images, and ran on no other, no more are tried."""


def predict(
    model: AuditedModel,
    dataset: Dataset,
    codes: NDArray[np.int64],
    shards: ShardWriter,
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
        shards: receives the rows, ``SHARD_ROWS`` at a time.
        advance: called after each batch with its number of samples.

    Returns:
        How many images the network raised an exception on, and which; nothing where it ran on all.

    Raises:
        DataError: two images have different sizes after preprocessing.
        ModelError: on every image so far, the network raises, its output is not (B, K), or a single
            image does not fit into memory.
    """
    table = _PredictionRows(dataset, codes, model.rule)
    pending: list[pa.Table] = []
    failed: list[tuple[str, ModelError]] = []
    n_pending = n_run = 0
    for batch in model.batches(dataset, np.arange(len(dataset), dtype=np.int64), measured=True):
        logits, errors = model.logits_of_each(batch.images)
        failed += [(_readable_samples(dataset, batch)[k], error) for k, error in errors.items()]
        n_run += len(logits)
        if len(failed) == n_run >= _GIVE_UP:
            break
        pending.append(table.of(batch, logits, errors))
        n_pending += len(batch.rows)
        while n_pending >= SHARD_ROWS:
            joined = pa.concat_tables(pending)
            shards.write(joined.slice(0, SHARD_ROWS).combine_chunks())
            pending = [joined.slice(SHARD_ROWS).combine_chunks()]
            n_pending -= SHARD_ROWS
        advance(len(batch.rows))
    if failed and len(failed) == n_run:
        raise failed[0][1]
    if n_pending:
        shards.write(pa.concat_tables(pending).combine_chunks())
    if not failed:
        return []
    sample, error = failed[0]
    reason = (
        f"no predictions for {count(len(failed))} of {plural(n_run, 'image')}, such as {sample}"
    )
    return [Skipped(check="predict", reason=f"{reason}: {error}")]


class _PredictionRows:
    """Converts batches to rows of one schema."""

    def __init__(self, dataset: Dataset, codes: NDArray[np.int64], rule: DecisionRule) -> None:
        self._dataset = dataset
        self._codes = codes.reshape(len(dataset), -1)
        self._rule = rule
        self._kept = _kept_columns(rule)
        self._grouped = dataset.group is not None
        self._weighted = dataset.weight is not None
        self._schema = arrow_schema(
            [rule.classes[column] for column in self._kept],
            {name: _attribute_type(dataset, name) for name in dataset.attributes},
            grouped=self._grouped,
            weighted=self._weighted,
        )

    def of(
        self, batch: Batch, logits: NDArray[np.float64], errors: Collection[int] = ()
    ) -> pa.Table:
        """The rows of one batch.

        Args:
            batch: the samples.
            logits: of its readable images.
            errors: positions among them of those for which the network raised an exception.
        """
        readable = np.array([status == OK for status in batch.status])
        status = np.array(batch.status, dtype=object)
        status[readable] = _status_of(logits, errors)
        usable = status == OK
        log_share = np.zeros((len(status), logits.shape[1]))  # the zeros are masked below
        log_share[usable] = self._rule.log_probabilities(logits[usable[readable]])
        best = self._rule.decide(np.exp(log_share))
        labels = self._codes[batch.rows]
        row = np.arange(len(status))[:, None]
        samples = self._dataset.samples.iloc[batch.rows]
        return pa.Table.from_arrays(
            [
                pa.array(samples.index.astype(str), pa.string()),
                pa.array(samples[PATH], pa.string(), from_pandas=True),
                pa.array(class_texts(labels, self._rule), pa.string()),
                pa.array(class_texts(best, self._rule), pa.string(), mask=~usable),
                # Of several decisions, the probability that all are right if they were independent.
                pa.array(np.exp(log_share[row, best].sum(1)), mask=~usable),
                pa.array(0.0 - log_share[row, labels].sum(1), mask=~usable),
                pa.array(status, pa.string()),
                pa.array(batch.sha256, pa.string()),
                *self._measured(batch.measured),
                *self._probabilities(log_share, usable),
                *(
                    [pa.array(samples[GROUP], pa.string(), from_pandas=True)]
                    if self._grouped
                    else []
                ),
                *([pa.array(samples[WEIGHT], pa.float64())] if self._weighted else []),
                *self._attributes(batch.rows),
            ],
            schema=self._schema,
        )

    def _measured(self, found: Sequence[Measured | None]) -> Iterator[pa.Array]:
        """The perceptual fingerprints of a batch, then its properties."""
        yield pa.array([None if one is None else one[1] for one in found], pa.string())
        for k, name in enumerate(image_properties.NAMES):
            dtype = self._schema.field(property_column(name)).type
            yield pa.array([None if one is None else one[0][k] for one in found], dtype)

    def _probabilities(
        self, log_share: NDArray[np.float64], usable: NDArray[np.bool_]
    ) -> Iterator[pa.Array]:
        columns = np.exp(log_share.T).astype(np.float32)
        return (pa.array(columns[column], mask=~usable) for column in self._kept)

    def _attributes(self, rows: NDArray[np.int64]) -> Iterator[pa.Array]:
        for name in self._dataset.attributes:
            dtype = self._schema.field(name).type
            cells = self._dataset.samples[name].iloc[rows]
            if pa.types.is_string(dtype):
                cells = cells.astype(object).map(str, na_action="ignore")
            yield pa.array(cells, dtype, from_pandas=True)


def _attribute_type(dataset: Dataset, attribute: str) -> pa.DataType:
    """Numbers keep their type in the shards; everything else is text."""
    dtype = pa.array(dataset.samples[attribute].iloc[:0], from_pandas=True).type
    return dtype if pa.types.is_integer(dtype) or pa.types.is_floating(dtype) else pa.string()


def _readable_samples(dataset: Dataset, batch: Batch) -> list[str]:
    """Ids of the samples of a batch whose images could be read."""
    readable = [status == OK for status in batch.status]
    return [str(one) for one in dataset.samples.index[batch.rows[readable]]]


def _status_of(logits: NDArray[np.float64], errors: Collection[int]) -> list[str]:
    """``ok`` for each row of logits, or the reason why it can't be used."""
    nan, infinite = np.isnan(logits).any(axis=1), np.isinf(logits).any(axis=1)
    failed = np.isin(np.arange(len(logits)), list(errors))
    reasons = [NETWORK_ERROR, NAN_OUTPUT, INFINITE_OUTPUT]
    status = np.select([failed, nan, infinite], reasons, OK)
    return [str(one) for one in status]


def _kept_columns(rule: DecisionRule) -> Sequence[int]:
    """The columns whose probabilities are kept; of a multi-label task, those of the labels."""
    if rule.task == "multi-label":
        return [int(column) for column in rule.positives]
    return range(len(rule.classes) if len(rule.classes) <= MOST_PROBABILITY_COLUMNS else 0)
