"""Calibration, means, maps, paired tests and regression: against scipy, statsmodels, simulation."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from reference import expected_calibration_error, largest_t_p_value
from scipy.stats import permutation_test, ttest_1samp, ttest_ind
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from auditor.statistics import (
    Integers,
    adjusted_gap,
    calibration,
    map_difference,
    mcnemar,
    sign_flip,
    stratified_gap,
    stratified_mean_gap,
)

# --- calibration -------------------------------------------------------------------------------


def test_plain_calibration_error_agrees_with_a_loop() -> None:
    generator = np.random.default_rng(0)
    stated = generator.random(437)
    right = generator.random(437) < stated**2
    ours = calibration(stated, right, n_bins=12)
    assert ours.plain_error == pytest.approx(expected_calibration_error(stated, right, 12))
    interval = ttest_1samp(stated - right, 0).confidence_interval()
    assert ours.overconfidence.low == pytest.approx(interval.low)
    assert ours.overconfidence.high == pytest.approx(interval.high)


def test_calibration_error_of_a_calibrated_model_is_near_zero() -> None:
    generator = np.random.default_rng(1)
    errors, plain, covered = [], [], 0
    for trial in range(200):
        stated = generator.uniform(0.5, 1, 300)
        result = calibration(stated, generator.random(300) < stated, n_bootstrap=50, seed=trial)
        errors.append(result.error.value)
        plain.append(result.plain_error)
        covered += result.overconfidence.low <= 0 <= result.overconfidence.high
    assert np.mean(errors) < 0.6 * np.mean(plain)
    assert 0.91 <= covered / 200 <= 0.99


def test_calibration_error_interval_covers_a_real_error() -> None:
    generator = np.random.default_rng(2)
    covered = 0
    for trial in range(300):
        stated = generator.uniform(0.6, 1, 600)
        right = generator.random(600) < stated - 0.15  # off by 0.15 everywhere
        error = calibration(stated, right, n_bins=10, n_bootstrap=200, seed=trial).error
        covered += error.low <= 0.15 <= error.high
    assert 0.91 <= covered / 300 <= 0.99


def test_calibration_at_its_limits() -> None:
    assert np.isnan(calibration([0.5], [True]).error.value)
    assert calibration([0.9, 0.9], [True, True]).plain_error == pytest.approx(0.1)
    with pytest.raises(ValueError, match="not logits"):
        calibration([3.0, 0.5], [True, False])


# --- means within strata -----------------------------------------------------------------------


def test_mean_gap_of_one_stratum_agrees_with_scipy() -> None:
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


def test_mean_gap_holds_the_strata_fixed() -> None:
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


def test_mean_gap_weights_strata_as_mantel_and_haenszel() -> None:
    values = np.array([1, 0, 0, 1, 1, 1, 0, 0, 1], dtype=float)
    inside = np.array([1, 1, 0, 0, 0, 1, 0, 0, 0], dtype=bool)
    strata = np.array(list("aaaaabbbb"))
    ours = stratified_mean_gap(values, inside, strata)
    counts = stratified_gap([1, 1], [2, 1], [2, 1], [3, 3])
    assert ours.gap.value == pytest.approx(float(counts.gap.value))
    assert np.isnan(stratified_mean_gap([1.0, 2.0], [True, True], [0, 0]).p_value)


# --- maps --------------------------------------------------------------------------------------


def test_map_difference_agrees_with_a_slow_rewrite() -> None:
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


def test_map_difference_is_found_where_it_is() -> None:
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


def test_maps_that_never_change_make_no_difference() -> None:
    constant = np.full((6, 2, 2), 0.1)
    result = map_difference(constant, constant[:4], n_permutations=49)
    assert result.p_value == 1.0
    np.testing.assert_array_equal(result.statistic, 0)
    with pytest.raises(ValueError, match="at least two maps"):
        map_difference(constant[:1], constant)
    with pytest.raises(ValueError, match="one size"):
        map_difference(constant, np.zeros((4, 3, 3)))


# --- paired ------------------------------------------------------------------------------------


def test_mcnemar_lies_between_exact_p_values_of_statsmodels() -> None:
    for one, two in [(0, 5), (3, 9), (12, 12), (30, 11)]:
        ours = mcnemar(one, two, 100)
        table = [[20, one], [two, 80 - one - two]]
        exact = statsmodels_mcnemar(table, exact=True).pvalue
        limit = statsmodels_mcnemar(table, exact=False, correction=False).pvalue
        assert float(ours.p_value) <= exact
        assert float(ours.p_value) == pytest.approx(limit, abs=0.03)
        assert float(ours.change.value) == pytest.approx((one - two) / 100)
    # Fagerland et al. (2013), Table 1 (airway hyper-responsiveness): 1 and 7 discordant of 21.
    assert float(mcnemar(1, 7, 21).p_value) == pytest.approx(0.039, abs=0.0005)
    assert mcnemar(0, 0, 10).p_value == 1.0
    assert np.isnan(mcnemar(0, 0, 0).p_value)


def test_mcnemar_interval_covers() -> None:
    generator = np.random.default_rng(8)
    draws = generator.multinomial(80, [0.12, 0.04, 0.84], 4000)
    change = mcnemar(draws[:, 0], draws[:, 1], 80).change
    assert 0.93 <= np.mean((change.low <= 0.08) & (change.high >= 0.08)) <= 0.975


def test_sign_flip_agrees_with_scipy() -> None:
    generator = np.random.default_rng(9)
    few, many = generator.normal(0.5, 1, 9), generator.normal(0.2, 1, 60)
    for change, tolerance in [(few, 1e-9), (many, 0.02)]:
        theirs = permutation_test(
            (change,), np.mean, permutation_type="samples", n_resamples=5000, rng=1
        )
        ours = sign_flip(change)
        assert ours.p_value == pytest.approx(theirs.pvalue, abs=tolerance)
    assert sign_flip(few).method == "exact"
    assert sign_flip(np.zeros(30)).p_value == 1.0
    assert sign_flip([1.0]).method == "untestable"
    with pytest.raises(ValueError, match="finite"):
        sign_flip([1.0, np.nan])


# --- regression --------------------------------------------------------------------------------


def _cells(seed: int) -> tuple[Integers, Integers, NDArray[np.bool_], Integers, Integers]:
    generator = np.random.default_rng(seed)
    inside, age, label = (part.ravel() for part in np.mgrid[0:2, 0:3, 0:2])
    totals = np.where(inside == (age == 0), 150, 30)
    score = -2.5 + 2.0 * (age == 0) + 0.3 * label
    return generator.binomial(totals, 1 / (1 + np.exp(-score))), totals, inside == 1, age, label


def test_regression_sees_through_a_confounder() -> None:
    failures, totals, inside, age, label = _cells(10)
    crude = failures[inside].sum() / totals[inside].sum()
    crude -= failures[~inside].sum() / totals[~inside].sum()
    adjusted = adjusted_gap(failures, totals, inside, [age, label])
    assert crude > 0.1
    assert adjusted.gap.low < 0 < adjusted.gap.high
    assert adjusted.method == "logistic"


def test_regression_agrees_with_statsmodels_on_rows() -> None:
    failures, totals, inside, age, label = _cells(11)
    rows = np.repeat(np.arange(12), totals)
    failed = np.concatenate([np.arange(n) < k for k, n in zip(failures, totals, strict=True)])
    columns = [inside[rows], age[rows] == 1, age[rows] == 2, label[rows] == 1]
    design = sm.add_constant(np.stack(columns, axis=1).astype(float))
    fit = sm.Logit(failed.astype(float), design).fit(disp=0)
    ours = adjusted_gap(failures, totals, inside, [age, label])
    assert ours.log_odds.value == pytest.approx(fit.params[1], rel=1e-5)
    assert ours.log_odds.low == pytest.approx(fit.conf_int()[1, 0], rel=1e-4)
    assert ours.p_value == pytest.approx(fit.pvalues[1], rel=1e-4)
    margin = fit.get_margeff(dummy=True)
    assert ours.gap.value == pytest.approx(margin.margeff[0], rel=1e-5)
    width = np.diff(margin.conf_int()[0])[0]
    assert ours.gap.high - ours.gap.low == pytest.approx(width, rel=1e-4)


def test_separated_data_are_held_by_a_ridge_and_said() -> None:
    separated = adjusted_gap([20, 0, 18, 0], [20, 30, 18, 25], [True, False] * 2, [[0, 0, 1, 1]])
    assert separated.method == "ridge"
    assert separated.gap.value > 0.8
    assert np.isfinite([separated.log_odds.low, separated.log_odds.high]).all()
    assert separated.p_value < 0.01


def test_membership_told_by_another_column_is_untestable() -> None:
    entangled = adjusted_gap([5, 9], [50, 40], [True, False], [["x", "y"]])
    assert entangled.method == "untestable"
    assert np.isnan(entangled.p_value)
    assert adjusted_gap([0, 0], [5, 5], [True, False], []).method == "untestable"


def test_mean_gap_without_draws_takes_the_limit_of_the_permutations() -> None:
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
