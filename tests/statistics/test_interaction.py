from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

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
    assert found.excess.high - found.excess.value == pytest.approx(1.96 * deviation, rel=0.02)


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
