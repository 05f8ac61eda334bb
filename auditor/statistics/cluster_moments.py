"""Moments of the sums over clusters, a part of the clusters at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from auditor.statistics.cluster_cells import Cells, ratio
from auditor.statistics.cluster_columns import Columns
from auditor.statistics.cluster_correlation import effective_number_of
from auditor.statistics.intervals import Floats, Integers

_ROW_ELEMENTS = 400_000
"""Limit on the samples x columns of a part."""
_ELEMENTS = 2_000_000
"""Limit on the clusters x values x scores of a part, and of all if they are held together."""
_LARGEST_LEVERAGE = 0.9


@dataclass(frozen=True, slots=True)
class Moments:
    """What the permutation inside the clusters needs.

    Attributes:
        total: (A, P) sums of the members' scores.
        variance: (A, P) variances of these sums under permutation inside cells.
        number: (A, P) effective number of clusters.
        seen: (A, P) sums of the squared `parts`.
        parts: (J, A, P) sums of each cluster minus the part that a common gap explains. For very many
            clusters, A * P parts with the same sums of products.
        third: bound on the sum of |score|³ over permuted members if A = P = 1; otherwise 0.
    """

    total: Floats
    variance: Floats
    number: Floats
    seen: Floats
    parts: Floats
    third: float


@dataclass(frozen=True, slots=True)
class _Part:
    """Some clusters: variances and sums (j, A, P), information (j, A), third moments of cells (k,)."""

    variance: Floats
    information: Floats
    sums: Floats
    third: Floats


@dataclass(frozen=True, slots=True)
class ClusterSums:
    """Sums over clusters of the products of memberships and scores.

    Attributes:
        cells: clusters and strata of the samples.
        members: (N, A) membership in each attribute value.
        scores: (N, P) values minus the mean of their stratum.
        rows: (R,) samples in cells in which both vary, sorted by cell.
    """

    cells: Cells
    members: Columns
    scores: Columns
    rows: Integers

    def moments(self) -> Moments:
        """Sums the clusters; the numbers of all of them are held only if these are few."""
        bounds = self._bounds()
        n_values, n_scores = self.members.shape[1], self.scores.shape[1]
        size = n_values * n_scores
        # The cells are sorted by cluster.
        cluster = self.cells.cluster[self.cells.cell[self.rows]]
        n_clusters = 1 + int(np.count_nonzero(np.diff(cluster)))
        few = n_clusters * size <= _ELEMENTS or n_clusters <= size
        held = [_joined(list(self._parts(bounds)))] if few else None
        total, variance = np.zeros((2, n_values, n_scores))
        linear, squares = np.zeros((2, n_values, n_scores))
        information, third = np.zeros(n_values), 0.0
        for part in held or self._parts(bounds):
            total = total + part.sums.sum(0)
            variance = variance + part.variance.sum(0)
            linear = linear + np.apply_along_axis(np.sum, 0, part.variance)
            squares = squares + np.apply_along_axis(np.sum, 0, part.variance**2)
            information = information + part.information.sum(0)
            third += float(part.third.sum())
        seen, products = np.zeros((n_values, n_scores)), np.zeros((size, size))
        own = np.zeros((0, n_values, n_scores))
        for part in held or self._parts(bounds):
            leverage = ratio(part.information, information)[:, :, None]
            own = part.sums - leverage * total
            own /= 1 - np.minimum(leverage, _LARGEST_LEVERAGE)
            seen = seen + (own**2).sum(0)
            if held is None:
                flat = own.reshape(len(own), size)
                products += flat.T @ flat
        parts = own if held else _root(products).reshape(size, n_values, n_scores)
        return Moments(total, variance, effective_number_of(linear, squares), seen, parts, third)

    def _bounds(self) -> list[int]:
        """Where a part begins, and the end; a cluster is in one part."""
        cluster = self.cells.cluster[self.cells.cell[self.rows]]
        first = np.flatnonzero(np.diff(cluster, prepend=-1))
        n_values, n_scores = self.members.shape[1], self.scores.shape[1]
        step = max(_ROW_ELEMENTS // (n_values + n_scores), 1)
        clusters = max(_ELEMENTS // (n_values * n_scores), 1)
        part = np.maximum.accumulate(first // step) + np.arange(len(first)) // clusters
        return [*first[np.flatnonzero(np.diff(part, prepend=-1))].tolist(), len(cluster)]

    def _parts(self, bounds: list[int]) -> Iterator[_Part]:
        for start, end in pairwise(bounds):
            yield self._part(self.rows[start:end])

    def _part(self, rows: Integers) -> _Part:
        member = self.members.rows(rows)
        starts = np.flatnonzero(np.diff(self.cells.cell[rows], prepend=-1))
        size = np.diff(starts, append=len(rows))
        scores = centred(self.scores.rows(rows), starts, size)
        inside = centred(member, starts, size)
        movable = np.add.reduceat(inside**2, starts, axis=0)
        squares = np.add.reduceat(scores**2, starts, axis=0) / (size[:, None] - 1)
        first = np.flatnonzero(
            np.diff(self.cells.cluster[self.cells.cell[rows[starts]]], prepend=-1)
        )
        variance = [np.add.reduceat(one[:, None] * squares, first, axis=0) for one in movable.T]
        sums = [np.add.reduceat(one[:, None] * scores, starts[first]) for one in member.T]
        third = np.zeros(0)
        if inside.shape[1] == scores.shape[1] == 1:
            cubes = np.add.reduceat(np.abs(scores[:, 0]) ** 3, starts)
            third = np.add.reduceat(np.abs(inside[:, 0]) ** 3, starts) / size * cubes
        return _Part(
            np.stack(variance, axis=1),
            np.add.reduceat(movable, first, axis=0),
            np.stack(sums, axis=1),
            third,
        )


def centred(values: Floats, starts: Integers, size: Integers) -> Floats:
    """Values minus the mean of their cell.

    Args:
        values: (R, K) numbers, sorted by cell.
        starts: first row of each cell.
        size: number of rows of each cell.

    Returns:
        (R, K) differences.
    """
    mean = np.add.reduceat(values, starts, axis=0) / size[:, None]
    return np.asarray(values - np.repeat(mean, size, axis=0), dtype=np.float64)


def _joined(parts: list[_Part]) -> _Part:
    if len(parts) == 1:
        return parts[0]
    names = ("variance", "information", "sums", "third")
    return _Part(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _root(products: Floats) -> Floats:
    """(K, K) rows whose sums of products are the given ones."""
    values, vectors = np.linalg.eigh(products)
    return np.asarray(np.sqrt(np.maximum(values, 0))[:, None] * vectors.T, dtype=np.float64)
