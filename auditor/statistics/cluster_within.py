"""Permutation of an attribute inside the clusters in which it varies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from auditor.statistics.cluster_cells import Cells, ratio
from auditor.statistics.cluster_correlation import effective_number
from auditor.statistics.intervals import Floats, Integers

_ROWS = 2_000
"""Membership is permuted up to this number of samples. Beyond it, the sum over many cells is drawn from
a normal distribution."""
_LEAST_FREEDOM = 5.0


@dataclass(frozen=True, slots=True)
class Within:
    """The samples in cells in which both the attribute and the scores vary.

    Attributes:
        members: (R, A) membership in each attribute value, sorted by cell.
        scores: (R, P) scores minus the mean of their cell.
        starts: (K,) first sample of each cell.
        total: (A, P) sums of the members' scores.
        variance: (A, P) variances of these sums under permutation inside cells.
        excess: (A, P) overdispersion of the cluster sums relative to `variance`; at least 1.
        parts: (J, A, P) sums of each cluster minus the part that a common gap explains, scaled to
            `variance`.
    """

    members: Floats
    scores: Floats
    starts: Integers
    total: Floats
    variance: Floats
    excess: Floats
    parts: Floats

    @classmethod
    def of(cls, cells: Cells, members: Floats, scores: Floats) -> Within:
        """Collects the samples whose membership can be permuted inside their cell.

        Args:
            cells: clusters and strata of the samples.
            members: (N, A) membership in each attribute value, 0 or 1.
            scores: (N, P) values minus the mean of their stratum.

        Returns:
            The samples; none if the attribute or the scores are constant in each cell.
        """
        rows = _free(cells, members, scores)
        if not len(rows):
            empty = np.zeros((members.shape[1], scores.shape[1]))
            return cls(members[:0], scores[:0], rows, empty, empty, empty + 1, empty[None][:0])
        member = members[rows]
        starts = np.flatnonzero(np.diff(cells.cell[rows], prepend=-1))
        size = np.diff(starts, append=len(rows))
        centred = _centred(scores[rows], starts, size)
        movable = np.add.reduceat(_centred(member, starts, size) ** 2, starts, axis=0)
        squares = np.add.reduceat(centred**2, starts, axis=0) / (size[:, None] - 1)
        # Cells are sorted by cluster.
        first = np.flatnonzero(np.diff(cells.cluster[cells.cell[rows[starts]]], prepend=-1))
        variance = np.stack(
            [np.add.reduceat(one[:, None] * squares, first, axis=0) for one in movable.T], axis=1
        )
        information = np.add.reduceat(movable, first, axis=0)
        sums = np.stack(
            [np.add.reduceat(one[:, None] * centred, starts[first]) for one in member.T], axis=1
        )
        leverage = ratio(information, information.sum(0))[:, :, None]
        own = (sums - leverage * sums.sum(0)) / (1 - np.minimum(leverage, 0.9))
        whole, seen = variance.sum(0), (own**2).sum(0)
        excess = _excess(variance, ratio(seen, whole))
        parts = own * np.sqrt(ratio(whole, seen))
        return cls(member, centred, starts, sums.sum(0), whole, excess, parts)

    @property
    def cost(self) -> int:
        """Number of elements drawn for one permutation."""
        if len(self.scores) > _ROWS:
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
        if len(self.scores) > _ROWS:
            signs = generator.standard_normal((n_draws, len(self.parts)))
            return np.tensordot(signs, self.parts, 1)
        if self._two_valued():
            return self._draw_counts(n_draws, generator)[:, None, None]
        size = np.diff(self.starts, append=len(self.scores))
        cell = np.repeat(np.arange(len(size)), size)
        order = np.argsort(cell + generator.random((n_draws, len(cell))), axis=1)
        return np.asarray(self.members[order].transpose(0, 2, 1) @ self.scores, dtype=np.float64)

    def third_moment(self) -> float:
        """Bound on Σ |score|³ over permuted members, for one attribute value and one score."""
        if not len(self.scores):
            return 0.0
        size = np.diff(self.starts, append=len(self.scores))
        member = np.abs(_centred(self.members, self.starts, size)[:, 0]) ** 3
        cubes = np.add.reduceat(np.abs(self.scores[:, 0]) ** 3, self.starts)
        return float((np.add.reduceat(member, self.starts) / size * cubes).sum())

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


def _free(cells: Cells, members: Floats, scores: Floats) -> Integers:
    """Samples in cells with at least two memberships and two scores, sorted by cell."""
    rows = np.argsort(cells.cell, kind="stable")
    starts = np.flatnonzero(np.diff(cells.cell[rows], prepend=-1))
    low, high = (end.reduceat(members[rows], starts, axis=0) for end in (np.minimum, np.maximum))
    rows = rows[np.repeat((high > low).any(1), np.diff(starts, append=len(rows)))]
    if not len(rows):
        return rows
    starts = np.flatnonzero(np.diff(cells.cell[rows], prepend=-1))
    low, high = (end.reduceat(scores[rows], starts, axis=0) for end in (np.minimum, np.maximum))
    scale = np.abs(scores).max(initial=0.0)
    varied = (high - low > 1e-12 * scale).any(1)
    kept = np.repeat(varied, np.diff(starts, append=len(rows)))
    return np.asarray(rows[kept], dtype=np.int64)


def _centred(values: Floats, starts: Integers, size: Integers) -> Floats:
    """Values minus the mean of their cell."""
    mean = np.add.reduceat(values, starts, axis=0) / size[:, None]
    return np.asarray(values - np.repeat(mean, size, axis=0), dtype=np.float64)


def _excess(variance: Floats, found: Floats) -> Floats:
    """(A, P) overdispersion, at least 1, enlarged if it is estimated from few clusters."""
    number = np.apply_along_axis(effective_number, 0, variance)
    freedom = np.maximum(number - 1, _LEAST_FREEDOM)
    caution = (student.isf(0.025, freedom) / norm.isf(0.025)) ** 2
    return np.asarray(1 + np.maximum(found - 1, 0) * caution, dtype=np.float64)
