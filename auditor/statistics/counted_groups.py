"""Sums of squares between groups of outcomes 0 and 1 under permutation, from counts instead of samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from auditor.statistics.intervals import Floats, Integers

_AS_SLOW = 8
"""Drawing a count takes as long as permuting this number of samples."""


@dataclass(frozen=True, slots=True)
class CountedGroups:
    """Outcomes 0 and 1 in cells of strata and groups; groups of one sample share a cell of their stratum.

    Attributes:
        sizes: (C,) samples of each cell; cells are sorted by stratum.
        observed: (C,) samples with outcome 1.
        rate: (C,) mean outcome of the stratum.
        ends: (S,) end of the cells of each stratum.
        ones: (S,) samples with outcome 1 in each stratum.
        group: (C,) group among those of several samples; -1 for the groups of one sample.
        group_sizes: (G,) sizes of the groups of several samples.
    """

    sizes: Integers
    observed: Integers
    rate: Floats
    ends: Integers
    ones: Integers
    group: Integers
    group_sizes: Integers

    @classmethod
    def of(cls, values: Floats, groups: Integers, strata: Integers) -> CountedGroups | None:
        """Counts the samples of each cell.

        Args:
            values: (N,) outcomes.
            groups: (N,) codes 0 … of the groups.
            strata: (N,) codes 0 … S - 1.

        Returns:
            The counts; None if an outcome is neither 0 nor 1, or if there are so many cells that
            permuting the samples is faster.
        """
        sizes = np.bincount(groups)
        several = sizes > 1
        width = int(several.sum()) + 1
        too_many = width * (int(strata.max()) + 1) > 4 * len(values)
        if too_many or not bool(((values == 0) | (values == 1)).all()):
            return None
        code = strata * width + np.where(several, np.cumsum(several), 0)[groups]
        counts = np.bincount(code)
        cells = np.flatnonzero(counts)
        if _AS_SLOW * len(cells) > len(values):
            return None
        stratum, place = np.divmod(cells, width)
        ones = np.bincount(strata, values)
        return cls(
            counts[cells],
            np.bincount(code, values)[cells].astype(np.int64),
            (ones / np.bincount(strata))[stratum],
            np.cumsum(np.bincount(stratum)),
            ones.astype(np.int64),
            place - 1,
            sizes[several],
        )

    def drawn(self, n_draws: int, generator: np.random.Generator) -> Integers:
        """(n_draws, C) samples with outcome 1, if outcomes are permuted within strata."""
        starts = [0, *self.ends[:-1].tolist()]
        return np.concatenate(
            [
                generator.multivariate_hypergeometric(self.sizes[start:end], ones, n_draws)
                for start, end, ones in zip(starts, self.ends, self.ones, strict=True)
            ],
            axis=1,
        )

    def between(self, counts: Integers) -> Floats:
        """Sums of squares between groups, relative to the total sum of squares.

        Args:
            counts: (n, C) samples with outcome 1 in each cell.

        Returns:
            (n,) Σ (sum of the residuals of a group)² / its size, over all groups, at least 0.
        """
        single = self.group < 0
        rate, sizes = self.rate[single], self.sizes[single]
        # A group of one sample has the squared residual of a 1 or of a 0.
        found = counts[:, single] @ (1 - 2 * rate) + float((sizes * rate**2).sum())
        residual = counts[:, ~single] - self.sizes[~single] * self.rate[~single]
        place = self.group[~single]
        entries = (np.ones(len(place)), (np.arange(len(place)), place))
        membership = csr_matrix(entries, shape=(len(place), len(self.group_sizes)))
        found += ((residual @ membership) ** 2 / self.group_sizes).sum(1)
        total = float((self.observed * (1 - 2 * self.rate) + self.sizes * self.rate**2).sum())
        return np.asarray(found / total, dtype=np.float64)
