"""Permutation of an attribute between clusters, and inside the clusters in which it varies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array
from scipy.stats import norm

from auditor.statistics.cluster_cells import Cells, ratio
from auditor.statistics.cluster_columns import Centred, Columns
from auditor.statistics.cluster_within import Within
from auditor.statistics.intervals import Floats, Integers
from auditor.statistics.permutation import MAX_DRAWS, permute_within, places_within

_ELEMENTS = 2_000_000
"""Numbers drawn at a time, which bounds the memory."""
_SUMS = 100_000
"""Sums over clusters with the same shares that are held at a time, so that they fit into a cache."""
_DISTINCT = 0.5
"""Scores of clusters with the same shares are summed first if there are at most this many distinct shares
for each cluster."""
_ALL_ELEMENTS = 200_000_000
"""Numbers drawn for one test, which bounds the time to seconds."""
_SPARSE = 20
"""With at least this many clusters for each one that has the attribute value, only the clusters that
have it are assigned to random places."""
_ENOUGH = 0.9
"""Smallest share of the variation inside clusters that must lie inside cells."""
_NEARLY_NORMAL = 1 / 7
"""The normal approximation is used if the standardised third moment is below this: its value for 50
equal failures, as in `gaps`."""


@dataclass(frozen=True)
class Between:
    """The shares and scores that are permuted between clusters, sorted by block.

    Attributes:
        shares: (G, A) share of each cluster's samples with each attribute value.
        scores: (G, P) sums of the scores of each cluster, minus the mean of its block.
        variance: (G, P) variances of these sums under the null hypothesis.
        blocks: (B,) number of clusters in each block.
    """

    shares: Floats
    scores: Floats
    variance: Floats
    blocks: Integers

    @property
    def observed(self) -> tuple[Floats, Floats]:
        """Sums (A, P) of the data, and their variances."""
        totals = self.shares.T @ self.scores, self.shares.T @ self.variance
        return self._centred_sums(*totals, self.shares.T**2 @ self.variance)

    def _centred_sums(self, total: Floats, mean: Floats, squares: Floats) -> tuple[Floats, Floats]:
        """The sums, and the variances that are left by the mean share, (A, P) or (n, A, P) each."""
        return total, np.maximum(squares - ratio(mean**2, self.variance.sum(0)), 0)

    @property
    def few(self) -> Integers:
        """Clusters with a sample of the attribute value if these are few; otherwise empty."""
        found = np.flatnonzero(self.shares.any(1))
        few = self.shares.shape[1] == 1 and len(found) * _SPARSE < len(self.shares)
        return found if few else found[:0]

    def draw(self, n_draws: int, generator: np.random.Generator) -> tuple[Floats, Floats]:
        """Sums and variances for shares permuted within blocks."""
        few = self.few
        if not len(few):
            shares, code, numbers = self._distinct
            order = permute_within(code, self.blocks, n_draws, generator)
            step = _ELEMENTS // len(code), _SUMS // (len(shares) * numbers.shape[1])
            parts = np.array_split(order, range(0, n_draws, max(min(step), 1))[1:])
            found = zip(*map(self._sums, parts), strict=True)
            return self._centred_sums(*(np.concatenate(part) for part in found))
        counts = np.bincount(np.repeat(np.arange(len(self.blocks)), self.blocks)[few])
        blocks = self.blocks[: len(counts)]
        places = places_within(counts, blocks, n_draws, generator)
        share, variance = self.shares[few, 0], self.variance[places].transpose(0, 2, 1)
        noise = variance @ share**2 - ratio((variance @ share) ** 2, self.variance.sum(0))
        total = self.scores[places].transpose(0, 2, 1) @ share
        return total[:, None, :], np.maximum(noise, 0)[:, None, :]

    @cached_property
    def _distinct(self) -> tuple[Floats, NDArray[np.unsignedinteger], Floats]:
        """(U, A) distinct shares, (G,) which of them each cluster has, (G, 2P) scores and variances.

        Clusters of similar size have few distinct shares: scores are summed over those with the same
        shares before anything is multiplied.
        """
        shares, code = np.unique(self.shares, axis=0, return_inverse=True)
        small = code.ravel().astype(np.min_scalar_type(len(shares)))
        return shares, small, np.concatenate([self.scores, self.variance], axis=1)

    def _sums(self, order: NDArray[np.unsignedinteger]) -> tuple[Floats, Floats, Floats]:
        """(n, A, P) sums of shares · scores, shares · variances and squared shares · variances.

        Args:
            order: (n, G) which of the distinct shares each cluster gets.
        """
        shares, _, numbers = self._distinct
        if len(shares) > _DISTINCT * order.shape[1]:
            shares = shares.take(order, axis=0)
        else:  # a column for each cluster, with a one for each permutation in the row of its shares
            row = order.T + np.arange(len(order), dtype=np.int32) * len(shares)
            start = np.arange(order.shape[1] + 1, dtype=np.int32) * len(order)
            shape = len(order) * len(shares), order.shape[1]
            numbers = csc_array((np.ones(row.size), row.ravel(), start), shape=shape) @ numbers
            numbers = numbers.reshape(len(order), len(shares), -1)
        turned = np.swapaxes(shares, -1, -2)
        scores, variance = np.split(numbers, 2, axis=-1)
        return turned @ scores, turned @ variance, turned**2 @ variance

    def over_blocks(self, of_shares: Floats, of_scores: Floats) -> Floats:
        """(B,) product of the two sums in each block."""
        starts = np.cumsum(self.blocks) - self.blocks
        return np.add.reduceat(of_shares, starts) * np.add.reduceat(of_scores, starts)

    def centred(self, numbers: Floats) -> Floats:
        """(G,) numbers of clusters minus the mean of their block."""
        starts = np.cumsum(self.blocks) - self.blocks
        return numbers - np.repeat(np.add.reduceat(numbers, starts) / self.blocks, self.blocks)

    def spread(self, numbers: Floats) -> float:
        """Variance of Σ share · number over permutations, for one attribute value."""
        squares = self.centred(self.shares[:, 0]) ** 2, self.centred(numbers) ** 2
        return float((self.over_blocks(*squares) / np.maximum(self.blocks - 1, 1)).sum())


class ClusterPermutation:
    """Sums of scores over the samples with each attribute value, and their permutation distribution.

    The membership of a sample is the share of its cluster plus a deviation. Shares are permuted
    between the clusters of a block, deviations inside the (cluster, stratum) cells. If cells are too
    small for that, deviations from the shares of the strata are permuted inside clusters instead. So
    an attribute that is constant in each cluster is permuted between whole clusters, one that is
    balanced in each cluster is permuted inside clusters only, and a mixture is permuted both ways.

    Each sum is divided by a standard deviation that depends on the sizes of the permuted clusters.
    The test is exact if clusters are exchangeable and if, given their shares, samples are exchangeable
    inside cells. It remains approximately valid if the attribute is associated with the size of the
    clusters, or if the samples of one value are correlated more strongly inside a cluster.

    Args:
        cells: clusters and strata of the samples.
        members: (N, A) membership in each attribute value, 0 or 1.
        scores: (N, P) values minus the mean of their stratum.
        variance: (G, P) variance of each cluster's sum of scores under the null hypothesis.
        between_excess: overdispersion of the cluster sums relative to `variance`; at least 1.
        seed: random seed.

    Attributes:
        observed: (A, P) standardised sums of the data.
        max_draws: largest number of permutations that takes seconds.
        largest_batch: largest number of permutations that fits into memory at once.

    Reference:
        Permutation of a treatment over clusters with a studentized statistic: J. G. MacKinnon and
        M. D. Webb, Journal of Econometrics 218 (2020) 435-450; A. Janssen, Statistics & Probability
        Letters 36 (1997) 9-21. Permutation of residuals: D. Freedman and D. Lane, Journal of
        Business & Economic Statistics 1 (1983) 292-298.
    """

    def __init__(
        self,
        cells: Cells,
        members: Columns,
        scores: Columns,
        variance: Floats,
        between_excess: float = 1.0,
        seed: int = 0,
    ) -> None:
        self._within = Within.of(*_inside(cells, members), scores)
        movable = self._within.n_samples > 0
        self._between = _between(cells, members, scores, variance, movable)
        self._generator = np.random.default_rng(seed)
        moved = len(self._between.few) or members.shape[1] * cells.n_clusters
        elements = moved + self._within.cost
        self.largest_batch = int(np.clip(_ELEMENTS // elements, 10, 2_000))
        self.max_draws = int(np.clip(_ALL_ELEMENTS // elements, 1_999, MAX_DRAWS))
        total, spread = self._between.observed
        noise = spread * between_excess + self._within.variance * self._within.excess
        self._floor = 1e-12 * float(noise.max(initial=0.0))
        self.observed = ratio(total + self._within.total, self._root(noise))

    def draw(self, n_draws: int) -> Floats:
        """Draws sums under the null hypothesis.

        Args:
            n_draws: number of permutations.

        Returns:
            (n_draws, A, P) standardised sums.
        """
        total, spread = self._between.draw(n_draws, self._generator)
        if self._within.n_samples:
            total = total + self._within.draw(n_draws, self._generator)
        return ratio(total, self._root(spread + self._within.variance))

    @property
    def nearly_normal(self) -> bool:
        """Whether the normal approximation is accurate, for one attribute value and one score.

        Reference:
            E. Bolthausen, Zeitschrift für Wahrscheinlichkeitstheorie 66 (1984) 379-386: the error is
            bounded by a multiple of the standardised third moment.
        """
        between = self._between
        cubes = (
            np.abs(between.centred(between.shares[:, 0])) ** 3,
            np.abs(between.scores[:, 0]) ** 3,
        )
        moment = float((between.over_blocks(*cubes) / between.blocks).sum())
        return moment + self._within.third < _NEARLY_NORMAL * self._deviation**3

    def normal_p_value(self) -> float:
        """Two-sided p-value of the normal approximation, for one attribute value and one score."""
        if not self._deviation > 0:
            return 1.0
        between, share = self._between, self._between.shares[:, 0]
        variance = between.variance[:, 0]

        def mean(of_shares: Floats) -> float:
            return float((between.over_blocks(of_shares, variance) / between.blocks).sum())

        middle = mean(share) ** 2 + between.spread(variance)
        noise = mean(share**2) - middle / max(float(variance.sum()), 1e-300)
        noise = max(noise, 0.0) + float(self._within.variance[0, 0])
        return float(2 * norm.sf(abs(self.observed[0, 0]) * np.sqrt(noise) / self._deviation))

    @property
    def _deviation(self) -> float:
        """Standard deviation of one sum under permutation."""
        between = self._between.spread(self._between.scores[:, 0])
        return float(np.sqrt(max(between, 0.0) + self._within.variance[0, 0]))

    def _root(self, noise: Floats) -> Floats:
        return np.sqrt(np.where(noise > self._floor, noise, 0.0))


def _inside(cells: Cells, members: Columns) -> tuple[Cells, Columns]:
    """Cells inside which membership is permuted, and the part of it that is permuted."""
    merged = cells.merged()
    whole = _information(merged, members)
    known = _information(cells, members)
    if known >= _ENOUGH * whole:
        return cells, members
    size, varied = np.bincount(merged.cell), np.zeros(len(merged), dtype=bool)
    for k in range(members.shape[1]):
        held = merged.by_cell(members.column(k))
        varied |= (held > 0) & (held < size)
    left = replace(Centred.of(members, cells), kept=varied[merged.cell])
    if known >= _ENOUGH * _information(merged, left):
        return cells, members
    return merged, left


def _information(cells: Cells, members: Columns) -> float:
    """Sum of squared deviations from the means of the cells."""
    size, found = np.bincount(cells.cell), 0.0
    for k in range(members.shape[1]):
        column = members.column(k)
        found += float((column**2).sum()) - float((cells.by_cell(column) ** 2 / size).sum())
    return max(found, 0.0)


def _between(
    cells: Cells, members: Columns, scores: Columns, variance: Floats, movable: bool
) -> Between:
    def by_cluster(columns: Columns) -> Floats:
        every = range(columns.shape[1])
        sums = [cells.by_cluster(cells.by_cell(columns.column(k))) for k in every]
        return np.stack(sums, axis=1)

    size = cells.by_cluster(np.bincount(cells.cell).astype(np.float64))
    shares, total = by_cluster(members) / size[:, None], by_cluster(scores)
    order = np.argsort(cells.block, kind="stable")
    blocks = np.bincount(cells.block)
    blocks = blocks[blocks > 0]
    starts = np.cumsum(blocks) - blocks
    low, high = (end.reduceat(shares[order], starts, axis=0) for end in (np.minimum, np.maximum))
    if not movable and not bool((high > low).any()):
        # Nothing can be permuted inside the blocks, so all clusters form one block.
        blocks, starts = blocks.sum(keepdims=True), starts[:1]
    mean = np.add.reduceat(total[order], starts, axis=0) / blocks[:, None]
    return Between(
        shares[order], total[order] - np.repeat(mean, blocks, axis=0), variance[order], blocks
    )
