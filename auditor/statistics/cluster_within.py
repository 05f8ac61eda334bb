"""Permutation of an attribute inside the clusters in which it varies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from auditor.statistics.cluster_cells import Booleans, Cells, ratio
from auditor.statistics.cluster_columns import Columns
from auditor.statistics.cluster_moments import ClusterSums, centred
from auditor.statistics.intervals import Floats, Integers

_ROWS = 2_000
"""Membership is permuted up to this number of samples. Beyond it, the sum over many cells is drawn from
a normal distribution."""
_LEAST_FREEDOM = 5.0


@dataclass(frozen=True, slots=True)
class Within:
    """The samples in cells in which both the attribute and the scores vary.

    Attributes:
        members: (R, A) membership in each attribute value, sorted by cell; empty for more than 2,000
            samples, whose sums are drawn from `parts`.
        scores: (R, P) scores minus the mean of their cell; likewise.
        starts: (K,) first sample of each cell.
        n_samples: number of samples, R.
        total: (A, P) sums of the members' scores.
        variance: (A, P) variances of these sums under permutation inside cells.
        excess: (A, P) overdispersion of the cluster sums relative to `variance`; at least 1.
        parts: (J, A, P) sums of each cluster minus the part that a common gap explains, scaled to
            `variance`. For very many clusters, fewer parts with the same covariance.
        third: bound on Σ |score|³ over permuted members, for one attribute value and one score.
    """

    members: Floats
    scores: Floats
    starts: Integers
    n_samples: int
    total: Floats
    variance: Floats
    excess: Floats
    parts: Floats
    third: float

    @classmethod
    def of(cls, cells: Cells, members: Columns, scores: Columns) -> Within:
        """Collects the samples whose membership can be permuted inside their cell.

        Args:
            cells: clusters and strata of the samples.
            members: (N, A) membership in each attribute value, 0 or 1.
            scores: (N, P) values minus the mean of their stratum.

        Returns:
            The samples; none if the attribute or the scores are constant in each cell.
        """
        rows = _free(cells, members, scores)
        n_values, n_scores = members.shape[1], scores.shape[1]
        none = np.zeros((0, n_values)), np.zeros((0, n_scores))
        if not len(rows):
            empty = np.zeros((n_values, n_scores))
            return cls(*none, rows, 0, empty, empty, empty + 1, empty[None][:0], 0.0)
        starts = np.flatnonzero(np.diff(cells.cell[rows], prepend=-1))
        kept = none
        if len(rows) <= _ROWS:
            size = np.diff(starts, append=len(rows))
            kept = members.rows(rows), centred(scores.rows(rows), starts, size)
        found = ClusterSums(cells, members, scores, rows).moments()
        excess = _excess(found.number, ratio(found.seen, found.variance))
        scale = np.sqrt(ratio(found.variance, found.seen))
        return cls(
            *kept,
            starts,
            len(rows),
            found.total,
            found.variance,
            excess,
            found.parts * scale,
            found.third,
        )

    @property
    def cost(self) -> int:
        """Number of elements drawn for one permutation."""
        if self.n_samples > _ROWS:
            return len(self.parts)
        return len(self.starts) if self._two_valued() else 2 * self.members.size

    def draw(self, n_draws: int, generator: np.random.Generator) -> Floats:
        """Draws sums under permutation inside cells.

        Args:
            n_draws: number of permutations.
            generator: source of randomness.

        Returns:
            (n_draws, A, P) sums.
        """
        if self.n_samples > _ROWS:
            signs = generator.standard_normal((n_draws, len(self.parts)))
            return np.tensordot(signs, self.parts, 1)
        if self._two_valued():
            return self._draw_counts(n_draws, generator)[:, None, None]
        size = np.diff(self.starts, append=len(self.scores))
        cell = np.repeat(np.arange(len(size)), size)
        order = np.argsort(cell + generator.random((n_draws, len(cell))), axis=1)
        return np.asarray(self.members[order].transpose(0, 2, 1) @ self.scores, dtype=np.float64)

    def _ends(self) -> tuple[Floats, Floats]:
        """Smallest and largest value of the only score in each cell."""
        low = np.minimum.reduceat(self.scores[:, 0], self.starts)
        return low, np.maximum.reduceat(self.scores[:, 0], self.starts)

    def _two_valued(self) -> bool:
        """Whether there is one attribute value, and one score with two values in each cell."""
        if self.members.shape[1] != 1 or self.scores.shape[1] != 1 or not len(self.scores):
            return False
        size = np.diff(self.starts, append=len(self.scores))
        if not bool(np.isin(self.members, (0, 1)).all()):
            return False
        low, high = (np.repeat(end, size) for end in self._ends())
        score = self.scores[:, 0]
        return bool((np.minimum(score - low, high - score) <= 1e-9 * (high - low)).all())

    def _draw_counts(self, n_draws: int, generator: np.random.Generator) -> Floats:
        """`draw` for two-valued scores: the number of members with the larger score is hypergeometric."""
        low, high = self._ends()
        size = np.diff(self.starts, append=len(self.scores))
        members = np.add.reduceat(self.members[:, 0], self.starts).astype(np.int64)
        # The scores of each cell sum to zero: larger · high + (size - larger) · low = 0.
        larger = np.rint(-size * low / (high - low)).astype(np.int64)
        drawn = generator.hypergeometric(members, size - members, larger, (n_draws, len(size)))
        return np.asarray(drawn @ (high - low) + members @ low, dtype=np.float64)


def _free(cells: Cells, members: Columns, scores: Columns) -> Integers:
    """Samples in cells with at least two memberships and two scores, sorted by cell."""
    rows = np.argsort(cells.cell, kind="stable")
    rows = rows[_in_varied(cells, members, rows, 0.0)]
    if not len(rows):
        return rows
    columns = range(scores.shape[1])
    scale = max(float(np.abs(scores.column(k, rows)).max()) for k in columns)
    return np.asarray(rows[_in_varied(cells, scores, rows, 1e-12 * scale)], dtype=np.int64)


def _in_varied(cells: Cells, columns: Columns, rows: Integers, least: float) -> Booleans:
    """Which samples lie in cells in which a column varies by more than `least`."""
    starts = np.flatnonzero(np.diff(cells.cell[rows], prepend=-1))
    varied = np.zeros(len(starts), dtype=bool)
    for k in range(columns.shape[1]):
        column = columns.column(k, rows)
        low, high = (end.reduceat(column, starts) for end in (np.minimum, np.maximum))
        varied |= high - low > least
    return np.repeat(varied, np.diff(starts, append=len(rows)))


def _excess(number: Floats, found: Floats) -> Floats:
    """(A, P) overdispersion, at least 1, enlarged if it is estimated from few clusters."""
    freedom = np.maximum(number - 1, _LEAST_FREEDOM)
    caution = (student.isf(0.025, freedom) / norm.isf(0.025)) ** 2
    return np.asarray(1 + np.maximum(found - 1, 0) * caution, dtype=np.float64)
