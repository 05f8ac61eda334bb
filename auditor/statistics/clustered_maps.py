"""Difference of the means of two stacks of clustered maps."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from auditor.statistics.cluster_cells import Cells, index_of
from auditor.statistics.cluster_columns import Given
from auditor.statistics.cluster_correlation import null_variances
from auditor.statistics.cluster_permutation import ClusterPermutation
from auditor.statistics.cluster_sample import LEAST_CLUSTERS
from auditor.statistics.intervals import Floats
from auditor.statistics.means import MapDifference, map_difference, position_p_values
from auditor.statistics.permutation import MAX_DRAWS


def clustered_map_difference(  # noqa: PLR0913, PLR0917 - as map_difference, plus the clusters
    first: ArrayLike,
    second: ArrayLike,
    first_groups: ArrayLike,
    second_groups: ArrayLike,
    first_strata: ArrayLike | None = None,
    second_strata: ArrayLike | None = None,
    n_permutations: int = MAX_DRAWS,
    seed: int = 0,
) -> MapDifference:
    """Permutation test of the difference of two stacks of clustered maps.

    Args:
        first: (N1, h, w) maps, unnormalised.
        second: (N2, h, w) maps.
        first_groups: (N1,) cluster of each map in `first`, such as the patient; any values that can
            be sorted.
        second_groups: (N2,) cluster of each map in `second`. A value that occurs in both stacks is
            one cluster.
        first_strata: (N1,) stratum of each map in `first`, such as its label; None for a single
            stratum.
        second_strata: (N2,) stratum of each map in `second`.
        n_permutations: maximum number of permutations; with 0, all p-values are 1.
        seed: random seed.

    Returns:
        The difference of `map_difference`. The statistic is the standardised sum of
        `ClusterPermutation`; the p-values are NaN if one side has fewer than five clusters.

    Raises:
        ValueError: the maps differ in size, a stack has fewer than two maps, or the number of
            groups differs from the number of maps.

    Reference:
        As `map_difference` and `ClusterPermutation`.
    """
    plain = map_difference(first, second, first_strata, second_strata, n_permutations=0)
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if np.shape(first_groups) != (len(one),) or np.shape(second_groups) != (len(two),):
        raise ValueError(
            f"expected one group per map; got shapes {np.shape(first_groups)} and "
            f"{np.shape(second_groups)} for {len(one)} and {len(two)} maps"
        )
    group = index_of(np.concatenate([np.asarray(first_groups), np.asarray(second_groups)]))
    if group.max() + 1 == len(group):
        return map_difference(first, second, first_strata, second_strata, n_permutations, seed)
    strata = np.zeros(len(group), dtype=np.int64)
    if first_strata is not None and second_strata is not None:
        strata = index_of(np.concatenate([np.asarray(first_strata), np.asarray(second_strata)]))
    flat = np.concatenate([one, two]).reshape(len(group), -1)
    inside = np.arange(len(group)) < len(one)
    statistic, p_values = _tested(flat, inside, strata, group, n_permutations, seed)
    shape = one.shape[1:]
    return MapDifference(
        plain.difference,
        statistic.reshape(shape),
        p_values.reshape(shape),
        float(p_values.min()),
        plain.effect,
    )


def _tested(
    flat: Floats,
    inside: np.ndarray[tuple[int], np.dtype[np.bool_]],
    strata: np.ndarray[tuple[int], np.dtype[np.int64]],
    group: np.ndarray[tuple[int], np.dtype[np.int64]],
    n_permutations: int,
    seed: int,
) -> tuple[Floats, Floats]:
    """Standardised sums and p-values of the D positions of (N, D) flattened maps."""
    sides = len(np.unique(group[inside])), len(np.unique(group[~inside]))
    if min(sides) < LEAST_CLUSTERS:
        return np.full(flat.shape[1], np.nan), np.full(flat.shape[1], np.nan)
    cells = Cells.of(strata, group)
    sums = np.zeros((cells.n_strata, flat.shape[1]))
    np.add.at(sums, strata, flat)
    scores = Given(flat - (sums / np.bincount(strata)[:, None])[strata])
    members = Given(inside.astype(np.float64)[:, None])
    variances = null_variances(cells, Given(flat))
    permutation = ClusterPermutation(cells, members, scores, variances, seed=seed)

    def draw(size: int) -> Floats:
        return np.asarray(np.abs(permutation.draw(size)[:, 0]).max(1), dtype=np.float64)

    observed = permutation.observed[0]
    draws, batch = min(n_permutations, permutation.max_draws), permutation.largest_batch
    return observed, position_p_values(draw, np.abs(observed), draws, batch)
