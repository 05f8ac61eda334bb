"""Ratios of rates: against statsmodels, published limits, plain rewrites and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import xlogy
from scipy.stats import norm
from statsmodels.stats.proportion import test_proportions_2indep

from auditor.statistics.gaps import stratified_gap
from auditor.statistics.ratios import effective_counts, ratio_score, stratified_ratio

test_proportions_2indep.__test__ = False  # statsmodels' name makes pytest collect it


def _score(table: tuple[int, int, int, int], ratio: float, *, corrected: bool) -> float:
    """Koopman's score by maximising the likelihood on a grid; Gart and Nam's correction by brentq."""
    x, n, y, m = table
    edge = min(1.0, 1 / ratio)
    rest = np.linspace(1e-7, edge - 1e-7, 400_001)
    likelihood = xlogy(x, ratio * rest) + xlogy(n - x, 1 - ratio * rest)
    likelihood += xlogy(y, rest) + xlogy(m - y, 1 - rest)
    q = float(rest[int(np.argmax(likelihood))])
    p = ratio * q
    variance = p * (1 - p) / n + ratio**2 * q * (1 - q) / m
    score = (x / n - ratio * y / m) / np.sqrt(variance)
    if not corrected:
        return float(score)
    third = p * (1 - p) * (1 - 2 * p) / n**2 - ratio**3 * q * (1 - q) * (1 - 2 * q) / m**2
    skewness = third / variance**1.5

    def surplus(normal: float) -> float:
        return float(normal + skewness * (normal**2 - 1) / 6 - score)

    vertex = -3 / skewness
    return float(brentq(surplus, *((vertex, 50.0) if skewness > 0 else (-50.0, vertex))))


@pytest.mark.parametrize(
    "table", [(10, 100, 5, 200), (14, 15, 3, 10), (1, 1000, 55, 1000), (36, 40, 16, 80)]
)
def test_ratio_one_stratum_agrees_with_a_plain_rewrite(table: tuple[int, int, int, int]) -> None:
    own, total, rest, rest_total = ([part] for part in table)
    ours = stratified_ratio(own, total, rest, rest_total, 1.5, 0.9)
    plain = _score(table, 1.5, corrected=True)
    assert float(ours.p_value) == pytest.approx(float(norm.sf(plain)), rel=1e-3)
    # At the limits of a 90 % interval the score is 1.645.
    for limit, score in ((ours.ratio.low, 1.644854), (ours.ratio.high, -1.644854)):
        assert _score(table, float(limit), corrected=True) == pytest.approx(score, abs=2e-3)


def test_score_without_correction_is_that_of_statsmodels() -> None:
    # Equal sizes and a ratio of one have no skewness.
    ours = stratified_ratio([30], [200], [12], [200])
    theirs = test_proportions_2indep(
        30, 200, 12, 200, 1.0, "score", "ratio", alternative="larger", correction=False
    )
    assert float(ours.p_value) == pytest.approx(theirs.pvalue, rel=1e-9)
    # The plain rewrite reproduces statsmodels elsewhere, so it is the right thing to correct.
    theirs = test_proportions_2indep(
        10, 100, 5, 200, 2.0, "score", "ratio", alternative="larger", correction=False
    )
    plain = _score((10, 100, 5, 200), 2.0, corrected=False)
    assert float(norm.sf(plain)) == pytest.approx(theirs.pvalue, rel=1e-3)


def test_ratio_is_near_the_published_limits() -> None:
    # Koopman (1984), section 4: 36 of 40 against 16 of 80, without a correction for skewness.
    ours = stratified_ratio([36], [40], [16], [80])
    assert float(ours.ratio.low) == pytest.approx(2.94, rel=0.03)
    assert float(ours.ratio.high) == pytest.approx(7.15, rel=0.05)


def test_ratio_without_failures_is_bounded_on_one_side() -> None:
    ours = stratified_ratio([0], [50], [5], [100])
    assert float(ours.ratio.low) == 0
    upper = float(ours.ratio.high)
    assert _score((0, 50, 5, 100), upper, corrected=True) == pytest.approx(-1.96, abs=2e-3)
    nothing = stratified_ratio([0], [50], [0], [50])
    assert np.isnan(nothing.ratio.value)
    assert (float(nothing.ratio.low), float(nothing.ratio.high)) == (0.0, np.inf)
    only_slice = stratified_ratio([5], [50], [0], [100])
    assert float(only_slice.ratio.high) == np.inf
    assert float(only_slice.ratio.low) > 1


def test_ratio_without_a_common_stratum_is_unknown() -> None:
    ours = stratified_ratio([[3, 0]], [[9, 0]], [[0, 2]], [[0, 8]])
    assert np.isnan(ours.ratio.value[0])
    assert np.isnan(ours.p_value[0])
    assert (ours.ratio.low[0], ours.ratio.high[0]) == (0.0, np.inf)


def test_ratio_limit_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="positive ratios"):
        stratified_ratio([1], [2], [1], [2], limit=0.0)


def test_effective_counts_give_the_rates_of_the_stratified_gap() -> None:
    generator = np.random.default_rng(0)
    totals, rest_totals = generator.integers(0, 40, (6, 5)), generator.integers(0, 90, (6, 5))
    failures, rest = generator.binomial(totals, 0.2), generator.binomial(rest_totals, 0.1)
    counts = effective_counts(failures, totals, rest, rest_totals)
    gaps = stratified_gap(failures, totals, rest, rest_totals)
    own, other = counts.count / counts.total, counts.rest_count / counts.rest_total
    np.testing.assert_allclose(own - other, gaps.gap.value, atol=1e-12)
    np.testing.assert_allclose(other, gaps.base_rate, atol=1e-12)


def test_effective_counts_of_one_stratum_are_the_counts() -> None:
    counts = effective_counts([7], [40], [12], [90])
    found = [counts.count, counts.total, counts.rest_count, counts.rest_total]
    np.testing.assert_allclose(found, [7, 40, 12, 90])


def test_ratio_score_falls_as_the_ratio_grows() -> None:
    counts = effective_counts([[3, 4]], [[10, 30]], [[5, 9]], [[80, 60]])
    score = ratio_score(counts, np.geomspace(0.01, 100, 300))
    assert bool(np.all(np.diff(score) < 0))


@pytest.mark.parametrize(
    ("sizes", "rest_sizes", "rates", "ratio"),
    [
        ([100] * 3, [400] * 3, [0.02, 0.05, 0.1], 2.0),
        ([300] * 2, [3000] * 2, [0.01, 0.01], 5.5),
        ([40] * 4, [40] * 4, [0.1, 0.3, 0.05, 0.2], 1.0),
    ],
)
def test_ratio_interval_covers_and_test_keeps_its_level(
    sizes: list[int], rest_sizes: list[int], rates: list[float], ratio: float
) -> None:
    generator = np.random.default_rng(1)
    failures = generator.binomial(sizes, np.array(rates) * ratio, (2000, len(sizes)))
    rest = generator.binomial(rest_sizes, rates, (2000, len(sizes)))
    ours = stratified_ratio(failures, sizes, rest, rest_sizes, limit=ratio)
    covered = np.mean((ours.ratio.low <= ratio) & (ratio <= ours.ratio.high))
    assert 0.93 <= covered <= 0.98
    assert np.mean(ours.p_value <= 0.05) <= 0.065


def test_one_against_five_and_a_half_percent_breaks_a_relative_limit() -> None:
    ours = stratified_ratio([110], [2000], [20], [2000], limit=2.0)
    assert float(ours.ratio.value) == pytest.approx(5.5)
    assert float(ours.p_value) < 1e-4


def test_rare_slice_is_not_accused_at_small_levels() -> None:
    # 100 samples against 5,000: without the correction the level is three times too large.
    generator = np.random.default_rng(2)
    failures = generator.binomial(100, 0.04, (20_000, 1))
    rest = generator.binomial(5000, 0.02, (20_000, 1))
    ours = stratified_ratio(failures, [100], rest, [5000], limit=2.0)
    assert np.mean(ours.p_value <= 0.005) <= 0.006
