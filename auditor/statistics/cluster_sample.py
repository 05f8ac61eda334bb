"""A clustered sample: its sums, and the test of one slice against the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from auditor.statistics.cluster_cells import Booleans, Cells, Comparison, Side, index_of, ratio
from auditor.statistics.cluster_columns import Given
from auditor.statistics.cluster_correlation import Correlations
from auditor.statistics.cluster_permutation import ClusterPermutation
from auditor.statistics.intervals import Floats, Integers
from auditor.statistics.permutation import sequential_p_value

LEAST_CLUSTERS = 5
"""Smallest number of clusters on each side of a comparison that is tested."""


@dataclass(frozen=True, slots=True)
class ClusterSample:
    """Values of samples in strata and clusters.

    Attributes:
        values: (N,) float64.
        stratum: (N,) stratum of each sample.
        group: (N,) cluster of each sample.
        cells: the (cluster, stratum) cells.
        sums: sizes, sums and sums of squares of the cells, (C,) each.
    """

    values: Floats
    stratum: Integers
    group: Integers
    cells: Cells
    sums: tuple[Floats, ...]

    @classmethod
    def of(cls, values: ArrayLike, strata: ArrayLike, groups: ArrayLike) -> ClusterSample:
        """Sums the values by cell.

        Args:
            values: (N,) numbers.
            strata: (N,) stratum of each sample; any values that can be sorted.
            groups: (N,) cluster of each sample; any values that can be sorted.

        Returns:
            The sample.

        Raises:
            ValueError: the lengths differ, there is no sample, or a value is not finite.
        """
        number = np.asarray(values, dtype=np.float64)
        if number.shape != np.shape(groups) or not bool(np.isfinite(number).all()):
            raise ValueError(
                f"expected one finite value and one group for each sample; got shapes "
                f"{number.shape} and {np.shape(groups)}, or values that are not finite: leave out "
                "samples without a value"
            )
        cells = Cells.of(strata, groups)
        sums = _sums(cells, number, None)
        return cls(number, index_of(strata), index_of(groups), cells, sums)

    @property
    def independent(self) -> bool:
        """Whether no two samples share a cluster."""
        return self.cells.n_clusters == len(self.values)

    def restricted(self, inside: Booleans) -> tuple[ClusterSample, Booleans] | None:
        """The samples in strata that contain slice and rest, and which of them are in the slice.

        Args:
            inside: (N,) membership in the slice.

        Returns:
            The sample and its membership; None if no stratum contains both sides.
        """
        own = np.bincount(self.stratum[inside], minlength=self.cells.n_strata)
        whole = np.bincount(self.stratum, minlength=self.cells.n_strata)
        kept = ((own > 0) & (own < whole))[self.stratum]
        if kept.all():
            return self, inside
        if not kept.any():
            return None
        part = ClusterSample.of(self.values[kept], self.stratum[kept], self.group[kept])
        return part, inside[kept]

    def compared(self, inside: Booleans) -> Comparison:
        """Slice and rest of a restricted sample."""
        return Comparison.of(self.cells, self.sums, _sums(self.cells, self.values, inside))

    def test(
        self,
        inside: Booleans,
        comparison: Comparison,
        known: Correlations,
        max_draws: int,
        seed: int,
    ) -> float:
        """Two-sided p-value of "the slice differs from the rest in no stratum".

        Args:
            inside: (N,) membership in the slice.
            comparison: result of `compared`.
            known: correlations inside clusters.
            max_draws: maximum number of permutations; 0 uses the normal approximation.
            seed: random seed.

        Returns:
            The p-value; NaN if one side has fewer than five clusters.
        """
        sides = comparison.own, comparison.rest
        if min(n_clusters(comparison, side) for side in sides) < LEAST_CLUSTERS:
            return float("nan")
        if not comparison.variance.any():
            return 1.0
        even = _cluster_variance(comparison, np.full(self.cells.n_clusters, known.same))
        scores = (self.values - comparison.both.mean[self.stratum])[:, None]
        permutation = ClusterPermutation(
            self.cells,
            Given(inside.astype(np.float64)[:, None]),
            Given(scores),
            even[:, None],
            _between_excess(comparison, known, even),
            seed,
        )
        if not max_draws or permutation.nearly_normal:
            return permutation.normal_p_value()
        return sequential_p_value(
            lambda n: np.abs(permutation.draw(n)[:, 0, 0]),
            abs(float(permutation.observed[0, 0])),
            min(max_draws, permutation.max_draws),
            permutation.largest_batch,
        ).p_value


def n_clusters(comparison: Comparison, side: Side) -> int:
    """Number of clusters with a sample on one side."""
    return int((comparison.cells.by_cluster(side.size) > 0).sum())


def _sums(cells: Cells, values: Floats, inside: Booleans | None) -> tuple[Floats, ...]:
    chosen = np.ones(len(values)) if inside is None else inside.astype(np.float64)
    return tuple(cells.by_cell(part) for part in (chosen, chosen * values, chosen * values**2))


def _cluster_variance(comparison: Comparison, correlation: Floats) -> Floats:
    """(G,) null variances of the cluster sums, given the (G,) correlations."""
    cells, variance = comparison.cells, comparison.variance[comparison.cells.stratum]
    size = comparison.both.size
    alone, alike = variance * size, np.sqrt(variance) * size
    return (1 - correlation) * cells.by_cluster(alone) + correlation * cells.by_cluster(alike) ** 2


def _between_excess(comparison: Comparison, known: Correlations, even: Floats) -> float:
    """Overdispersion of the cluster sums if one side is more correlated than both sides pooled."""
    cells = comparison.cells
    share = ratio(cells.by_cluster(comparison.own.size), cells.by_cluster(comparison.both.size))
    distance = (share - (share * even).sum() / even.sum()) ** 2
    apart = _cluster_variance(comparison, known.own * share + known.rest * (1 - share))
    alike = float((distance * even).sum())
    return max(float((distance * apart).sum()) / alike, 1.0) if alike > 0 else 1.0
