"""Over-confidence: mean confidence minus accuracy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from auditor.statistics.intervals import Floats, Interval, two_sided_z
from auditor.statistics.recalibration import Recalibration, recalibrate
from auditor.statistics.tilted_counts import TiltedCount, tilt_to

_LEAST_SHARE = 1e-9


@dataclass(frozen=True, slots=True)
class Overconfidence:
    """Over-confidence of a set of samples.

    Attributes:
        difference: mean confidence minus accuracy, in [-1, 1].
        p_value: two-sided, of "the difference is 0".
    """

    difference: Interval
    p_value: float


def overconfidence(
    confidences: ArrayLike, correct: ArrayLike, confidence: float = 0.95
) -> Overconfidence:
    """Mean confidence minus accuracy, with an interval and a test that are valid for rare errors.

    Given the confidences, the number of errors follows a Poisson-binomial distribution. Its
    probabilities are fitted (`recalibrate`) and shifted to the hypothesis (`TiltedCount`). The
    interval combines the limits of the number of errors with the variance of the over-confidence
    between samples, by square-and-add. Both are scaled by the square root of the dispersion.

    Args:
        confidences: (N,) probability of the predicted class, in [0, 1].
        correct: (N,) whether the prediction was right.
        confidence: coverage of the interval.

    Returns:
        The difference; NaN with the limits -1 and 1 for fewer than two samples.

    Raises:
        ValueError: the lengths differ, or a number is out of range.

    Reference:
        Square-and-add: G. Zou and A. Donner, Statistics in Medicine 27 (2008) 1693-1702.
    """
    z = two_sided_z(confidence)
    stated, wrong = checked(confidences, correct)
    if len(stated) < 2:
        return Overconfidence(Interval(np.nan, -1.0, 1.0), np.nan)
    model = _Model.of(stated, wrong)
    share, low, high = model.error_limits(1 - confidence)
    spread = z * np.sqrt(model.fit.between / len(stated))
    scale = np.sqrt(model.fit.dispersion)
    value = float(share - stated.mean())
    difference = Interval(
        value,
        max(-1.0, value - scale * float(np.hypot(share - low, spread))),
        min(1.0, value + scale * float(np.hypot(high - share, spread))),
    )
    return Overconfidence(difference, model.p_value(float(stated.mean())))


@dataclass(frozen=True)
class _Model:
    """Distribution of the number of errors, or of correct predictions if these are fewer (`flipped`)."""

    fit: Recalibration
    count: TiltedCount
    flipped: bool

    @classmethod
    def of(cls, stated: Floats, wrong: NDArray[np.bool_]) -> _Model:
        fit = recalibrate(stated, wrong)
        errors = int(wrong.sum())
        flipped = 2 * errors > len(wrong)
        if flipped:
            return cls(fit, TiltedCount.of(-fit.log_odds, len(wrong) - errors), flipped)
        return cls(fit, TiltedCount.of(fit.log_odds, errors), flipped)

    @property
    def widening(self) -> float:
        """Standard deviation of the difference relative to that of the share of errors."""
        return float(np.sqrt(self.fit.dispersion * (1 + self.fit.between / self.fit.within)))

    def error_limits(self, alpha: float) -> tuple[float, float, float]:
        """Observed share of errors, and its limits."""
        low, high = self.count.limits(alpha)
        share = self.count.errors / self.count.total
        return (1 - share, 1 - high, 1 - low) if self.flipped else (share, low, high)

    def p_value(self, error_rate: float) -> float:
        """Two-sided p-value of "the expected share of errors is this one"."""
        exact = float(self.count.p_values(self._tilt(error_rate))[0])
        return float(2 * norm.sf(norm.isf(exact / 2) / self.widening))

    def _tilt(self, error_rate: float) -> Floats:
        share = 1 - error_rate if self.flipped else error_rate
        share = min(max(share, _LEAST_SHARE), 1 - _LEAST_SHARE)
        count = self.count
        return np.array([tilt_to(count.log_odds, count.sizes, share * count.total)])


def checked(confidences: ArrayLike, correct: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    """Validates the input, and returns stated error probabilities and errors.

    Args:
        confidences: (N,) probability of the predicted class, in [0, 1].
        correct: (N,) whether the prediction was right.

    Returns:
        (N,) 1 - confidence, and (N,) whether the prediction was wrong.

    Raises:
        ValueError: the lengths differ or a confidence is outside [0, 1].
    """
    stated, right = np.asarray(confidences, dtype=np.float64), np.asarray(correct, dtype=bool)
    if stated.shape != right.shape or stated.ndim != 1:
        raise ValueError(
            f"expected two arrays of the same length; got shapes {stated.shape} and {right.shape}"
        )
    if not bool(np.all((stated >= 0) & (stated <= 1))):
        raise ValueError(
            "expected confidences in [0, 1]; got some outside: pass probabilities, not logits"
        )
    return 1 - stated, ~right
