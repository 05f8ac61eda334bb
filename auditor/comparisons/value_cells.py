"""Samples counted by combinations of label and attribute values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.statistics import Floats, Integers
from auditor.statistics.nominal import NominalColumns

_PER_VALUE = 5
"""Smallest number of samples per value for which a regression on all values is meaningful."""


@dataclass(frozen=True)
class ValueCells:
    """Counts of samples with the same label and attribute values.

    Attributes:
        failures: (C,) failures in each cell.
        totals: (C,) samples.
        label: (C,) codes of the label.
        codes: (C,) codes of each attribute.
        first: (C,) position of one sample of each cell.
        n_values: number of values of all columns together.
        risk: (C,) classes of the risk of failure implied by the label and all attributes but the first.
    """

    failures: Floats
    totals: Floats
    label: Integers
    codes: Mapping[str, Integers]
    first: Integers
    n_values: int
    risk: Integers

    @classmethod
    def of(
        cls,
        rows: Integers,
        label: Integers,
        failure: NDArray[np.bool_],
        codes: Mapping[str, Integers],
    ) -> ValueCells:
        """Counts samples by cell.

        Args:
            rows: (M,) positions of the samples that are counted.
            label: (N,) codes.
            failure: (N,) whether the prediction is wrong.
            codes: (N,) codes of each attribute.
        """
        cell, first = np.zeros(len(rows), dtype=np.int64), np.zeros(0, dtype=np.int64)
        for column in (label, *codes.values()):
            key = cell * (int(column.max(initial=0)) + 1) + column[rows]
            _, first, cell = np.unique(key, return_index=True, return_inverse=True)
        totals = np.bincount(cell).astype(np.float64)
        failures = np.bincount(cell[failure[rows]], minlength=len(totals)).astype(np.float64)
        first = rows[first]
        # Renumbered, because codes without a sample would count as values.
        label, *columns = (
            np.unique(column[first], return_inverse=True)[1] for column in (label, *codes.values())
        )
        counted = NominalColumns.of([label, *columns], totals)
        risk = counted.with_risk(counted.log_odds(failures), 1).codes[-1]
        named = dict(zip(codes, columns, strict=True))
        return cls(failures, totals, label, named, first, sum(counted.sizes), risk)

    @property
    def are_enough(self) -> bool:
        """Whether there are enough samples to hold all attributes fixed jointly."""
        return bool(self.totals.sum() >= _PER_VALUE * self.n_values)
