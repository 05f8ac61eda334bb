"""Calibration of a set of samples: over-confidence and expected calibration error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from auditor.statistics.calibration_error import BinnedError, binned_error_interval
from auditor.statistics.intervals import Interval
from auditor.statistics.overconfidence import checked, overconfidence


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibration of a set of samples.

    Attributes:
        error: expected calibration error (mean of |confidence - accuracy| over bins of equal mass)
            corrected for the bias of noise; in [0, 1].
        plain_error: the same without this correction.
        overconfidence: mean confidence minus accuracy, in [-1, 1].
        p_value: two-sided, of "the over-confidence is 0".
        support: number of samples.
    """

    error: Interval
    plain_error: float
    overconfidence: Interval
    p_value: float
    support: int


def calibration(
    confidences: ArrayLike,
    correct: ArrayLike,
    n_bins: int = 15,
    confidence: float = 0.95,
    n_draws: int = 200,
    seed: int = 0,
) -> Calibration:
    """Calibration error and over-confidence with intervals.

    Args:
        confidences: (N,) probability of the predicted class, in [0, 1].
        correct: (N,) whether the prediction was right.
        n_bins: number of bins of equal mass; fewer are used if a bin would have under 10 samples.
        confidence: coverage of the intervals.
        n_draws: number of simulations for the interval of the calibration error.
        seed: random seed.

    Returns:
        The calibration; NaN for fewer than two samples.

    Raises:
        ValueError: the lengths differ or a confidence is outside [0, 1].

    Reference:
        `overconfidence` and `binned_error_interval`.
    """
    over = overconfidence(confidences, correct, confidence)
    stated, wrong = checked(confidences, correct)
    if len(stated) < 2:
        return Calibration(Interval(np.nan, 0.0, 1.0), np.nan, over.difference, np.nan, len(stated))
    binned = BinnedError.of(stated, wrong, n_bins)
    largest_mean = max(-over.difference.low, over.difference.high)
    error = binned_error_interval(binned, largest_mean, 1 - confidence, n_draws, seed)
    return Calibration(error, binned.value, over.difference, over.p_value, len(stated))
