"""Trends along ordered attributes: against statsmodels, scipy, plain rewrites and simulation."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import norm, pearsonr

from auditor.statistics.gaps import proportion_gap
from auditor.statistics.trend import trend


def test_one_stratum_agrees_with_the_armitage_test_of_statsmodels() -> None:
    failures, totals = np.array([12, 30, 33, 31]), np.array([150, 240, 240, 150])
    ours = trend(failures[:, None], totals[:, None], [0, 1, 2, 3])
    table = sm.stats.Table(np.stack([failures, totals - failures]), shift_zeros=False)
    theirs = table.test_ordinal_association(np.array([1, 0]), np.arange(4))
    # Scores that lie symmetrically leave no skewness to correct for.
    assert float(ours.p_value) == pytest.approx(theirs.pvalue, rel=1e-9)


def test_one_stratum_is_a_correlation_of_single_samples() -> None:
    # Mantel's chi-squared is (n - 1) times the squared correlation of score and failure.
    # Scores that lie symmetrically leave no skewness to correct for.
    failures, totals, scores = np.array([4, 9, 16]), np.array([80, 90, 80]), np.array([1.0, 3, 5])
    failure = np.concatenate(
        [np.arange(n) < k for k, n in zip(failures, totals, strict=True)]
    ).astype(float)
    score = np.repeat(scores, totals)
    squared = float(pearsonr(score, failure).statistic) ** 2
    p_value = 2 * norm.sf(np.sqrt((len(score) - 1) * squared))
    ours = trend(failures[:, None], totals[:, None], scores)
    assert float(ours.p_value) == pytest.approx(p_value, rel=1e-6)


def test_change_is_the_least_squares_slope_within_strata() -> None:
    generator = np.random.default_rng(0)
    totals = generator.integers(5, 60, (4, 3))
    failures = generator.binomial(totals, 0.2)
    scores = np.array([0.0, 1.0, 4.0, 6.0])
    rows = [
        (score, stratum, k < failures[v, stratum])
        for v, score in enumerate(scores)
        for stratum in range(3)
        for k in range(totals[v, stratum])
    ]
    score, stratum, failure = (np.array(part) for part in zip(*rows, strict=True))
    design = np.column_stack([score, *(stratum == s for s in range(3))]).astype(float)
    fit = sm.OLS(failure.astype(float), design).fit()
    ours = trend(failures, totals, scores)
    assert float(ours.change.value) == pytest.approx(6 * fit.params[0])


def test_change_spans_the_values_with_samples() -> None:
    failures, totals = np.array([[0], [10], [20], [0]]), np.array([[0], [100], [100], [0]])
    ours = trend(failures, totals, [0, 10, 20, 30])
    assert float(ours.change.value) == pytest.approx(0.1)


def test_harder_labels_are_no_trend() -> None:
    # The hard label is frequent at high scores; within labels nothing changes.
    totals = np.array([[90, 10], [50, 50], [10, 90]])
    failures = np.array([[9, 4], [5, 20], [1, 36]])
    ours = trend(failures, totals, [0, 1, 2])
    assert float(ours.change.value) == pytest.approx(0)
    assert float(ours.p_value) == pytest.approx(1, abs=0.1)
    together = trend(failures.sum(1)[:, None], totals.sum(1)[:, None], [0, 1, 2])
    assert float(together.p_value) < 1e-3


def test_many_attributes_at_once_equal_one_by_one() -> None:
    generator = np.random.default_rng(1)
    totals = generator.integers(1, 50, (6, 5, 2))
    failures = generator.binomial(totals, 0.1)
    ours = trend(failures, totals, np.arange(5))
    for k in range(6):
        one = trend(failures[k], totals[k], np.arange(5))
        assert float(one.p_value) == ours.p_value[k]
        assert one.change[()] == ours.change[k]


def test_trend_is_found_more_often_than_any_band() -> None:
    # The error rises from 6 to 16 % over ten bands of age, in 1,000 samples.
    generator = np.random.default_rng(2)
    totals = np.full((400, 10, 1), 100)
    failures = generator.binomial(totals, 0.06 + 0.1 * (np.arange(10)[:, None] + 0.5) / 10)
    found = trend(failures, totals, np.arange(10)).p_value <= 0.05
    rest = failures.sum(1, keepdims=True) - failures
    bands = proportion_gap(failures, totals, rest, 900).p_value.min((1, 2)) <= 0.05 / 10
    assert found.mean() > 0.75
    assert bands.mean() < 0.45


@pytest.mark.parametrize(("rate", "sizes"), [(0.1, [200] * 5), (0.03, [600, 200, 100, 60, 40])])
def test_trend_covers_and_keeps_its_level(rate: float, sizes: list[int]) -> None:
    generator = np.random.default_rng(3)
    totals = np.broadcast_to(np.array(sizes)[:, None], (3000, 5, 1))
    ours = trend(generator.binomial(totals, rate), totals, np.arange(5))
    covered = np.mean((ours.change.low <= 0) & (ours.change.high >= 0))
    assert 0.92 <= covered <= 0.98
    for alpha in (0.05, 0.01):
        assert np.mean(ours.p_value <= alpha) <= alpha + 3 * np.sqrt(alpha / 3000)


def test_no_failure_or_one_value_is_no_evidence() -> None:
    quiet = trend(np.zeros((3, 2)), np.full((3, 2), 20), [0, 1, 2])
    assert float(quiet.p_value) == 1
    assert float(quiet.change.low) < 0 < float(quiet.change.high)
    alone = trend([[3], [0]], [[9], [0]], [0, 1])
    assert np.isnan(alone.p_value)
    assert (float(alone.change.low), float(alone.change.high)) == (-1, 1)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="one increasing score per value"):
        trend([[1], [2]], [[5], [5]], [1, 0])
    with pytest.raises(ValueError, match="one increasing score per value"):
        trend([1, 2], [5, 5], [0, 1])
