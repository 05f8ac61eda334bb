"""Columns of numbers for each sample, computed where they are needed.

One column for each attribute value and one for each outcome would take most of the memory of a test of
many samples. The samples' codes are enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from auditor.statistics.cluster_cells import Booleans, Cells
from auditor.statistics.intervals import Floats, Integers


class Columns(Protocol):
    """A matrix with a row for each sample."""

    @property
    def shape(self) -> tuple[int, int]:
        """Number of samples, N, and of columns, K."""
        ...

    def column(self, k: int, rows: Integers | None = None) -> Floats:
        """(N,) or (R,) column, of all samples or of those in `rows`."""
        ...

    def rows(self, rows: Integers) -> Floats:
        """(R, K) rows of some samples."""
        ...


@dataclass(frozen=True, slots=True)
class Given:
    """Columns in memory.

    Attributes:
        values: (N, K) float64.
    """

    values: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """Number of samples and of columns."""
        return len(self.values), self.values.shape[1]

    def column(self, k: int, rows: Integers | None = None) -> Floats:
        """One column."""
        return self.values[:, k] if rows is None else self.values[rows, k]

    def rows(self, rows: Integers) -> Floats:
        """Some rows."""
        return self.values[rows]


@dataclass(frozen=True, slots=True)
class OneHot:
    """For each of K codes, 1 where a sample has it and 0 elsewhere.

    Attributes:
        code: (N,) integers.
        chosen: (K,) the codes that have a column.
    """

    code: Integers
    chosen: Integers

    @property
    def shape(self) -> tuple[int, int]:
        """Number of samples and of columns."""
        return len(self.code), len(self.chosen)

    def column(self, k: int, rows: Integers | None = None) -> Floats:
        """One column."""
        code = self.code if rows is None else self.code[rows]
        return np.asarray(code == self.chosen[k], dtype=np.float64)

    def rows(self, rows: Integers) -> Floats:
        """Some rows."""
        return np.asarray(self.code[rows, None] == self.chosen, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Centred:
    """Columns minus the mean of the stratum.

    Attributes:
        columns: the columns, (N, K).
        stratum: (N,) stratum of each sample, below S.
        means: (S, K) what is subtracted.
        kept: (N,) where this is 0 instead; None for nowhere.
    """

    columns: Columns
    stratum: Integers
    means: Floats
    kept: Booleans | None = None

    @classmethod
    def of(cls, columns: Columns, cells: Cells) -> Centred:
        """Columns minus their means in the strata of cells."""
        stratum = cells.stratum[cells.cell]
        size = np.bincount(stratum, minlength=cells.n_strata)
        sums = [
            np.bincount(stratum, columns.column(k), cells.n_strata) for k in range(columns.shape[1])
        ]
        return cls(columns, stratum, np.stack(sums, axis=1) / size[:, None])

    @property
    def shape(self) -> tuple[int, int]:
        """Number of samples and of columns."""
        return self.columns.shape

    def column(self, k: int, rows: Integers | None = None) -> Floats:
        """One column."""
        stratum = self.stratum if rows is None else self.stratum[rows]
        found: Floats = self.columns.column(k, rows) - self.means[stratum, k]
        if self.kept is None:
            return found
        found[~(self.kept if rows is None else self.kept[rows])] = 0.0
        return found

    def rows(self, rows: Integers) -> Floats:
        """Some rows."""
        found = self.columns.rows(rows)
        found -= self.means[self.stratum[rows]]
        if self.kept is not None:
            found[~self.kept[rows]] = 0.0
        return found
