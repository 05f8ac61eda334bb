"""Least squares on nominal columns, from the sums over codes and pairs of codes alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from auditor.statistics.intervals import Floats, Integers


@dataclass(frozen=True, slots=True)
class NominalColumns:
    """Nominal columns of a regression, kept as codes.

    Attributes:
        codes: (C,) codes of each column.
        sizes: how many codes each has.
        total: (C,) samples in each cell.
        gram: (P, P) samples by pairs of codes, all columns' codes in a row.
    """

    codes: list[Integers]
    sizes: list[int]
    total: Floats
    gram: Floats

    @classmethod
    def of(cls, columns: Sequence[ArrayLike], total: Floats) -> NominalColumns:
        """Counts all pairs of codes.

        Args:
            columns: of (C,) codes from 0 on.
            total: (C,) samples in each cell.

        Raises:
            ValueError: lengths differ, or a code is negative.
        """
        codes = [np.asarray(column, dtype=np.int64) for column in columns]
        if any(column.shape != total.shape for column in codes) or total.ndim != 1:
            raise ValueError(
                f"expected one code a cell in each column; got {total.shape} cells and columns of "
                f"{[column.shape for column in codes]}"
            )
        if any(bool((column < 0).any()) for column in codes):
            raise ValueError("expected codes from 0 on; give missing values a code of their own")
        sizes = [int(column.max(initial=-1)) + 1 for column in codes]
        blocks = [
            [
                np.bincount(one * n + other, total, m * n).reshape(m, n)
                for other, n in zip(codes, sizes, strict=True)
            ]
            for one, m in zip(codes, sizes, strict=True)
        ]
        return cls(codes, sizes, total, np.block(blocks))

    def dummies(self, place: int) -> Floats:
        """(C, K) membership in each code of a column."""
        return np.eye(self.sizes[place])[self.codes[place]]

    def cross(self, place: int) -> Floats:
        """(P, K) samples by code of any column and code of this one."""
        return self.gram[:, self.rows([place])]

    def sums(self, values: Floats) -> Floats:
        """(P,) sums over cells by code."""
        parts = [
            np.bincount(column, values, size)
            for column, size in zip(self.codes, self.sizes, strict=True)
        ]
        return np.concatenate(parts)

    def fitted(self, moments: Floats, places: Sequence[int]) -> Floats:
        """(C, K) least-squares fit by some columns of what has these (P, K) sums by code."""
        return self.spread(self.coefficients(moments, places), places)

    def coefficients(self, moments: Floats, places: Sequence[int]) -> list[Floats]:
        """Coefficients (codes, K) of each of some columns, the shortest of equally good ones."""
        rows = self.rows(places)
        part = self.gram[np.ix_(rows, rows)]
        found = np.linalg.pinv(part, rcond=1e-10, hermitian=True) @ moments[rows]
        return np.split(found, np.cumsum([self.sizes[place] for place in places])[:-1])

    def spread(self, coefficients: Sequence[Floats], places: Sequence[int]) -> Floats:
        """(C, K) sum over columns of the coefficient of each cell's code."""
        whole = np.zeros((len(self.total), coefficients[0].shape[1]))
        for part, place in zip(coefficients, places, strict=True):
            whole += part[self.codes[place]]
        return whole

    def freedom(self, places: Sequence[int]) -> float:
        """Samples over what is left of them when these columns are fitted."""
        n = float(self.total.sum())
        rank = 1 + sum(self.sizes[place] - 1 for place in places)
        return n / max(n - rank, 1.0) if n > rank else 1.0

    def rows(self, places: Sequence[int]) -> Integers:
        """Positions of some columns' codes among all codes."""
        starts = np.concatenate([[0], np.cumsum(self.sizes)]).astype(np.int64)
        return np.concatenate([np.arange(starts[k], starts[k + 1]) for k in places])
