from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom
from statsmodels.stats.proportion import proportion_confint

from auditor.statistics import overconfidence


def _blaker_mid_p(errors: int, n: int, rate: float) -> float:
    """Of "the error rate is `rate`": outcomes whose smaller tail is not larger count as extreme."""
    mass = [float(binom.pmf(k, n, rate)) for k in range(n + 1)]
    smaller = [min(sum(mass[: k + 1]), sum(mass[k:])) for k in range(n + 1)]
    exact = sum(m for m, s in zip(mass, smaller, strict=True) if s <= smaller[errors] * (1 + 1e-9))
    return min(1.0, max(exact - mass[errors] / 2, exact / 1.4))


@pytest.mark.parametrize("errors", [0, 1, 4, 9, 20, 31, 40])
def test_overconfidence_one_confidence_p_value_is_binomial(errors: int) -> None:
    # With the same confidence everywhere the number of errors is binomial.
    right = np.arange(40) >= errors
    found = overconfidence(np.full(40, 0.9), right)
    assert found.difference.value == pytest.approx(0.9 - (1 - errors / 40))
    assert found.p_value == pytest.approx(_blaker_mid_p(errors, 40, 0.1), rel=1e-3)


def test_overconfidence_one_confidence_many_errors_has_limits_like_wilson() -> None:
    right = np.arange(2000) >= 300
    found = overconfidence(np.full(2000, 0.9), right).difference
    low, high = proportion_confint(300, 2000, method="wilson")
    assert found.low == pytest.approx(low - 0.1, abs=3e-4)
    assert found.high == pytest.approx(high - 0.1, abs=3e-4)


def test_overconfidence_of_flipped_outcomes_is_reversed() -> None:
    generator = np.random.default_rng(0)
    stated = generator.uniform(0.1, 0.9, 80)
    right = generator.random(80) < 0.4
    one, other = overconfidence(stated, right), overconfidence(1 - stated, ~right)
    assert one.difference.value == pytest.approx(-other.difference.value)
    assert one.difference.low == pytest.approx(-other.difference.high, abs=1e-6)
    assert one.p_value == pytest.approx(other.p_value, rel=1e-6)


@pytest.mark.parametrize(("n", "error_rate"), [(50, 0.002), (50, 0.1), (1000, 0.005), (400, 0.3)])
def test_overconfidence_calibrated_model_is_covered_and_not_accused(
    n: int, error_rate: float
) -> None:
    generator = np.random.default_rng(1)
    covered = accused = 0
    for _ in range(100):
        stated = generator.beta(0.5, 0.5 * (1 - error_rate) / error_rate, n)
        found = overconfidence(1 - stated, generator.random(n) >= stated)
        covered += found.difference.low <= 0 <= found.difference.high
        accused += found.p_value <= 0.05
    # Of 100 intervals with a coverage of 95 %, fewer than 88 cover with probability 0.001.
    assert covered >= 88
    assert accused <= 12


def test_overconfidence_degenerate_input() -> None:
    found = overconfidence([0.5], [True])
    assert np.isnan(found.difference.value)
    assert (found.difference.low, found.difference.high) == (-1.0, 1.0)
    for confidence in (0.0, 1.0):
        for right in (True, False):
            sure = overconfidence(np.full(30, confidence), np.full(30, right))
            assert sure.difference.low <= confidence - right <= sure.difference.high
            assert 0 <= sure.p_value <= 1
    with pytest.raises(ValueError, match="two arrays of the same length"):
        overconfidence([0.5, 0.5], [True])
