from __future__ import annotations

import numpy as np
import pytest
from reference import expected_calibration_error

from auditor.statistics import calibration, overconfidence


def test_calibration_plain_error_equals_a_loop() -> None:
    generator = np.random.default_rng(0)
    stated = generator.random(437)
    right = generator.random(437) < stated**2
    ours = calibration(stated, right, n_bins=12)
    assert ours.plain_error == pytest.approx(expected_calibration_error(stated, right, 12))


def test_calibration_error_equal_confidences_share_a_bin_in_any_order() -> None:
    # Half of 60 at 0.9 are wrong, and a third of 30 at 0.6: (60 · 0.4 + 30 · 0.067) / 90.
    stated = np.repeat([0.9, 0.6], [60, 30])
    right = np.concatenate([np.arange(60) >= 30, np.arange(30) >= 10])
    expected = (60 * 0.4 + 30 * (2 / 3 - 0.6)) / 90
    assert calibration(stated, right).plain_error == pytest.approx(expected)
    order = np.random.default_rng(0).permutation(90)
    assert calibration(stated[order], right[order]).error == calibration(stated, right).error


def test_calibration_overconfidence_equals_that_of_its_own_function() -> None:
    generator = np.random.default_rng(3)
    stated = generator.uniform(0.5, 1, 150)
    right = generator.random(150) < stated - 0.1
    ours, theirs = calibration(stated, right), overconfidence(stated, right)
    assert ours.overconfidence == theirs.difference
    assert ours.p_value == theirs.p_value
    assert ours.overconfidence.value == pytest.approx(stated.mean() - right.mean())


def test_calibration_error_calibrated_model_has_less_bias_and_an_interval_that_covers() -> None:
    generator = np.random.default_rng(1)
    errors, plain, covered = [], [], 0
    for trial in range(60):
        stated = generator.uniform(0.5, 1, 300)
        result = calibration(stated, generator.random(300) < stated, n_draws=100, seed=trial)
        errors.append(result.error.value)
        plain.append(result.plain_error)
        covered += result.error.low == 0
    # The true error is 0, and the plain estimate 6 points.
    assert np.mean(plain) > 0.05
    assert np.mean(errors) < 0.4 * np.mean(plain)
    assert covered >= 54


@pytest.mark.parametrize(("n", "error_rate", "shift"), [(60, 0.02, 0.05), (400, 0.2, 0.1)])
def test_calibration_error_interval_covers_the_true_error(
    n: int, error_rate: float, shift: float
) -> None:
    generator = np.random.default_rng(2)
    estimates, covered = [], 0
    for trial in range(50):
        stated = 1 - generator.uniform(0, 2 * error_rate, n)
        right = generator.random(n) < stated - shift  # off by as much everywhere
        error = calibration(stated, right, n_draws=100, seed=trial).error
        estimates.append(error.value)
        covered += error.low <= shift <= error.high
    assert covered >= 43
    assert np.mean(estimates) == pytest.approx(shift, abs=0.01)


def test_calibration_error_coin_with_high_confidence() -> None:
    right = np.arange(5000) % 2 == 0
    found = calibration(np.full(5000, 0.99), right)
    assert found.error.value == pytest.approx(0.49, abs=0.005)
    assert found.error.low > 0.45
    assert found.overconfidence.low > 0.47
    assert found.p_value < 1e-100


def test_calibration_degenerate_input() -> None:
    assert np.isnan(calibration([0.5], [True]).error.value)
    assert calibration([0.9, 0.9], [True, True]).plain_error == pytest.approx(0.1)
    for confidence in (0.0, 1.0):
        for right in (True, False):
            found = calibration(np.full(40, confidence), np.full(40, right))
            assert 0 <= found.error.low <= found.error.value <= found.error.high <= 1
            assert found.overconfidence.value == pytest.approx(confidence - right)
    with pytest.raises(ValueError, match="not logits"):
        calibration([3.0, 0.5], [True, False])
