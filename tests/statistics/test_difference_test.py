"""The test of a metric's difference against its interval, and against other tests."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import fisher_exact, norm
from statsmodels.stats import proportion

from auditor.statistics.metrics import (
    BinaryCases,
    Estimated,
    difference,
    difference_p_value,
    measure,
)

Clusters = NDArray[np.int64] | None


def _pair(name: str, seed: int, shift: float = 0.5) -> tuple[Estimated, Estimated]:
    """A metric on two halves; the scores of the second half separate worse."""
    generator = np.random.default_rng(seed)
    truth = generator.random(400) < 0.4
    gain = np.where(np.arange(400) < 200, 1.8, 1.8 - shift)
    score = norm.cdf(generator.normal(gain * truth - 0.7, 1.0))
    cases = BinaryCases(truth, score >= 0.4, score)
    halves = np.arange(200), np.arange(200, 400)
    return measure(name, cases, halves[0]), measure(name, cases, halves[1])


@pytest.mark.parametrize("name", ["sensitivity", "f1", "auroc", "brier"])
@pytest.mark.parametrize("clusters", [None, np.repeat(np.arange(100, dtype=np.int64), 4)])
@pytest.mark.parametrize("seed", range(3))
def test_difference_p_value_is_the_inverse_of_the_interval(
    name: str, clusters: Clusters, seed: int
) -> None:
    one, other = _pair(name, seed)
    p_value = difference_p_value(one, other, clusters)
    if p_value > 0.5:
        one, other, p_value = other, one, 1 - p_value
    found = difference(one, other, clusters, 1 - 2 * p_value)
    assert found.low == pytest.approx(0, abs=0.01 * (found.high - found.low))


def test_difference_p_value_of_shares_is_between_score_and_exact_test() -> None:
    # 90 of 100 against 75 of 100.
    truth = np.ones(200, dtype=bool)
    called = np.concatenate([np.arange(100) < 90, np.arange(100) < 75])
    cases = BinaryCases(truth, called)
    rows = np.arange(100), np.arange(100, 200)
    one, other = (measure("sensitivity", cases, part) for part in rows)
    score = proportion.test_proportions_2indep(90, 100, 75, 100, alternative="larger").pvalue
    exact = fisher_exact([[90, 10], [75, 25]], alternative="greater").pvalue
    assert score <= difference_p_value(one, other, None) <= exact


def test_difference_p_value_of_auroc_is_close_to_delong() -> None:
    one, other = _pair("auroc", 1, shift=0.3)
    # Of disjoint samples, the variances add up.
    z = (one.value - other.value) / np.sqrt((one.influence**2).sum() + (other.influence**2).sum())
    assert difference_p_value(one, other, None) == pytest.approx(norm.sf(z), rel=0.4)


def test_difference_p_value_of_equal_values_is_one_half() -> None:
    cases = BinaryCases(np.ones(8, dtype=bool), np.arange(8) % 2 == 0)
    one, other = (measure("sensitivity", cases, rows) for rows in (np.arange(4), np.arange(4, 8)))
    assert difference_p_value(one, other, None) == 0.5


def test_difference_p_value_without_positives_is_nan() -> None:
    cases = BinaryCases(np.arange(8) < 4, np.ones(8, dtype=bool))
    one, other = (measure("sensitivity", cases, rows) for rows in (np.arange(4), np.arange(4, 8)))
    assert np.isnan(difference_p_value(one, other, None))


def test_difference_p_value_of_a_huge_difference_is_tiny() -> None:
    cases = BinaryCases(np.ones(2000, dtype=bool), np.arange(2000) < 1000)
    halves = np.arange(1000), np.arange(1000, 2000)
    one, other = (measure("sensitivity", cases, rows) for rows in halves)
    assert difference_p_value(one, other, None) < 1e-11
