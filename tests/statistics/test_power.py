"""Power of a test and of a gate: against statsmodels, hand calculation and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.proportion import power_proportions_2indep

from auditor.statistics.closed_testing import worse_p_values
from auditor.statistics.gaps import detectable_gap, stratified_gap
from auditor.statistics.power import GateRule, detectable_by, gate_power


@pytest.mark.parametrize("gap", [0.05, 0.1, 0.2])
def test_plain_power_agrees_with_statsmodels(gap: float) -> None:
    # Slices of one size have no skewness.
    ours = gate_power(gap, [300], [300], [0.1], GateRule(0.025))
    theirs = power_proportions_2indep(gap, 0.1, 300, return_results=False)
    assert float(ours) == pytest.approx(theirs, abs=5e-3)


def test_limit_on_the_estimate_is_a_normal_tail() -> None:
    # 20 % of 300 against 10 % of 700: the estimate has the deviation
    # sqrt(0.2 * 0.8 / 300 + 0.1 * 0.9 / 700) = 0.02573; it is above 8 points with probability
    # P(Z > (0.08 - 0.1) / 0.02573) = P(Z > -0.7773) = 0.7815. The test asks for less.
    ours = gate_power(0.1, [300], [700], [0.1], GateRule(0.05, min_gap=0.08))
    assert float(ours) == pytest.approx(float(norm.sf(-0.02 / 0.02573)), abs=2e-4)


@pytest.mark.parametrize("share", [0.5, 0.3, 0.1])
@pytest.mark.parametrize(
    "rule",
    [GateRule(0.01, 0.05), GateRule(0.002, 0.05, 0.0), GateRule(0.01, 0.05, 0.05, 0.9)],
)
def test_gate_power_agrees_with_simulation(share: float, rule: GateRule) -> None:
    generator = np.random.default_rng(0)
    own = np.full(4, int(250 * share))
    rest, rates = 250 - own, np.array([0.05, 0.1, 0.1, 0.15])
    failures = generator.binomial(own, rates + 0.1, (1500, 4))
    others = generator.binomial(rest, rates, (1500, 4))
    gaps = stratified_gap(failures, own, others, rest, float(rule.confidence))
    met = (worse_p_values(gaps) <= rule.level) & (gaps.gap.value > rule.min_gap)
    if rule.min_low is not None:
        met &= gaps.gap.low > rule.min_low
    ours = float(gate_power(0.1, own, rest, rates, rule))
    # Two standard errors of the simulation are 2.6 points; 2 more for the normal limit.
    assert ours == pytest.approx(met.mean(), abs=0.045)


def test_gate_power_is_below_that_of_the_test_alone() -> None:
    own, rest = [25] * 4, [225] * 4
    alone = float(gate_power(0.1, own, rest, 0.1, GateRule(0.01)))
    gate = float(gate_power(0.1, own, rest, 0.1, GateRule(0.01, 0.05, 0.05)))
    assert gate < alone - 0.3


def test_detectable_gap_is_seen_with_the_wanted_probability() -> None:
    own, rest = np.array([[100, 20], [30, 40]]), np.array([[400, 300], [300, 200]])
    rule = GateRule(0.003, 0.05, 0.02)
    gaps = detectable_by(own, rest, [0.1, 0.2], rule, 0.9)
    np.testing.assert_allclose(gate_power(gaps, own, rest, [0.1, 0.2], rule), 0.9)
    plain = detectable_by([200], [200], [0.1], GateRule(0.025))
    assert float(plain) == pytest.approx(float(detectable_gap(200, 200, 0.1)), rel=1e-6)


def test_corrected_level_has_a_larger_detectable_gap() -> None:
    uncorrected = float(detectable_by([100], [900], [0.1], GateRule(0.025)))
    corrected = float(detectable_by([100], [900], [0.1], GateRule(0.001)))
    assert corrected > 1.3 * uncorrected


def test_nothing_to_compare_has_no_power() -> None:
    rule = GateRule(0.01)
    assert np.isnan(gate_power(0.1, [0, 5], [9, 0], 0.1, rule))
    assert np.isnan(detectable_by([0], [9], [0.1], rule))
    # One sample that fails is no proof at such a level.
    assert np.isnan(detectable_by([1], [9], [0.5], rule))
    assert float(gate_power(0.0, [10], [10], [0.0], rule)) == 0
    assert float(gate_power(1.0, [10], [10], [0.0], rule)) == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda: GateRule(5.0),
        lambda: GateRule(0.05, confidence=95),
        lambda: gate_power(0.1, [1], [1], [10.0], GateRule(0.05)),
    ],
)
def test_percentages_are_refused(call: object) -> None:
    with pytest.raises(ValueError, match=r"not (a )?percentage"):
        call()  # type: ignore[operator]


def test_power_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="such as 0"):
        detectable_by([10], [10], [0.1], GateRule(0.05), power=80)
