"""The share of labels that disagree even with the most confident predictions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import chi2

from auditor.statistics.intervals import Floats, Interval

_SHAPES = np.array([0.4, 0.55, 0.75, 1.0, 1.35])
"""Exponents of the margin. Below 1, confident predictions fail more often than under a softmax."""
_BINS = 150
_GRID = 30
_RIDGE = 1e-4
"""Keeps the coefficients finite if the data do not determine the slope."""
_STEPS = 40


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """Rate of wrong labels, and probability that the model predicts the true class.

    Attributes:
        rate: probability that a label is wrong, with its profile-likelihood interval.
        correct: (3, N) probability that each prediction is the true class, given only its margin: at
            the estimated rate, at its lower limit and at its upper limit.
    """

    rate: Interval
    correct: Floats


@dataclass(frozen=True, slots=True)
class _Counts:
    """Samples in bins of the margin.

    Attributes:
        margins: (B,) mean margin of each bin, relative to the median.
        agreeing: (B,) samples whose label is the predicted class.
        disagreeing: (B,) the other samples.
        n_classes: number of classes.
    """

    margins: Floats
    agreeing: Floats
    disagreeing: Floats
    n_classes: int


@dataclass(frozen=True, slots=True)
class _Fit:
    """Maximum-likelihood fits, one for each rate.

    Attributes:
        likelihood: (R,) log-likelihood.
        intercept: (R,) log odds of a correct prediction at margin 0.
        slope: (R,) increase of the log odds per unit of margin to the power of ``shape``.
        shape: (R,) best-fitting exponent.
    """

    likelihood: Floats
    intercept: Floats
    slope: Floats
    shape: Floats


def noise_floor(
    margins: Floats, disagrees: NDArray[np.bool_], n_classes: int, confidence: float = 0.95
) -> NoiseFloor:
    """Estimates the rate of wrong labels from how agreement rises with the model's margin.

    The probability s that a prediction is the true class follows a logistic curve in a power of the
    margin: logit s = a + b·m^γ, with b ≥ 0 and γ between 0.4 and 1.35. This is a calibration map that is
    fitted together with the noise. It includes temperature scaling (γ = 1), so an over-confident model
    gets a small b. A wrong label is any other class with the same probability, whatever the margin:
    P(label = predicted) = s (1 - η) + (1 - s) η / (K - 1). As the margin grows, s approaches 1 and the
    share of disagreements approaches η. The interval is that of the profile likelihood over a, b and γ.

    Args:
        margins: (N,) at least 0, a measure of confidence such as log odds of the predicted class.
        disagrees: (N,) whether the label differs from the predicted class.
        n_classes: K, at least 2.
        confidence: coverage of the interval.

    Returns:
        The rate and the calibration curve.

    Reference:
        The curve is a psychometric function with a lapse rate, F. A. Wichmann and N. J. Hill, "The
        psychometric function: I", Perception & Psychophysics 63 (2001) 1293-1313, eq. 1. Temperature:
        C. Guo et al., "On calibration of modern neural networks", ICML 2017.
    """
    n = len(margins)
    scale = float(np.median(margins)) or 1.0
    counts = _counts(margins / scale, disagrees, n_classes)
    highest = min(1.5 * float(disagrees.mean()) + 3 / n, 0.95 * (1 - 1 / n_classes))
    grid = np.linspace(0, 1, _GRID) ** 1.7 * highest
    best = int(_fit(counts, grid).likelihood.argmax())
    near = np.linspace(grid[max(best - 1, 0)], grid[min(best + 1, _GRID - 1)], 13)
    rates = np.unique(np.concatenate([grid, near]))
    profile = _fit(counts, rates).likelihood
    rate = _profile_interval(rates, profile, float(chi2.ppf(confidence, 1)) / 2)
    fit = _fit(counts, np.array([rate.value, rate.low, rate.high]))
    powers = (margins / scale)[None] ** fit.shape[:, None]
    correct = expit(fit.intercept[:, None] + fit.slope[:, None] * powers)
    return NoiseFloor(rate, np.asarray(correct, dtype=np.float64))


def _profile_interval(rates: Floats, profile: Floats, drop: float) -> Interval:
    """Range in which the log-likelihood is less than ``drop`` below its maximum, by interpolation."""
    best = int(profile.argmax())
    below = profile[best] - profile - drop
    low, high = float(rates[0]), float(rates[-1])
    outside = np.flatnonzero(below > 0)
    if len(left := outside[outside < best]):
        low = float(np.interp(0, -below[left[-1] : left[-1] + 2], rates[left[-1] : left[-1] + 2]))
    if len(right := outside[outside > best]):
        high = float(
            np.interp(0, below[right[0] - 1 : right[0] + 1], rates[right[0] - 1 : right[0] + 1])
        )
    return Interval(float(rates[best]), low, high)


def _counts(margins: Floats, disagrees: NDArray[np.bool_], n_classes: int) -> _Counts:
    order = np.argsort(margins, kind="stable")
    parts = np.array_split(order, min(_BINS, len(order)))
    sizes = np.array([len(part) for part in parts], dtype=np.float64)
    failures = np.array([disagrees[part].sum() for part in parts], dtype=np.float64)
    means = np.array([margins[part].mean() for part in parts])
    return _Counts(means, sizes - failures, failures, n_classes)


def _fit(counts: _Counts, rates: Floats) -> _Fit:
    """Fits the curve for each rate and shape by Fisher scoring; keeps the best shape for each rate."""
    powers = counts.margins[None] ** _SHAPES[:, None]
    by_chance = rates[:, None, None] / (counts.n_classes - 1)
    # P(label = predicted) is linear in s.
    span = 1 - rates[:, None, None] - by_chance
    intercept, slope = np.zeros((len(rates), len(_SHAPES))), np.ones((len(rates), len(_SHAPES)))
    damping = np.full_like(slope, 1e-2)
    correct, agree, likelihood = _evaluated(counts, powers, by_chance, span, intercept, slope)
    for _ in range(_STEPS):
        change = span * correct * (1 - correct)
        score = (counts.agreeing / agree - counts.disagreeing / (1 - agree)) * change
        weight = (counts.agreeing + counts.disagreeing) * change**2 / (agree * (1 - agree))
        first = score.sum(-1) - 2 * _RIDGE * intercept
        second = (score * powers).sum(-1) - 2 * _RIDGE * slope
        h_aa = (weight.sum(-1) + 2 * _RIDGE) * (1 + damping)
        h_ab = (weight * powers).sum(-1)
        h_bb = ((weight * powers**2).sum(-1) + 2 * _RIDGE) * (1 + damping)
        determinant = h_aa * h_bb - h_ab**2
        next_a = intercept + (h_bb * first - h_ab * second) / determinant
        next_b = np.maximum(slope + (h_aa * second - h_ab * first) / determinant, 0)
        tried = _evaluated(counts, powers, by_chance, span, next_a, next_b)
        better = tried[2] >= likelihood
        gain = float(np.where(better, tried[2] - likelihood, 0).max())
        intercept, slope = np.where(better, next_a, intercept), np.where(better, next_b, slope)
        correct = np.where(better[..., None], tried[0], correct)
        agree = np.where(better[..., None], tried[1], agree)
        likelihood = np.where(better, tried[2], likelihood)
        damping = np.where(better, damping / 5, np.maximum(damping * 8, 1e-2))
        if gain < 1e-4 and bool(better.all()):
            break
    best = likelihood.argmax(1)
    rows = np.arange(len(rates))
    return _Fit(likelihood[rows, best], intercept[rows, best], slope[rows, best], _SHAPES[best])


def _evaluated(
    counts: _Counts, powers: Floats, by_chance: Floats, span: Floats, a: Floats, b: Floats
) -> tuple[Floats, Floats, Floats]:
    """P(prediction is true), P(label = predicted), and the penalised log-likelihood."""
    correct = expit(a[..., None] + b[..., None] * powers)
    agree = np.clip(by_chance + span * correct, 1e-12, 1 - 1e-12)
    terms = counts.agreeing * np.log(agree) + counts.disagreeing * np.log1p(-agree)
    return correct, agree, terms.sum(-1) - _RIDGE * (a**2 + b**2)
