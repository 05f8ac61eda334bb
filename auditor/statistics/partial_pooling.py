"""Partial pooling: error rates of small slices, shrunk towards the mean of their attribute."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv, betaln

from auditor.statistics.intervals import Floats, Intervals, counts_and_totals, two_sided_z

_SPREADS = 60
_MEANS = 41
"""Numbers of grid points of the two parameters of the prior."""
_REACH = 6.0
"""Half the width of the grid of the mean, in standard errors of its logit."""


def partially_pooled(counts: ArrayLike, totals: ArrayLike, confidence: float = 0.95) -> Intervals:
    """Error rates of the values of an attribute, partially pooled.

    The rates of the values follow a beta law with an unknown mean and spread. A rate from few samples
    is shrunk towards the mean, a rate from many samples is hardly changed, and the more the values
    differ the less is shrunk. The mean μ and the spread s = (a + b)^(-1/2) of the beta law have uniform
    priors from 0 to 1, and the estimates are averaged over their posterior on a grid, so that the
    intervals include what is not known of them. Without this (empirical Bayes), intervals from few
    values would be too narrow.

    Args:
        counts: (m,) failures; effective counts of clustered samples need not be whole numbers.
        totals: (m,) samples.
        confidence: of the intervals, between 0 and 1.

    Returns:
        (m,) posterior means; the limits are quantiles of the beta law with the posterior's mean and
        variance.

    Raises:
        ValueError: a count is outside of 0 … total, or `confidence` is out of range.

    Reference:
        A. Gelman et al., "Bayesian Data Analysis", 3rd ed. (2013), section 5.3, with the prior of
        equation 5.9; empirical Bayes: J. C. Kleinman, JASA 68 (1973) 46-54.
    """
    count, total = counts_and_totals(counts, totals)
    two_sided_z(confidence)
    if len(count) == 0:
        return Intervals(count, count, count)
    first, second, weight = _posterior(count, total)
    a, b = first[:, None] + count, second[:, None] + total - count
    means = a / (a + b)
    mean = weight @ means
    variance = weight @ (means * (1 - means) / (a + b + 1) + (means - mean) ** 2)
    size = mean * (1 - mean) / variance - 1
    tail = (1 - confidence) / 2
    low, high = (betaincinv(mean * size, (1 - mean) * size, one) for one in (tail, 1 - tail))
    return Intervals(mean, np.minimum(low, mean), np.maximum(high, mean))


def _posterior(count: Floats, total: Floats) -> tuple[Floats, Floats, Floats]:
    """Parameters a and b of the beta law on a grid, and their posterior weights, (G,) each."""
    # Equal steps of the square root resolve small spreads.
    root = (np.arange(_SPREADS) + 0.5) / _SPREADS
    spread = root**2
    size = spread**-2.0
    # The grid of the mean covers its likelihood for each spread.
    worth = total / (1 + np.maximum(total - 1, 0) / (size[:, None] + 1))
    share = np.divide(count, total, out=np.zeros_like(count), where=total > 0)
    failures = worth @ share + 0.5
    others = worth @ (1 - share) + 0.5
    step = np.linspace(-_REACH, _REACH, _MEANS)
    scale = np.sqrt(1 / failures + 1 / others)
    logit = np.log(failures / others)[:, None] + scale[:, None] * step
    mean = 1 / (1 + np.exp(-logit))
    a, b = mean * size[:, None], (1 - mean) * size[:, None]
    # Uniform priors of mean and spread, times the widths of the cells of the grid.
    prior = np.log(mean * (1 - mean) * (scale * root)[:, None])
    fit = betaln(a[..., None] + count, b[..., None] + total - count) - betaln(a, b)[..., None]
    evidence = fit.sum(axis=-1) + prior
    weight = np.exp(evidence - evidence.max())
    return a.ravel(), b.ravel(), (weight / weight.sum()).ravel()
