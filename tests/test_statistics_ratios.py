"""Ratios of rates: against statsmodels, published limits, plain rewrites and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm
from statsmodels.stats.proportion import confint_proportions_2indep, test_proportions_2indep

from auditor.statistics.gaps import stratified_gap
from auditor.statistics.intervals import newcombe
from auditor.statistics.ratios import effective_counts, ratio_score, stratified_ratio

test_proportions_2indep.__test__ = False  # statsmodels' name makes pytest collect it


@pytest.mark.parametrize("table", [(10, 100, 5, 200), (14, 15, 3, 10), (1, 1000, 55, 1000)])
@pytest.mark.parametrize("limit", [0.5, 1.0, 2.0])
def test_ratio_one_stratum_agrees_with_statsmodels(
    table: tuple[int, int, int, int], limit: float
) -> None:
    own, total, rest, rest_total = ([part] for part in table)
    ours = stratified_ratio(own, total, rest, rest_total, limit, 0.9)
    theirs = confint_proportions_2indep(
        *table, method="score", compare="ratio", correction=False, alpha=0.1
    )
    assert (float(ours.ratio.low), float(ours.ratio.high)) == pytest.approx(theirs, rel=1e-9)
    p_value = test_proportions_2indep(
        *table, limit, "score", "ratio", alternative="larger", correction=False
    ).pvalue
    assert float(ours.p_value) == pytest.approx(p_value, rel=1e-9)


def test_ratio_gives_the_published_limits() -> None:
    # Koopman (1984), section 4: 36 of 40 against 16 of 80.
    ours = stratified_ratio([36], [40], [16], [80])
    assert float(ours.ratio.low) == pytest.approx(2.94, abs=0.005)
    assert float(ours.ratio.high) == pytest.approx(7.15, abs=0.005)


def test_ratio_without_failures_is_bounded_on_one_side() -> None:
    # With 0 of 50 against 5 of 100, the rates under the ratio r solve the same likelihood equation
    # for every r; the upper limit is where the chi-squared reaches 1.96 squared.
    def chi_squared(ratio: float) -> float:
        grid = np.linspace(1e-6, min(1.0, 1 / ratio) - 1e-6, 200_001)
        likelihood = 5 * np.log(grid) + 95 * np.log(1 - grid) + 50 * np.log(1 - ratio * grid)
        rest = float(grid[int(np.argmax(likelihood))])
        own = ratio * rest
        seen = 50 * own / (1 - own) + (5 - 100 * rest) ** 2 / (100 * rest * (1 - rest))
        return float(seen - norm.isf(0.025) ** 2)

    ours = stratified_ratio([0], [50], [5], [100])
    assert float(ours.ratio.low) == 0
    assert float(ours.ratio.high) == pytest.approx(brentq(chi_squared, 1.0, 2.0), abs=1e-3)
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


def test_effective_counts_give_the_interval_of_the_stratified_gap() -> None:
    generator = np.random.default_rng(0)
    totals, rest_totals = generator.integers(0, 40, (6, 5)), generator.integers(0, 90, (6, 5))
    failures, rest = generator.binomial(totals, 0.2), generator.binomial(rest_totals, 0.1)
    counts = effective_counts(failures, totals, rest, rest_totals)
    ours = newcombe(counts.count, counts.total, counts.rest_count, counts.rest_total)
    gaps = stratified_gap(failures, totals, rest, rest_totals).gap
    np.testing.assert_allclose(ours.low, gaps.low, atol=1e-9)
    np.testing.assert_allclose(ours.high, gaps.high, atol=1e-9)


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
