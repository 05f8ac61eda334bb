"""A table of logits that stands in for the predict stage of `benchmarks.scale`.

Its cost is that of decoding, which grows in proportion to the number of images. What it writes is
written here from random logits, with random fingerprints and image properties.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from auditor.records import Dataset, image_properties
from auditor.records.decisions import DecisionRule
from auditor.records.predictions import GROUP, OK, PATH, arrow_schema
from auditor.run_folder import PREDICTIONS, RunFolder

_ROWS = 2048
"""Rows in a row group, as an audit writes them."""
_SCALE = 4.0
"""Logit of the predicted class above the others, on average."""


def write_predictions(
    folder: RunFolder,
    dataset: Dataset,
    rule: DecisionRule,
    label: NDArray[np.int64],
    favoured: NDArray[np.uint16],
) -> Path:
    """Writes ``predictions.parquet``.

    Args:
        folder: the unfinished run.
        dataset: n samples with attributes.
        rule: of a single-label task.
        label: (n,) class indices.
        favoured: (n,) the class that has the largest logit, except by chance.
    """
    table = _Table(dataset, rule)
    path = folder.path / PREDICTIONS
    with pq.ParquetWriter(path, table.schema) as writer:
        for start in range(0, len(dataset), _ROWS):
            rows = slice(start, min(start + _ROWS, len(dataset)))
            writer.write_table(table.of(rows, label[rows], favoured[rows]))
    return path


class _Table:
    def __init__(self, dataset: Dataset, rule: DecisionRule) -> None:
        self._dataset = dataset
        self._classes = rule.classes
        self._random = np.random.default_rng(0)
        types = {
            name: pa.array(dataset.samples[name].iloc[:0], from_pandas=True).type
            for name in dataset.attributes
        }
        text = pa.string()
        self.schema = arrow_schema(
            rule.classes,
            {name: one if pa.types.is_integer(one) else text for name, one in types.items()},
            grouped=dataset.group is not None,
        )

    def of(self, rows: slice, label: NDArray[np.int64], favoured: NDArray[np.uint16]) -> pa.Table:
        """Rows of the table."""
        n, random = len(label), self._random
        each = np.arange(n)
        logits = random.normal(0, 0.4, (n, len(self._classes)))
        logits[each, favoured] += _SCALE
        log_share = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        best = log_share.argmax(1)
        names = np.array(self._classes, dtype=object)
        samples = self._dataset.samples.iloc[rows]
        first = [str(row).encode() for row in range(rows.start, rows.stop)]
        columns: list[Any] = [
            *(samples.index, samples[PATH], names[label], names[best]),
            *(np.exp(log_share[each, best]), -log_share[each, label], np.full(n, OK, dtype=object)),
            [hashlib.sha256(one).hexdigest() for one in first],
            [f"{int(one):016x}" for one in random.integers(0, 2**64, n, dtype=np.uint64)],
            *(self._property(name, n) for name in image_properties.NAMES),
            *np.exp(log_share).astype(np.float32).T,
            *([samples[GROUP]] if self._dataset.group is not None else []),
            *(samples[name] for name in self._dataset.attributes),
        ]
        arrays = [
            pa.array(column, from_pandas=True).cast(field.type)
            for column, field in zip(columns, self.schema, strict=True)
        ]
        return pa.Table.from_arrays(arrays, schema=self.schema)

    def _property(self, name: str, n: int) -> Any:
        if name in image_properties.WORDS:
            return np.array(["red", "green"], dtype=object)[self._random.integers(0, 2, n)]
        return self._random.gamma(4.0, 10.0, n).astype(np.float32)
