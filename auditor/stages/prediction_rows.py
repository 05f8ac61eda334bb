"""The rows of ``predictions.parquet``, made of what the data set knows and what the network returns."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from auditor.input_pipeline import Batch, Measured
from auditor.records import Dataset, image_properties
from auditor.records.decisions import DecisionRule
from auditor.records.predictions import (
    GROUP,
    INFINITE_OUTPUT,
    LABEL,
    MOST_PROBABILITY_COLUMNS,
    NAN_OUTPUT,
    NETWORK_ERROR,
    OK,
    PATH,
    SAMPLE,
    WEIGHT,
    arrow_schema,
    class_texts,
    property_column,
)


class PredictionRows:
    """Converts batches to rows of one schema."""

    def __init__(self, dataset: Dataset, codes: NDArray[np.int64], rule: DecisionRule) -> None:
        self._dataset = dataset
        self._codes = codes.reshape(len(dataset), -1)
        self._rule = rule
        self._kept = _kept_columns(rule)
        self._schema = arrow_schema(
            [rule.classes[column] for column in self._kept],
            {name: _attribute_type(dataset, name) for name in dataset.attributes},
            grouped=dataset.group is not None,
            weighted=dataset.weight is not None,
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
        known = self._known(batch.rows)
        return pa.Table.from_arrays(
            [
                known.pop(SAMPLE),
                known.pop(PATH),
                known.pop(LABEL),
                pa.array(class_texts(best, self._rule), pa.string(), mask=~usable),
                # Of several decisions, the probability that all are right if they were independent.
                pa.array(np.exp(log_share[row, best].sum(1)), mask=~usable),
                pa.array(0.0 - log_share[row, labels].sum(1), mask=~usable),
                pa.array(status, pa.string()),
                pa.array(batch.sha256, pa.string()),
                *self._measured(batch.measured),
                *self._probabilities(log_share, usable),
                *known.values(),
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

    def known(self, rows: NDArray[np.int64]) -> pa.Table:
        """What is known of some samples before they are predicted: all columns that the data set fills."""
        return pa.table(self._known(rows))

    def _known(self, rows: NDArray[np.int64]) -> dict[str, pa.Array]:
        samples = self._dataset.samples.iloc[rows]
        found = {
            SAMPLE: pa.array(samples.index.astype(str), pa.string()),
            PATH: pa.array(samples[PATH], pa.string(), from_pandas=True),
            LABEL: pa.array(class_texts(self._codes[rows], self._rule), pa.string()),
        }
        if self._dataset.group is not None:
            found[GROUP] = pa.array(samples[GROUP], pa.string(), from_pandas=True)
        if self._dataset.weight is not None:
            found[WEIGHT] = pa.array(samples[WEIGHT], pa.float64())
        for name in self._dataset.attributes:
            dtype, cells = self._schema.field(name).type, samples[name]
            if pa.types.is_string(dtype):
                cells = cells.astype(object).map(str, na_action="ignore")
            found[name] = pa.array(cells, dtype, from_pandas=True)
        return found


def _attribute_type(dataset: Dataset, attribute: str) -> pa.DataType:
    """Numbers keep their type in the shards; everything else is text."""
    dtype = pa.array(dataset.samples[attribute].iloc[:0], from_pandas=True).type
    return dtype if pa.types.is_integer(dtype) or pa.types.is_floating(dtype) else pa.string()


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
