"""Sums by cluster and stratum, from which the clustered comparisons are computed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from auditor.statistics.intervals import Floats, Integers

Booleans = NDArray[np.bool_]

_PURE = 0.9
"""If at least this share of the samples lies in the main stratum of their cluster, clusters are
assigned to their main stratum."""


def ratio(above: Floats, below: Floats) -> Floats:
    """Quotient; zero where the denominator is not positive."""
    return np.divide(above, below, out=np.zeros(np.broadcast(above, below).shape), where=below > 0)


def index_of(values: ArrayLike) -> Integers:
    """Numbers the distinct values of a one-dimensional array from zero in sorted order."""
    found = np.asarray(values)
    if found.dtype.kind == "i" and found.size:
        low, high = int(found.min()), int(found.max())
        if high - low <= 2 * found.size:  # counting is faster than sorting
            offset = found.astype(np.int64).ravel() - low
            return (np.cumsum(np.bincount(offset) > 0) - 1)[offset].astype(np.int64)
    return np.unique(found, return_inverse=True)[1].astype(np.int64).ravel()


@dataclass(frozen=True, slots=True)
class Cells:
    """The (cluster, stratum) cells that hold samples.

    Attributes:
        cell: (N,) cell of each sample.
        cluster: (C,) cluster of each cell.
        stratum: (C,) stratum of each cell.
        block: (G,) block of each cluster; membership is permuted among the clusters of a block. If
            (nearly) every cluster lies in one stratum, blocks are the strata; if clusters span
            several strata, all clusters form one block.
        n_clusters: number of clusters, G.
        n_strata: number of strata, S.
    """

    cell: Integers
    cluster: Integers
    stratum: Integers
    block: Integers
    n_clusters: int
    n_strata: int

    @classmethod
    def of(cls, strata: ArrayLike, groups: ArrayLike) -> Cells:
        """Finds the cells.

        Args:
            strata: (N,) stratum of each sample; any values that can be sorted.
            groups: (N,) cluster of each sample; any values that can be sorted.

        Returns:
            The cells, sorted by cluster.

        Raises:
            ValueError: the arrays are empty, not one-dimensional, or differ in length.
        """
        if np.ndim(strata) != 1 or np.shape(strata) != np.shape(groups) or not np.size(strata):
            raise ValueError(
                f"expected one stratum and one group for each sample; got shapes "
                f"{np.shape(strata)} and {np.shape(groups)}: pass two arrays of the same length"
            )
        stratum, cluster = index_of(strata), index_of(groups)
        n_strata, n_clusters = int(stratum.max()) + 1, int(cluster.max()) + 1
        found, cell = np.unique(cluster * n_strata + stratum, return_inverse=True)
        cell = cell.astype(np.int64).ravel()
        cluster, stratum = found // n_strata, found % n_strata
        block = _blocks(cluster, stratum, np.bincount(cell))
        return cls(cell, cluster, stratum, block, n_clusters, n_strata)

    def __len__(self) -> int:
        return len(self.cluster)

    def merged(self) -> Cells:
        """The same clusters without strata: each is one cell."""
        cluster = np.arange(self.n_clusters)
        alike = np.zeros(self.n_clusters, dtype=np.int64)
        return Cells(self.cluster[self.cell], cluster, alike, self.block, self.n_clusters, 1)

    def by_cell(self, of_samples: Floats, rows: Integers | None = None) -> Floats:
        """(C,) sums over all samples, or over those in `rows`."""
        cell = self.cell if rows is None else self.cell[rows]
        return np.bincount(cell, of_samples, len(self)).astype(np.float64)

    def by_cluster(self, of_cells: Floats) -> Floats:
        """(G,) sums over the cells of each cluster."""
        return np.bincount(self.cluster, of_cells, self.n_clusters).astype(np.float64)

    def by_stratum(self, of_cells: Floats) -> Floats:
        """(S,) sums over the cells of each stratum."""
        return np.bincount(self.stratum, of_cells, self.n_strata).astype(np.float64)


def _blocks(cluster: Integers, stratum: Integers, size: Integers) -> Integers:
    order = np.lexsort((size, cluster))
    largest = order[np.append(np.flatnonzero(np.diff(cluster[order])), len(order) - 1)]
    if size[largest].sum() >= _PURE * size.sum():
        return np.asarray(stratum[largest], dtype=np.int64)
    return np.zeros(len(largest), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison (slice or rest), in the strata that contain both.

    Attributes:
        size: (C,) samples of each cell.
        total: (C,) sums of their values.
        squares: (C,) sums of their squared values.
        support: (S,) samples of each stratum.
        mean: (S,) mean value of each stratum.
        variance: (S,) variance of the values of each stratum, with the divisor n.
    """

    size: Floats
    total: Floats
    squares: Floats
    support: Floats
    mean: Floats
    variance: Floats

    @classmethod
    def of(cls, cells: Cells, size: Floats, total: Floats, squares: Floats) -> Side:
        """Sums the cells by stratum."""
        support = cells.by_stratum(size)
        mean = ratio(cells.by_stratum(total), support)
        variance = np.maximum(ratio(cells.by_stratum(squares), support) - mean**2, 0)
        # The variance of a constant is only rounding error.
        variance[variance < 1e-12 * ratio(cells.by_stratum(squares), support)] = 0
        return cls(size, total, squares, support, mean, variance)

    def residual(self, cells: Cells) -> Floats:
        """(C,) sums of values minus the mean of their stratum on this side."""
        return self.total - self.size * self.mean[cells.stratum]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A slice and the rest of the same strata.

    Attributes:
        cells: the cells of all samples.
        own: the slice.
        rest: the rest.
        both: slice and rest together.
        share: (S,) share of the slice among the samples of a stratum.
        information: sum of n · m / (n + m) over strata.
        weight: (S,) share of each stratum in `information`; the shares sum to 1.
    """

    cells: Cells
    own: Side
    rest: Side
    both: Side
    share: Floats
    information: float
    weight: Floats

    @classmethod
    def of(
        cls, cells: Cells, everything: tuple[Floats, ...], own: tuple[Floats, ...]
    ) -> Comparison:
        """Compares the slice with all other samples.

        Args:
            cells: the cells, in strata that contain both sides.
            everything: sizes, sums and sums of squares of the cells, (C,) each.
            own: the same for the samples in the slice.

        Returns:
            The comparison.
        """
        outside = [whole - part for whole, part in zip(everything, own, strict=True)]
        one, other = Side.of(cells, *own), Side.of(cells, *outside)
        both = Side.of(cells, *everything)
        share = ratio(one.support, both.support)
        weight = share * other.support
        information = float(weight.sum())
        return cls(cells, one, other, both, share, information, weight / information)

    @property
    def gap(self) -> float:
        """Weighted mean of the differences of means, slice minus rest."""
        return float((self.weight * (self.own.mean - self.rest.mean)).sum())

    @property
    def variance(self) -> Floats:
        """(S,) variance of the values of each stratum under the null hypothesis."""
        return self.both.variance * ratio(self.both.support, np.maximum(self.both.support - 1, 1))
