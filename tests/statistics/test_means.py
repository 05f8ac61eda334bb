from __future__ import annotations

import numpy as np
import pytest
from reference import largest_t_p_value
from scipy.stats import permutation_test, ttest_ind

from auditor.statistics import map_difference, stratified_gap, stratified_mean_gap


def test_stratified_mean_gap_one_stratum_equals_scipy() -> None:
    generator = np.random.default_rng(3)
    first, second = generator.normal(0.4, 1, 30), generator.normal(0, 2, 45)
    ours = stratified_mean_gap(
        np.concatenate([first, second]),
        np.arange(75) < 30,
        np.zeros(75),
        n_permutations=4000,
    )
    assert ours.gap.value == pytest.approx(first.mean() - second.mean())
    theirs = permutation_test(
        (first, second), lambda a, b: a.mean() - b.mean(), n_resamples=4000, rng=4
    )
    assert ours.p_value == pytest.approx(theirs.pvalue, abs=0.03)
    error = np.sqrt(first.var(ddof=1) / 30 + second.var(ddof=1) / 45)
    assert ours.gap.high - ours.gap.low == pytest.approx(2 * 1.959964 * error, rel=1e-5)


def test_stratified_mean_gap_different_strata_keep_the_level() -> None:
    generator = np.random.default_rng(5)
    covered, accused = 0, 0
    for trial in range(200):
        strata = generator.integers(0, 3, 240)
        inside = generator.random(240) < np.array([0.2, 0.5, 0.8])[strata]
        values = strata * 5 + generator.normal(size=240)  # the strata differ, the slice does not
        result = stratified_mean_gap(values, inside, strata, n_permutations=99, seed=trial)
        covered += result.gap.low <= 0 <= result.gap.high
        accused += result.p_value <= 0.05
    assert 0.91 <= covered / 200 <= 0.99
    assert accused / 200 <= 0.09


def test_stratified_mean_gap_has_mantel_haenszel_weights() -> None:
    values = np.array([1, 0, 0, 1, 1, 1, 0, 0, 1], dtype=float)
    inside = np.array([1, 1, 0, 0, 0, 1, 0, 0, 0], dtype=bool)
    strata = np.array(list("aaaaabbbb"))
    ours = stratified_mean_gap(values, inside, strata)
    counts = stratified_gap([1, 1], [2, 1], [2, 1], [3, 3])
    assert ours.gap.value == pytest.approx(float(counts.gap.value))
    assert np.isnan(stratified_mean_gap([1.0, 2.0], [True, True], [0, 0]).p_value)


def test_stratified_mean_gap_without_draws_uses_the_normal_limit() -> None:
    for seed in range(5):
        generator = np.random.default_rng(seed)
        strata = generator.integers(0, 3, 300)
        inside = generator.random(300) < 0.2 + 0.1 * strata
        values = generator.normal(size=300) + strata + 0.2 * inside
        drawn = stratified_mean_gap(values, inside, strata, n_permutations=4999)
        limit = stratified_mean_gap(values, inside, strata, n_permutations=0)
        # Standard error of the draws: 0.1 · p where sampling goes on, else sqrt(p (1 - p) / 999).
        assert limit.p_value == pytest.approx(drawn.p_value, abs=min(0.05, 0.3 * drawn.p_value))
        assert limit.gap == drawn.gap


def test_map_difference_equals_a_slow_rewrite() -> None:
    generator = np.random.default_rng(6)
    first, second = generator.random((9, 3, 4)), generator.random((12, 3, 4))
    ours = map_difference(first, second, n_permutations=2000)
    np.testing.assert_allclose(
        ours.statistic, ttest_ind(first, second, equal_var=False).statistic, rtol=1e-9
    )
    slow = largest_t_p_value(first, second, 600, seed=1)
    assert ours.p_value == pytest.approx(slow, abs=0.06)
    assert 0.02 < ours.p_value < 0.98  # a p-value that both could get wrong
    spread = np.sqrt((8 * first.var(0, ddof=1) + 11 * second.var(0, ddof=1)) / 19)
    np.testing.assert_allclose(ours.effect, (first.mean(0) - second.mean(0)) / spread)


def test_map_difference_is_significant_at_the_planted_position() -> None:
    generator = np.random.default_rng(6)
    first, second = generator.random((20, 3, 4)), generator.random((15, 3, 4))
    first[:, 1, 2] += 0.6
    found = map_difference(first, second).p_values <= 0.05
    assert np.argwhere(found).tolist() == [[1, 2]]


def test_map_difference_within_strata_keeps_its_level() -> None:
    generator = np.random.default_rng(7)
    accused = 0
    for trial in range(150):
        one, two = generator.integers(0, 2, 25) < 1, generator.random(35) < 0.8
        first = generator.normal(size=(25, 4, 4)) + 3 * one[:, None, None]
        second = generator.normal(size=(35, 4, 4)) + 3 * two[:, None, None]
        result = map_difference(first, second, one, two, n_permutations=99, seed=trial)
        accused += result.p_value <= 0.05
    assert accused / 150 <= 0.10


def test_map_difference_constant_maps_are_not_significant() -> None:
    constant = np.full((6, 2, 2), 0.1)
    result = map_difference(constant, constant[:4], n_permutations=49)
    assert result.p_value == 1.0
    np.testing.assert_array_equal(result.statistic, 0)
    with pytest.raises(ValueError, match="at least two maps"):
        map_difference(constant[:1], constant)
    with pytest.raises(ValueError, match="one size"):
        map_difference(constant, np.zeros((4, 3, 3)))
