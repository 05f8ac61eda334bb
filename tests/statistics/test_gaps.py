"""Intervals and gaps: against statsmodels, scipy, published examples and seeded simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import fisher_exact, hypergeom
from statsmodels.stats.contingency_tables import StratifiedTable
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from auditor.statistics import (
    detectable_gap,
    proportion_gap,
    q_values,
    rank_correlation,
    stratified_gap,
    wilson,
)
from auditor.statistics.intervals import subtract


def test_wilson_equals_statsmodels() -> None:
    counts, totals = np.array([0, 1, 7, 30, 50]), np.array([10, 40, 9, 50, 50])
    ours = wilson(counts, totals, 0.9)
    low, high = proportion_confint(counts, totals, alpha=0.1, method="wilson")
    np.testing.assert_allclose(ours.low, low, atol=1e-12)
    np.testing.assert_allclose(ours.high, high, atol=1e-12)
    assert ours[0].low == 0.0
    assert ours[4].high == 1.0


def test_wilson_without_samples_is_the_whole_range() -> None:
    nothing = wilson([0], [0])[0]
    assert np.isnan(nothing.value)
    assert (nothing.low, nothing.high) == (0.0, 1.0)


@pytest.mark.parametrize("confidence", [0, 1, 95])
def test_wilson_confidence_out_of_range_raises(confidence: float) -> None:
    with pytest.raises(ValueError, match="share, not a percentage"):
        wilson([1], [2], confidence)


def test_wilson_counts_above_totals_raise() -> None:
    with pytest.raises(ValueError, match="0 <= count <= total"):
        wilson([3], [2])


@pytest.mark.parametrize(
    ("table", "limits"),
    [
        # Newcombe (1998), Table II, method 10.
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((5, 56, 0, 29), (-0.0381, 0.1926)),
        ((10, 10, 0, 10), (0.6075, 1.0000)),
    ],
)
def test_subtract_of_wilson_intervals_gives_newcombes_published_limits(
    table: tuple[int, int, int, int], limits: tuple[float, float]
) -> None:
    count, total, rest, rest_total = table
    ours = subtract(wilson([count], [total]), wilson([rest], [rest_total]))[0]
    assert (ours.low, ours.high) == pytest.approx(limits, abs=5e-5)
    theirs = confint_proportions_2indep(*table, method="newcomb", compare="diff")
    assert (ours.low, ours.high) == pytest.approx(theirs, abs=1e-9)


def test_proportion_gap_p_value_is_between_fisher_tails() -> None:
    for count, total, rest, rest_total in itertools.product((0, 2, 5), (5, 9), (1, 8), (12, 30)):
        ours = float(proportion_gap(count, total, rest, rest_total).p_value)
        table = [[count, total - count], [rest, rest_total - rest]]
        less = fisher_exact(table, alternative="less").pvalue
        greater = fisher_exact(table, alternative="greater").pvalue
        own = less + greater - 1  # both tails hold the table itself
        assert ours == pytest.approx(min(1.0, 2 * min(less - own / 2, greater - own / 2)))


def test_stratified_gap_one_stratum_equals_proportion_gap() -> None:
    plain = proportion_gap([4, 0], [20, 12], [30, 5], [200, 90])
    strata = stratified_gap([[4], [0]], [[20], [12]], [[30], [5]], [[200], [90]])
    np.testing.assert_allclose(strata.gap.value, plain.gap.value)
    np.testing.assert_allclose(strata.p_value, plain.p_value, rtol=1e-9)
    np.testing.assert_allclose(strata.gap.low, plain.gap.low)
    np.testing.assert_allclose(strata.gap.high, plain.gap.high)


def test_stratified_gap_large_strata_equal_statsmodels() -> None:
    failures, totals = np.array([60, 200, 90]), np.array([500, 900, 700])
    rest, rest_totals = np.array([300, 350, 410]), np.array([3000, 2000, 2900])
    tables = [
        np.array([[a, n - a], [b, m - b]])
        for a, n, b, m in zip(failures, totals, rest, rest_totals, strict=True)
    ]
    theirs = StratifiedTable(tables).test_null_odds(correction=False).pvalue
    ours = stratified_gap(failures, totals, rest, rest_totals)
    assert float(ours.p_value) == pytest.approx(theirs, rel=1e-6)
    weights = totals * rest_totals / (totals + rest_totals)
    by_hand = np.average(failures / totals - rest / rest_totals, weights=weights)
    assert float(ours.gap.value) == pytest.approx(by_hand)


def test_stratified_gap_small_strata_equal_enumeration() -> None:
    failures, totals = [2, 1, 3], [4, 3, 5]
    rest, rest_totals = [1, 0, 2], [6, 5, 4]
    law: dict[int, float] = {}
    margins = [
        (n + m, a + b, n) for a, n, b, m in zip(failures, totals, rest, rest_totals, strict=True)
    ]
    for cells in itertools.product(*(range(n + 1) for n in totals)):
        mass = np.prod([hypergeom.pmf(c, *m) for c, m in zip(cells, margins, strict=True)])
        law[sum(cells)] = law.get(sum(cells), 0.0) + float(mass)
    seen = sum(failures)
    lower = sum(mass for count, mass in law.items() if count < seen) + law[seen] / 2
    upper = sum(mass for count, mass in law.items() if count > seen) + law[seen] / 2
    ours = stratified_gap(failures, totals, rest, rest_totals)
    assert float(ours.p_value) == pytest.approx(2 * min(lower, upper))


def test_stratified_gap_harder_classes_are_not_significant() -> None:
    # Same failure rate within each label; 15 points apart when the labels are thrown together.
    failures, totals = np.array([36, 1]), np.array([90, 10])
    rest, rest_totals = np.array([40, 90]), np.array([100, 900])
    within = stratified_gap(failures, totals, rest, rest_totals)
    assert float(within.gap.value) == pytest.approx(0.0)
    assert float(within.p_value) > 0.8
    together = proportion_gap(failures.sum(), totals.sum(), rest.sum(), rest_totals.sum())
    assert float(together.p_value) < 1e-6


def test_stratified_gap_stratum_without_rest_is_ignored() -> None:
    alone = stratified_gap([[5, 9]], [[10, 10]], [[2, 0]], [[30, 0]])
    without = stratified_gap([[5]], [[10]], [[2]], [[30]])
    assert alone.gap[0] == without.gap[0]
    assert alone.n_slice[0] == 10
    nowhere = stratified_gap([[5]], [[10]], [[0]], [[0]])
    assert np.isnan(nowhere.gap.value[0])
    assert np.isnan(nowhere.p_value[0])
    assert (nowhere.gap.low[0], nowhere.gap.high[0]) == (-1.0, 1.0)


def test_stratified_gap_without_failures_is_not_significant() -> None:
    quiet = stratified_gap([[0, 0]], [[10, 10]], [[0, 0]], [[50, 40]])
    assert quiet.p_value[0] == 1.0
    assert quiet.gap.low[0] < 0 < quiet.gap.high[0]


_SCENARIOS = {
    "balanced": ([50] * 4, [50] * 4, [0.1] * 4, 0.0),
    "small slice": ([10] * 4, [200] * 4, [0.05] * 4, 0.15),
    "unequal strata": ([20, 30, 10], [200, 100, 300], [0.02, 0.4, 0.1], 0.1),
    "easy and hard": ([60] * 2, [600] * 2, [0.02, 0.75], 0.05),
    "many small strata": ([2] * 50, [20] * 50, [0.05] * 50, 0.0),
    "rare failures": ([100] * 3, [1000] * 3, [0.005] * 3, 0.0),
    # The strata that weigh most in the slice weigh least in the rest, and their rates differ.
    "opposite strata": ([250, 750], [750, 250], [0.9, 0.5], 0.08),
}


@pytest.mark.parametrize("scenario", _SCENARIOS)
def test_stratified_gap_interval_covers_and_test_keeps_its_level(scenario: str) -> None:
    sizes, rest_sizes, rates, gap = _SCENARIOS[scenario]
    generator = np.random.default_rng(1)
    n_trials = 2000
    failures = generator.binomial(sizes, np.array(rates) + gap, (n_trials, len(sizes)))
    rest = generator.binomial(rest_sizes, rates, (n_trials, len(sizes)))
    result = stratified_gap(failures, sizes, rest, rest_sizes)
    covered = np.mean((result.gap.low <= gap) & (gap <= result.gap.high))
    # 93-97 %, with two standard errors of this simulation.
    assert 0.92 <= covered <= 0.98
    if gap == 0:
        for alpha in (0.05, 0.01):
            level = np.mean(result.p_value <= alpha)
            assert level <= alpha + 2 * np.sqrt(alpha / n_trials)


def test_stratified_interval_covers_where_one_small_stratum_has_great_weight() -> None:
    # With the variance of slice and rest together, all 15 failing looked certain: 70 % coverage.
    own, rest = np.array([7, 85]), np.array([93, 15])
    own_rates, rest_rates = np.array([0.9995, 0.9995]), np.array([0.99, 0.95])
    weights = own * rest / (own + rest)
    gap = np.average(own_rates - rest_rates, weights=weights)
    generator = np.random.default_rng(3)
    result = stratified_gap(
        generator.binomial(own, own_rates, (2000, 2)),
        own,
        generator.binomial(rest, rest_rates, (2000, 2)),
        rest,
    ).gap
    assert np.mean((result.low <= gap) & (gap <= result.high)) >= 0.92


def test_proportion_gap_keeps_its_level_exactly() -> None:
    # All outcomes enumerated, weighted by the binomial law: no simulation error.
    from scipy.stats import binom

    for n_slice, n_rest, rate in [(8, 60, 0.1), (20, 40, 0.3), (30, 300, 0.03), (15, 15, 0.5)]:
        own, rest = np.meshgrid(np.arange(n_slice + 1), np.arange(n_rest + 1), indexing="ij")
        mass = binom.pmf(own, n_slice, rate) * binom.pmf(rest, n_rest, rate)
        p_value = proportion_gap(own, n_slice, rest, n_rest).p_value
        for alpha in (0.05, 0.005):
            assert mass[p_value <= alpha].sum() <= alpha * 1.1


def test_detectable_gap_is_found_in_four_of_five_simulations() -> None:
    generator = np.random.default_rng(2)
    for n_slice, n_rest, base in [(40, 400, 0.1), (100, 900, 0.05), (200, 200, 0.3)]:
        gap = float(detectable_gap(n_slice, n_rest, base))
        failures = generator.binomial(n_slice, base + gap, 4000)
        rest = generator.binomial(n_rest, base, 4000)
        seen = np.mean(proportion_gap(failures, n_slice, rest, n_rest).p_value <= 0.05)
        assert 0.74 <= seen <= 0.88


def test_detectable_gap_equals_hand_calculation() -> None:
    # Rates 0.1 and 0.2 with power 0.8 at 0.05 need, by hand, samples of
    # (1.960 √(2 · 0.15 · 0.85) + 0.842 √(0.09 + 0.16))² / 0.1² = 199.
    assert float(detectable_gap(199, 199, 0.1)) == pytest.approx(0.1, abs=0.0005)
    assert np.isnan(detectable_gap(1, 1000, 0.7))
    assert np.isnan(detectable_gap(0, 1000, 0.1))
    assert np.isnan(detectable_gap(50, 50, 1.0))
    sizes = detectable_gap([20, 80, 320], 1000, 0.1)
    assert np.all(np.diff(sizes) < 0)


def test_q_values_equal_statsmodels_and_ignore_untested() -> None:
    p_values = np.array([0.04, np.nan, 0.001, 0.04, 1.0, 0.2, 0.001, np.nan])
    tested = ~np.isnan(p_values)
    ours = q_values(p_values)
    np.testing.assert_allclose(
        ours[tested], multipletests(p_values[tested], method="fdr_bh")[1], rtol=1e-12
    )
    assert np.isnan(ours[~tested]).all()
    assert np.isnan(q_values([np.nan])).all()
    assert q_values([]).shape == (0,)
    with pytest.raises(ValueError, match="p-values in"):
        q_values([1.5])


def test_rank_correlation_covers() -> None:
    generator = np.random.default_rng(3)
    rho = 0.5
    truth = 6 / np.pi * np.arcsin(rho / 2)  # Spearman's rho of a bivariate normal law
    covered = 0
    for _ in range(400):
        first, noise = generator.normal(size=(2, 60))
        interval, p_value = rank_correlation(first, rho * first + np.sqrt(1 - rho**2) * noise)
        covered += interval.low <= truth <= interval.high
        assert 0 <= p_value <= 1
    assert 0.92 <= covered / 400 <= 0.98
    assert np.isnan(rank_correlation([1, 1, 1, 1], [1, 2, 3, 4])[1])
    assert rank_correlation([1, 2, 3, 4], [2, 3, 4, 9])[0].value == 1.0


def test_stratified_gap_of_fractions_tests_the_nearest_counts() -> None:
    whole = stratified_gap([3, 2], [10, 12], [1, 4], [20, 25])
    parts = stratified_gap([3.2, 1.8], [10.3, 11.6], [0.9, 4.1], [20.4, 24.7])
    assert parts.p_value == pytest.approx(float(whole.p_value))
    assert parts.gap.value == pytest.approx(whole.gap.value, abs=0.03)
