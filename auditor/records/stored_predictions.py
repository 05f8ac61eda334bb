"""The samples of a ``predictions.parquet``, read column by column.

Only one column is decoded at a time. A million samples with all their columns, decoded at once, take
several times the memory of the table that an audit works with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from auditor.records.predictions import (
    FINGERPRINTS,
    GROUP,
    OK,
    PATH,
    SAMPLE,
    STATUS,
    WEIGHT,
    probability_column,
)

_LARGEST_PIECE = 2**31
"""Bytes of text that fit into one Arrow array."""


class StoredPredictions:
    """The columns of an open file.

    Args:
        file: the open file.
        checked: whether to check every offset and every text, for a file that another hand may have
            changed; then reading raises `pyarrow.ArrowException` where one is not valid.

    Attributes:
        names: of all columns, in the order of the file.
    """

    def __init__(self, file: pq.ParquetFile, *, checked: bool = False) -> None:
        self._file = file
        self._checked = checked
        self.names: tuple[str, ...] = tuple(file.schema_arrow.names)

    @property
    def optional(self) -> tuple[str, ...]:
        """Those of the fingerprints, the cluster and the weight that the file has."""
        return tuple(name for name in (*FINGERPRINTS, GROUP, WEIGHT) if name in self.names)

    @cached_property
    def usable(self) -> NDArray[np.bool_]:
        """(N,) which samples could be evaluated."""
        return np.asarray(pc.fill_null(pc.equal(self._read(STATUS), OK), False), dtype=np.bool_)

    def evaluated(self, names: Sequence[str]) -> pd.DataFrame:
        """Columns of the evaluated samples, index 0…n-1."""
        index = pd.RangeIndex(int(self.usable.sum()))
        return pd.DataFrame({name: self._evaluated(name).to_pandas() for name in names}, index)

    def table(self, names: Sequence[str]) -> pd.DataFrame:
        """Columns of all samples, index 0…N-1."""
        index = pd.RangeIndex(self._file.metadata.num_rows)
        return pd.DataFrame({name: self._read(name).to_pandas() for name in names}, index)

    def probabilities(self, classes: Sequence[str]) -> NDArray[np.float32] | None:
        """Probabilities of the evaluated samples, (n, K); None if the file lacks some of them."""
        columns = [probability_column(name) for name in classes]
        if not columns or not set(columns).issubset(self.names):
            return None
        found = np.empty((int(self.usable.sum()), len(columns)), dtype=np.float32)
        for k, name in enumerate(columns):
            found[:, k] = self._evaluated(name).to_numpy()
        return found

    def unusable(self) -> Iterator[tuple[str, str, str]]:
        """Id, path and status of the samples that could not be evaluated."""
        if not self.usable.all():
            left_out = ~self.usable
            columns = (self._read(name).filter(left_out) for name in (SAMPLE, PATH, STATUS))
            for cells in zip(*(one.to_pylist() for one in columns), strict=True):
                sample, path, status = map(str, cells)
                yield sample, path, status

    def _evaluated(self, name: str) -> pa.ChunkedArray:
        column = self._read(name)
        return column if self.usable.all() else column.filter(self.usable)

    def _read(self, name: str) -> pa.ChunkedArray:
        """A column in one piece: rows are taken from it much faster than from many pieces."""
        column = self._file.read(columns=[name]).column(name)
        if self._checked:
            column.validate(full=True)
        in_one = column.num_chunks > 1 and column.nbytes < _LARGEST_PIECE
        return pa.chunked_array([column.combine_chunks()]) if in_one else column
