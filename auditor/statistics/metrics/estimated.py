"""An estimated metric, its confidence interval, and the difference of two, for clustered samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from scipy.stats import t as student

from auditor.statistics.clusters import inflation_of_rates
from auditor.statistics.intervals import Floats, Integers, Interval, two_sided_z, wilson_of_share

Scale = Literal["share", "real"]

_BOUNDS: dict[Scale, tuple[float, float]] = {"share": (0.0, 1.0), "real": (-np.inf, np.inf)}


@dataclass(frozen=True, slots=True)
class Widening:
    """How much wider an interval is than that of independent samples.

    Attributes:
        factor: variance relative to that of independent samples.
        freedom: degrees of freedom of the estimated variance; infinite if they are in `factor`.
    """

    factor: float = 1.0
    freedom: float = np.inf

    def quantile(self, confidence: float) -> float:
        """Student's quantile of a two-sided interval."""
        two_sided_z(confidence)
        return float(student.isf((1 - confidence) / 2, self.freedom))


Limits = Callable[[Widening, float], Interval]
"""Interval of a metric for a widening and a confidence level."""


@dataclass(frozen=True, slots=True)
class Estimated:
    """A metric on some of n samples.

    Attributes:
        value: the metric; NaN where it is not defined, for example without positives.
        influence: (n,) effect of each sample on the value, so that the value minus its expectation is
            about their sum; 0 for samples that play no part.
        support: number of samples on which the metric rests, such as the positives for sensitivity.
        successes: number of successes of a plain share; None for other metrics.
        scale: "share" for metrics in [0, 1], otherwise "real".
        members: positions of the samples on which it rests; None for those with an influence.
        outcomes: (n,) 0 or 1 for every sample that a plain share could count, also outside of the
            rows of the slice, NaN for the others; None for other metrics. They show how similar the
            samples of a cluster are.
        limits: the interval of this metric; None for that of its scale.
    """

    value: float
    influence: Floats
    support: int
    successes: int | None = None
    scale: Scale = "share"
    members: Integers | None = None
    outcomes: Floats | None = field(default=None, repr=False)
    limits: Limits | None = field(default=None, repr=False)

    @property
    def defined(self) -> bool:
        """Whether the metric has a value."""
        return bool(np.isfinite(self.value))

    @property
    def rows(self) -> Integers:
        """Positions of the samples on which the metric rests."""
        if self.members is not None:
            return self.members
        return np.flatnonzero(self.influence).astype(np.int64)


def undefined(n: int, scale: Scale = "share") -> Estimated:
    """A metric without a value on n samples."""
    return Estimated(np.nan, np.zeros(n), 0, None, scale, np.empty(0, dtype=np.int64))


def unknown(scale: Scale) -> Interval:
    """The interval of a metric without a value."""
    return Interval(np.nan, *_BOUNDS[scale])


def variance(estimated: Estimated, clusters: Integers | None) -> float:
    """Variance of a metric: the sum of squared influences, added up within clusters.

    Args:
        estimated: the metric.
        clusters: (n,) cluster number of each sample; None for independent samples.

    Returns:
        The variance; for clusters with the factor G / (G - 1), G clusters. 0 if the influences vanish.

    Reference:
        K.-Y. Liang and S. L. Zeger, Biometrika 73 (1986) 13-22; N. A. Obuchowski, "Nonparametric
        analysis of clustered ROC curve data", Biometrics 53 (1997) 567-578, for influences of ranks.
    """
    sums = _sums(estimated, clusters)
    correction = 1.0 if clusters is None else len(sums) / max(len(sums) - 1, 1)
    return float((sums**2).sum()) * correction


def interval(estimated: Estimated, clusters: Integers | None, confidence: float = 0.95) -> Interval:
    """Confidence interval of a metric.

    Args:
        estimated: the metric.
        clusters: (n,) cluster number of each sample; None for independent samples.
        confidence: coverage, between 0 and 1.

    Returns:
        The interval; for a metric without a value, NaN with the limits of its scale.

    Raises:
        ValueError: `confidence` is out of range.

    Reference:
        J. N. K. Rao and A. J. Scott, Biometrics 48 (1992) 577-585: clusters widen the interval like
        a smaller sample.
    """
    two_sided_z(confidence)
    if not estimated.defined:
        return unknown(estimated.scale)
    wider = widening(estimated, clusters, confidence)
    if estimated.limits is not None:
        return estimated.limits(wider, confidence)
    return _limits(estimated, wider, confidence)


def difference(
    one: Estimated, other: Estimated, clusters: Integers | None, confidence: float = 0.95
) -> Interval:
    """Interval of the difference of a metric between two sets of the same n samples.

    The sets may be disjoint, overlap or be the same, and they may share clusters. The distances of
    both values to their limits are combined, with the correlation of the two values from their
    influences.

    Args:
        one: the metric on the first set.
        other: the metric on the second set.
        clusters: (n,) cluster number of each sample; None for independent samples.
        confidence: coverage, between 0 and 1.

    Returns:
        First minus second; NaN with the widest possible limits if one of them has no value.

    Raises:
        ValueError: the two have different numbers of samples, or `confidence` is out of range.

    Reference:
        G. Y. Zou, "Toward using confidence intervals to compare correlations", Psychological Methods
        12 (2007) 399-413, equations 14 and 15 (the MOVER for dependent estimates).
    """
    if one.influence.shape != other.influence.shape:
        raise ValueError(
            f"expected two metrics of the same samples; got {len(one.influence)} and "
            f"{len(other.influence)} samples: measure both on rows of one table"
        )
    first, second = interval(one, clusters, confidence), interval(other, clusters, confidence)
    low, high = _BOUNDS[one.scale]
    if not (one.defined and other.defined):
        return Interval(np.nan, low - high, high - low)
    r = correlation(one, other, clusters)
    down, up = first.value - first.low, first.high - first.value
    rest_down, rest_up = second.value - second.low, second.high - second.value
    value = first.value - second.value
    return Interval(value, value - _together(down, rest_up, r), value + _together(up, rest_down, r))


