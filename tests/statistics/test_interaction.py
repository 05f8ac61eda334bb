from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from reference import mid_p_limits

from auditor.statistics import stratified_interaction


def test_stratified_interaction_one_stratum_equals_linear_model() -> None:
    failures, totals = (
        np.array([[60.0], [30], [24], [10]]),
        np.array([[100.0], [100], [120], [200]]),
    )
    found = stratified_interaction(failures, totals)
    assert found.excess.value == pytest.approx(0.6 - 0.3 - 0.2 + 0.05)
    # A linear model of the four rates with an interaction, weighted by their variances.
    rates = failures[:, 0] / totals[:, 0]
    variances = rates * (1 - rates) / totals[:, 0]
    design = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 0]], dtype=float)
    deviation = np.sqrt(np.linalg.inv((design.T / variances) @ design)[3, 3])
    fit = sm.WLS(rates, design, weights=1 / variances).fit()
    assert found.excess.value == pytest.approx(fit.params[3])
    # Square-and-add limits are not symmetric; their mean width is near the normal one.
    width = (found.excess.high - found.excess.low) / 2
    assert width == pytest.approx(1.96 * deviation, rel=0.02)
    rates_and_limits = [
        (count / n, *mid_p_limits(int(count), int(n), 0.95))
        for count, n in zip(failures[:, 0], totals[:, 0], strict=True)
    ]
    # Rates 1 and 4 are added, 2 and 3 subtracted.
    below = [
        rate - low if k in {0, 3} else high - rate
        for k, (rate, low, high) in enumerate(rates_and_limits)
    ]
    assert found.excess.low == pytest.approx(found.excess.value - np.linalg.norm(below), abs=1e-6)


@pytest.mark.parametrize(
    "rates", [(0.005,) * 4, (0.02,) * 4, (0.25, 0.15, 0.15, 0.05), (0.3, 0.3, 0.2, 0.2)]
)
def test_stratified_interaction_interval_covers_for_a_small_cell(rates: tuple[float, ...]) -> None:
    # With a normal interval, coverage was down to 91 % for 12 samples with both values.
    generator = np.random.default_rng(0)
    totals = np.array([12, 300, 300, 900])[:, None, None]
    failures = generator.binomial(totals, np.array(rates)[:, None, None], (4, 2000, 1))
    found = stratified_interaction(failures, np.broadcast_to(totals, failures.shape)).excess
    truth = rates[0] - rates[1] - rates[2] + rates[3]
    assert np.mean((found.low <= truth) & (truth <= found.high)) >= 0.94


def test_stratified_interaction_incomplete_stratum_is_ignored() -> None:
    failures = np.array([[[5.0, 9]], [[3, 9]], [[3, 9]], [[1, 0]]])
    totals = np.array([[[10.0, 10]], [[10, 10]], [[10, 10]], [[10, 0]]])
    both = stratified_interaction(failures, totals)
    one = stratified_interaction(failures[..., :1], totals[..., :1])
    assert both.excess.value == pytest.approx(one.excess.value)
    none = stratified_interaction(failures[..., 1:], totals[..., 1:])
    assert np.isnan(none.p_value).all()


def test_stratified_interaction_additive_effects_keep_the_level() -> None:
    rng = np.random.default_rng(1)
    # Rates of (both, first, second, neither) in two labels: each value adds 0.2 and 0.1.
    rates = np.array([[0.4, 0.6], [0.3, 0.5], [0.2, 0.4], [0.1, 0.3]])[:, None]
    totals = np.array([[80.0, 20], [60, 60], [30, 90], [200, 50]])[:, None]
    totals = np.repeat(totals, 4000, axis=1)
    found = stratified_interaction(rng.binomial(totals.astype(int), rates), totals)
    covered = (found.excess.low <= 0) & (found.excess.high >= 0)
    assert float(found.excess.value.mean()) == pytest.approx(0, abs=0.005)
    assert 0.93 < covered.mean() < 0.97
    assert 0.03 < (found.p_value < 0.05).mean() < 0.07
