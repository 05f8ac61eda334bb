"""Counts in place of samples: equal sums of squares, and the same distribution under permutation."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.statistics.cluster_cells import index_of
from auditor.statistics.counted_groups import CountedGroups
from auditor.statistics.intervals import Floats, Integers
from auditor.statistics.series import cluster_p_value

N = 400


def groups_and_strata() -> tuple[Integers, Integers]:
    """Four groups of 75 samples that span three strata, and 100 groups of one sample."""
    groups = np.concatenate([np.repeat(np.arange(4), 75), 4 + np.arange(100)])
    return groups, np.arange(N) % 3


def slow_sum_of_squares(values: Floats, groups: Integers, strata: Integers) -> float:
    residual = values.copy()
    for k in np.unique(strata):
        residual[strata == k] -= values[strata == k].mean()
    between = sum(residual[groups == g].sum() ** 2 / (groups == g).sum() for g in np.unique(groups))
    return float(between / (residual**2).sum())


def test_sum_of_squares_from_counts_is_that_of_the_samples() -> None:
    groups, strata = groups_and_strata()
    failed = (np.random.default_rng(0).random(N) < 0.2 + 0.1 * strata).astype(np.float64)
    counted = CountedGroups.of(failed, groups, strata)
    assert counted is not None
    assert counted.between(counted.observed[None])[0] == pytest.approx(
        slow_sum_of_squares(failed, groups, strata), rel=1e-9
    )


def test_drawn_counts_have_the_distribution_of_permuted_samples() -> None:
    groups, strata = groups_and_strata()
    rng = np.random.default_rng(1)
    failed = (rng.random(N) < 0.25).astype(np.float64)
    counted = CountedGroups.of(failed, groups, strata)
    assert counted is not None
    drawn = counted.drawn(2000, rng)
    assert (np.add.reduceat(drawn, [0, *counted.ends[:-1]], axis=1) == counted.ones).all()
    permuted = []
    for _ in range(1000):
        values = failed.copy()
        for k in range(3):
            values[strata == k] = rng.permutation(failed[strata == k])
        permuted.append(slow_sum_of_squares(values, groups, strata))
    # Quantiles of 2,000 draws and 1,000 permutations; 0.05 is three standard errors of a share.
    for level in (0.1, 0.5, 0.9):
        share = float((counted.between(drawn) <= np.quantile(permuted, level)).mean())
        assert share == pytest.approx(level, abs=0.05)


def test_outcomes_that_are_no_counts_and_many_groups_are_left_to_the_samples() -> None:
    groups, strata = groups_and_strata()
    values = np.random.default_rng(2).random(N)
    assert CountedGroups.of(values, groups, strata) is None
    assert CountedGroups.of((values < 0.5).astype(np.float64), np.arange(N) // 2, strata) is None


def test_p_value_of_many_samples_is_small_only_where_outcomes_are_clustered() -> None:
    rng = np.random.default_rng(3)
    groups, strata = np.arange(60_000) // 600, np.arange(60_000) % 4
    alike = rng.random(60_000) < 0.2
    clustered = rng.random(60_000) < rng.choice([0.1, 0.3], 100)[groups]
    assert cluster_p_value(alike, groups, strata) > 0.01
    assert cluster_p_value(clustered, groups, strata) < 0.001
    # All of a stratum alike: nothing varies within strata.
    assert cluster_p_value(strata == 0, groups, strata) == 1.0


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint8])
def test_index_of_numbers_values_in_sorted_order(dtype: type[np.integer]) -> None:
    values = np.array([100, 3, 100, 7, 3] * 60).astype(dtype)
    assert (index_of(values) == np.array([2, 0, 2, 1, 0] * 60)).all()
    if np.issubdtype(dtype, np.signedinteger):
        assert (index_of(-values) == np.array([0, 2, 0, 1, 2] * 60)).all()
        assert index_of(np.array([-128, 127] * 100).astype(dtype))[:2].tolist() == [0, 1]
    assert index_of(np.array([5, -(10**12), 5])).tolist() == [1, 0, 1]
    assert len(index_of(np.array([], dtype=dtype))) == 0
