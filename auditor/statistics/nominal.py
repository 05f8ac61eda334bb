"""Regressions on nominal columns that need only sums over codes and pairs of codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from auditor.statistics.intervals import Floats, Integers

_PENALTY = 0.16
"""A normal prior with standard deviation 2.5 on log-odds: weak, but finite if the data are separated."""
_STEPS = 30
_CLASSES, _CLASS_SIZE = 10, 200
"""Largest number of risk classes, and smallest number of samples in each."""


@dataclass(frozen=True, slots=True)
class NominalColumns:
    """Nominal columns of a regression, kept as codes.

    Attributes:
        codes: (C,) codes of each column.
        sizes: number of codes of each column.
        total: (C,) samples in each cell.
        gram: (P, P) samples by pairs of codes; P is the number of codes of all columns.
    """

    codes: list[Integers]
    sizes: list[int]
    total: Floats
    gram: Floats

    @classmethod
    def of(cls, columns: Sequence[ArrayLike], total: Floats) -> NominalColumns:
        """Counts all pairs of codes.

        Args:
            columns: (C,) codes from 0 for each column.
            total: (C,) samples in each cell.

        Raises:
            ValueError: lengths differ, or a code is negative.
        """
        codes = [np.asarray(column, dtype=np.int64) for column in columns]
        if any(column.shape != total.shape for column in codes) or total.ndim != 1:
            raise ValueError(
                f"expected one code per cell in each column; got {total.shape} cells and columns of "
                f"{[column.shape for column in codes]}"
            )
        if any(bool((column < 0).any()) for column in codes):
            raise ValueError(
                "expected codes of at least 0; got negative ones: give missing values a code of their own"
            )
        sizes = [int(column.max(initial=-1)) + 1 for column in codes]
        return cls(codes, sizes, total, _gram(codes, sizes, total))

    def dummies(self, place: int) -> Floats:
        """(C, K) membership in each code of a column."""
        return np.eye(self.sizes[place])[self.codes[place]]

    def cross(self, place: int) -> Floats:
        """(P, K) samples by the codes of all columns and the codes of this one."""
        return self.gram[:, self.rows([place])]

    def sums(self, values: Floats) -> Floats:
        """(P,) sums over the cells with each code."""
        parts = [
            np.bincount(column, values, size)
            for column, size in zip(self.codes, self.sizes, strict=True)
        ]
        return np.concatenate(parts)

    def fitted(self, moments: Floats, places: Sequence[int]) -> Floats:
        """(C, K) least-squares fit on some columns to variables with these (P, K) sums by code."""
        return self.spread(self.coefficients(moments, places), places)

    def coefficients(self, moments: Floats, places: Sequence[int]) -> list[Floats]:
        """(codes, K) coefficients for some columns: the minimum-norm least-squares solution."""
        rows = self.rows(places)
        part = self.gram[np.ix_(rows, rows)]
        found = np.linalg.pinv(part, rcond=1e-10, hermitian=True) @ moments[rows]
        return np.split(found, np.cumsum([self.sizes[place] for place in places])[:-1])

    def spread(self, coefficients: Sequence[Floats], places: Sequence[int]) -> Floats:
        """(C, K) sum over columns of the coefficients of each cell's codes."""
        whole = np.zeros((len(self.total), coefficients[0].shape[1]))
        for part, place in zip(coefficients, places, strict=True):
            whole += part[self.codes[place]]
        return whole

    def freedom(self, places: Sequence[int]) -> float:
        """Number of samples divided by the residual degrees of freedom after fitting these columns."""
        n = float(self.total.sum())
        rank = 1 + sum(self.sizes[place] - 1 for place in places)
        return n / max(n - rank, 1.0) if n > rank else 1.0

    def rows(self, places: Sequence[int]) -> Integers:
        """Positions of the codes of some columns among all codes."""
        starts = np.concatenate([[0], np.cumsum(self.sizes)]).astype(np.int64)
        return np.concatenate([np.arange(starts[k], starts[k + 1]) for k in places])

    def log_odds(self, count: Floats) -> list[Floats]:
        """(codes, 1) effects of each column on the log-odds of failure, by logistic regression.

        Reference:
            Prior: A. Gelman, A. Jakulin, M. G. Pittau and Y.-S. Su, Annals of Applied Statistics 2
            (2008) 1360-1383, here a normal prior with their scale.
        """
        places = range(len(self.codes))
        penalty = np.full(len(self.gram), _PENALTY)
        effects = np.zeros(len(self.gram))
        # Adding half a failure keeps the start finite; the first column is the intercept.
        start = logit((count.sum() + 0.5) / (self.total.sum() + 1))
        effects[: self.sizes[0]] = start
        splits = np.cumsum(self.sizes)[:-1]
        for _ in range(_STEPS):
            score = self.spread(np.split(effects[:, None], splits), places)[:, 0]
            rate = expit(score)
            weight = self.total * rate * (1 - rate)
            slope = self.sums(count - self.total * rate) - penalty * effects
            slope[: self.sizes[0]] += penalty[: self.sizes[0]] * start
            curvature = _gram(self.codes, self.sizes, weight) + np.diag(penalty)
            step = np.clip(np.linalg.solve(curvature, slope), -2, 2)
            effects += step
            if np.abs(step).max() < 1e-4:
                break
        return np.split(effects[:, None], splits)

    def with_risk(self, effects: Sequence[Floats], place: int) -> NominalColumns:
        """Appends a column: classes of the risk of failure that all columns but one imply.

        Least squares balances every column, but not their combinations. If effects are
        multiplicative, the residual depends on the risk that the columns imply jointly; classes of
        this risk balance it.

        Args:
            effects: result of `log_odds`.
            place: the column whose effect is left out of the risk.

        Returns:
            The columns with one more, of up to 10 codes.

        Reference:
            B. B. Hansen, "The prognostic analogue of the propensity score", Biometrika 95 (2008)
            481-488.
        """
        others = [k for k in range(len(self.codes)) if k != place]
        score = self.spread([effects[k] for k in others], others)[:, 0]
        n_classes = int(np.clip(self.total.sum() // _CLASS_SIZE, 1, _CLASSES))
        order = np.argsort(score, kind="stable")
        reached = np.cumsum(self.total[order]) / max(self.total.sum(), 1.0)
        wanted = np.searchsorted(reached, np.arange(1, n_classes) / n_classes)
        edges = score[order][np.minimum(wanted, len(order) - 1)]
        # Rounding must not separate equal risks.
        codes = np.unique(np.searchsorted(edges + 1e-9, score), return_inverse=True)[1]
        size = int(codes.max(initial=-1)) + 1
        crossed = [
            np.bincount(column * size + codes, self.total, n * size).reshape(n, size)
            for column, n in zip(self.codes, self.sizes, strict=True)
        ]
        beside = np.concatenate(crossed)
        own = np.diag(np.bincount(codes, self.total, size))
        gram = np.block([[self.gram, beside], [beside.T, own]])
        return NominalColumns(
            [*self.codes, codes.astype(np.int64)], [*self.sizes, size], self.total, gram
        )


def _gram(codes: Sequence[Integers], sizes: Sequence[int], weight: Floats) -> Floats:
    """(P, P) weighted sums by pairs of codes."""
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    found = np.zeros((starts[-1], starts[-1]))
    for k, (one, m) in enumerate(zip(codes, sizes, strict=True)):
        for other, n, start in zip(codes[: k + 1], sizes, starts, strict=False):
            block = np.bincount(one * n + other, weight, m * n).reshape(m, n)
            found[starts[k] : starts[k] + m, start : start + n] = block
            found[start : start + n, starts[k] : starts[k] + m] = block.T
    return found
