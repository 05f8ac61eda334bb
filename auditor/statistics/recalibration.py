"""Probability of an error given the confidence: a logistic fit that is robust to few errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from auditor.statistics.intervals import Floats
from auditor.statistics.tilted_counts import similar_cells, tilt_to

_LEAST = 1e-5
"""Stated error probabilities are clipped this far from 0 and 1, where log-odds are infinite."""
_SLOPE_SPREAD = 0.5
"""Prior standard deviation of the slope around 1, the slope of a calibrated model."""
_TRUSTED_FROM = 10.0
"""Number of expected errors (or correct predictions) at which the observed variance has weight 1/2."""
_SLOPES = (-1.0, 3.0)


@dataclass(frozen=True, slots=True)
class Recalibration:
    """Fitted error probabilities, and the dispersion relative to them.

    Attributes:
        log_odds: (N,) fitted log-odds of an error.
        rates: (N,) fitted probabilities of an error.
        between: variance over samples of the fitted over-confidence (`rates` minus the stated error
            probability), minus the variance due to the uncertainty of the fit.
        dispersion: ratio of the observed to the fitted variance of (error - stated probability),
            shrunk to 1 if there are few errors (or few correct predictions).
    """

    log_odds: Floats
    rates: Floats
    between: float
    dispersion: float

    @property
    def within(self) -> float:
        """Mean variance of an error given the confidence."""
        return float((self.rates * (1 - self.rates)).mean())


def recalibrate(stated: Floats, wrong: NDArray[np.bool_]) -> Recalibration:
    """Fits log-odds of an error = shift + slope · stated log-odds.

    The fitted number of errors equals the observed one, but is at least half an error away from 0
    and from N.
    The slope has a normal prior around 1.

    Args:
        stated: (N,) stated error probability, 1 - confidence; N > 0.
        wrong: (N,) whether the prediction was wrong.

    Returns:
        The fit.

    Reference:
        J. Platt, "Probabilistic outputs for support vector machines" (1999); dispersion as in
        quasi-likelihood, P. McCullagh and J. A. Nelder, "Generalized Linear Models" (1989), 4.5.
    """
    x = logit(np.clip(stated, _LEAST, 1 - _LEAST))
    n, errors = len(x), int(wrong.sum())
    expected = min(max(errors, 0.5), n - 0.5)
    slope = _slope(x, wrong, expected) if 0 < errors < n and np.ptp(x) > 0 else 1.0
    log_odds = slope * x
    log_odds = log_odds + tilt_to(log_odds, np.ones(n), expected)
    rates = np.asarray(expit(log_odds), dtype=np.float64)
    variance = rates * (1 - rates)
    between = float((rates - stated).var())
    between = max(0.0, between - _fit_noise(x, variance))
    dispersion = 1.0
    if 0 < errors < n:
        observed = float((wrong - stated).var())
        ratio = observed / (float(variance.mean()) + float((rates - stated).var()))
        weight = variance.sum() / (variance.sum() + _TRUSTED_FROM)
        dispersion = float(1 + weight * (ratio - 1))
    return Recalibration(log_odds, rates, between, dispersion)


def _slope(x: Floats, wrong: NDArray[np.bool_], expected: float) -> float:
    """Posterior mode of the slope; the shift follows from the number of errors."""
    cell = similar_cells(x)
    sizes = np.bincount(cell).astype(np.float64)
    centre = np.bincount(cell, x) / sizes
    errors = np.bincount(cell, wrong)
    low, high = _SLOPES
    # The derivative of the penalised profile likelihood decreases with the slope.
    while high - low > 1e-3:
        middle = (low + high) / 2
        rates = expit(middle * centre + tilt_to(middle * centre, sizes, expected))
        if float(((errors - sizes * rates) * centre).sum()) > (middle - 1) / _SLOPE_SPREAD**2:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _fit_noise(x: Floats, variance: Floats) -> float:
    """Variance of the fitted rates over samples that is due to the estimation of shift and slope."""
    total = variance.sum()
    centred = x - (variance * x).sum() / total
    information = (variance * centred**2).sum() + 1 / _SLOPE_SPREAD**2
    return float(variance.var() / total + (variance * centred).var() / information)
