from __future__ import annotations

import numpy as np
import pytest
from reference import expected_calibration_error
from scipy.stats import ttest_1samp

from auditor.statistics import calibration


def test_calibration_plain_error_equals_a_loop() -> None:
    generator = np.random.default_rng(0)
    stated = generator.random(437)
    right = generator.random(437) < stated**2
    ours = calibration(stated, right, n_bins=12)
    assert ours.plain_error == pytest.approx(expected_calibration_error(stated, right, 12))
    interval = ttest_1samp(stated - right, 0).confidence_interval()
    assert ours.overconfidence.low == pytest.approx(interval.low)
    assert ours.overconfidence.high == pytest.approx(interval.high)


def test_calibration_error_calibrated_model_is_near_zero() -> None:
    generator = np.random.default_rng(1)
    errors, plain, covered = [], [], 0
    for trial in range(200):
        stated = generator.uniform(0.5, 1, 300)
        result = calibration(stated, generator.random(300) < stated, n_bootstrap=50, seed=trial)
        errors.append(result.error.value)
        plain.append(result.plain_error)
        covered += result.overconfidence.low <= 0 <= result.overconfidence.high
    assert np.mean(errors) < 0.6 * np.mean(plain)
    assert 0.91 <= covered / 200 <= 0.99


def test_calibration_error_interval_covers_the_true_error() -> None:
    generator = np.random.default_rng(2)
    covered = 0
    for trial in range(300):
        stated = generator.uniform(0.6, 1, 600)
        right = generator.random(600) < stated - 0.15  # off by 0.15 everywhere
        error = calibration(stated, right, n_bins=10, n_bootstrap=200, seed=trial).error
        covered += error.low <= 0.15 <= error.high
    assert 0.91 <= covered / 300 <= 0.99


def test_calibration_degenerate_input() -> None:
    assert np.isnan(calibration([0.5], [True]).error.value)
    assert calibration([0.9, 0.9], [True, True]).plain_error == pytest.approx(0.1)
    with pytest.raises(ValueError, match="not logits"):
        calibration([3.0, 0.5], [True, False])