def correlation(one: Estimated, other: Estimated, clusters: Integers | None) -> float:
    """Correlation of two metrics, from the sums of their influences within clusters.

    Args:
        one: a metric on n samples.
        other: a metric on the same samples.
        clusters: (n,) cluster number of each sample; None for independent samples.

    Returns:
        Between -1 and 1; 0 if an influence vanishes.
    """
    first, second = one.influence, other.influence
    if clusters is not None:
        first = np.bincount(clusters, first).astype(np.float64)
        second = np.bincount(clusters, second).astype(np.float64)
    scale = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float(np.clip((first * second).sum() / scale, -1, 1)) if scale > 0 else 0.0


def widening(estimated: Estimated, clusters: Integers | None, confidence: float) -> Widening:
    """How much clusters widen an interval.

    For a plain share, the correlation within clusters is estimated from pairs, as for error rates.
    For other metrics the variance with clusters is compared with that without.

    Args:
        estimated: the metric, with a value.
        clusters: (n,) cluster number of each sample; None for independent samples.
        confidence: coverage of the interval.
    """
    rows = estimated.rows
    if clusters is None or not len(rows):
        return Widening()
    size = np.bincount(clusters[rows])
    size = size[size > 0].astype(np.float64)
    if size.max() <= 1:
        return Widening()
    if estimated.outcomes is not None:
        return Widening(_inflation(estimated.outcomes, rows, clusters, confidence))
    alone = float((estimated.influence**2).sum())
    if alone <= 0:
        # Without variation the correlation is unknown: each cluster counts as one sample.
        return Widening(float((size**2).sum() / size.sum()), max(len(size) - 1.0, 1.0))
    sums = _sums(estimated, clusters)
    return Widening(variance(estimated, clusters) / alone, _freedom(sums))


def _inflation(outcomes: Floats, rows: Integers, clusters: Integers, confidence: float) -> float:
    counted = np.isfinite(outcomes)
    place = np.cumsum(counted) - 1
    factors = inflation_of_rates(outcomes[counted], [place[rows]], clusters[counted], confidence)
    return float(factors[0])


def _sums(estimated: Estimated, clusters: Integers | None) -> Floats:
    """Influences summed within each cluster of the metric's samples."""
    rows = estimated.rows
    influence = estimated.influence[rows]
    if clusters is None:
        return influence
    _, place = np.unique(clusters[rows], return_inverse=True)
    return np.bincount(place.ravel(), influence).astype(np.float64)


def _freedom(sums: Floats) -> float:
    """Satterthwaite's degrees of freedom of a sum of squares, between 1 and the number less one.

    Reference:
        F. E. Satterthwaite, Biometrics Bulletin 2 (1946) 110-114: twice the squared expectation over
        the variance, both estimated from the squares.
    """
    most = max(len(sums) - 1.0, 1.0)
    squares = sums**2
    spread = float((squares**2).sum()) - float(squares.sum()) ** 2 / len(sums)
    whole = float(squares.sum()) ** 2
    return most if spread <= 2 * whole / most else max(2 * whole / spread, 1.0)


def _limits(estimated: Estimated, wider: Widening, confidence: float) -> Interval:
    """The interval of a metric from its influences alone."""
    sums = estimated.influence[estimated.rows]
    spread = float((sums**2).sum()) * wider.factor
    freedom = min(wider.freedom, _freedom(sums) if len(sums) else 1.0)
    quantile = Widening(1.0, freedom).quantile(confidence)
    if estimated.scale == "real":
        half = quantile * float(np.sqrt(spread))
        return Interval(estimated.value, estimated.value - half, estimated.value + half)
    return share_limits(estimated.value, spread, estimated.support, quantile, wider.factor)


def share_limits(
    value: float, spread: float, support: int, quantile: float, factor: float = 1.0
) -> Interval:
    """Interval of a metric in [0, 1] like that of a share of as many samples as give its variance.

    Args:
        value: the metric.
        spread: its variance.
        support: number of samples on which it rests, at least 1.
        quantile: of the two-sided interval.
        factor: by which clusters multiply the variance.

    Returns:
        Wilson's interval for the effective number of samples. Half a case of each kind is added for
        the variance, so that a metric of 0 or 1 has an interval.

    Reference:
        Effective number: E. L. Korn and B. I. Graubard, Survey Methodology 24 (1998) 193-201.
    """
    size = max(support / max(factor, 1.0), 1.0)
    smooth = (value * size + 0.5) / (size + 1)
    least = 0.25 / size**2
    number = smooth * (1 - smooth) / max(spread, least)
    share = min(max(value, 0.0), 1.0)
    found = wilson_of_share(np.asarray(share * number), np.asarray(number), quantile)[()]
    return Interval(value, min(found.low, value), max(found.high, value))


def _together(one: float, other: float, r: float) -> float:
    squared = one**2 + other**2 - 2 * r * one * other
    return float(np.sqrt(max(squared, 0.0)))
