"""An estimated metric, its confidence interval, and the difference of two, for clustered samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from auditor.statistics.intervals import Floats, Integers, Interval, two_sided_z, wilson_of_share
from auditor.statistics.metrics.widening import (
    Widening,
    freedom_of,
    jackknife_sums,
    pair_correlation,
    shares_widening,
    sums_widening,
)

Scale = Literal["share", "real"]

_BOUNDS: dict[Scale, tuple[float, float]] = {"share": (0.0, 1.0), "real": (-np.inf, np.inf)}


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
        two_valued: whether the metric is a share, or a function of one, so that the influences of its
            samples take one value for successes and one for the others.
        limits: the interval of this metric; None for that of its scale.
        size: number of samples of a plain share that would have about the same variance; None for
            `support`. It is used where the influences are too few to show the variance.
    """

    value: float
    influence: Floats
    support: int
    successes: int | None = None
    scale: Scale = "share"
    members: Integers | None = None
    two_valued: bool = False
    limits: Limits | None = field(default=None, repr=False)
    size: float | None = None

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
        The variance, for clusters that of the jackknife; 0 if the influences vanish.

    Reference:
        K.-Y. Liang and S. L. Zeger, Biometrika 73 (1986) 13-22; N. A. Obuchowski, "Nonparametric
        analysis of clustered ROC curve data", Biometrics 53 (1997) 567-578, for influences of ranks.
    """
    sums = estimated.influence[estimated.rows]
    if clusters is not None and len(sums):
        sums = jackknife_sums(sums, clusters[estimated.rows])
    return float((sums**2).sum())


def interval(
    estimated: Estimated,
    clusters: Integers | None,
    confidence: float = 0.95,
    pooled: float = np.nan,
) -> Interval:
    """Confidence interval of a metric.

    Args:
        estimated: the metric.
        clusters: (n,) cluster number of each sample; None for independent samples.
        confidence: coverage, between 0 and 1.
        pooled: for a slice, `correlation_within` of all samples; NaN if it is not known.

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
    wider = widening(estimated, clusters, pooled)
    if estimated.limits is not None:
        return estimated.limits(wider, confidence)
    return _limits(estimated, wider, confidence)


def difference(
    one: Estimated,
    other: Estimated,
    clusters: Integers | None,
    confidence: float = 0.95,
    pooled: float = np.nan,
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
        pooled: `correlation_within` of all samples; NaN if it is not known.

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
    first = interval(one, clusters, confidence, pooled)
    second = interval(other, clusters, confidence, pooled)
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


def widening(estimated: Estimated, clusters: Integers | None, pooled: float = np.nan) -> Widening:
    """How much clusters widen the interval of a metric.

    Args:
        estimated: the metric, with a value.
        clusters: (n,) cluster number of each sample; None for independent samples.
        pooled: correlation within clusters among more samples, see `correlation_within`; NaN if it is
            not known.
    """
    rows = estimated.rows
    if clusters is None or not len(rows):
        return Widening()
    influence, cluster = estimated.influence[rows], clusters[rows]
    if estimated.two_valued:
        return shares_widening(influence > 0, cluster, pooled)
    return sums_widening(influence, cluster)


def correlation_within(estimated: Estimated, clusters: Integers | None) -> float:
    """Correlation within clusters of the samples of a share.

    Args:
        estimated: the metric, usually on all samples, for the intervals of slices.
        clusters: (n,) cluster number of each sample; None for independent samples.

    Returns:
        Between 0 and 1; NaN if it is not known, and for metrics that are no share.
    """
    rows = estimated.rows
    if clusters is None or not len(rows) or not estimated.two_valued:
        return float("nan")
    return pair_correlation(estimated.influence[rows] > 0, clusters[rows])[0]


def _limits(estimated: Estimated, wider: Widening, confidence: float) -> Interval:
    """The interval of a metric from its influences alone."""
    influence = estimated.influence[estimated.rows]
    freedom = min(wider.freedom, freedom_of(influence)) if len(influence) else 1.0
    if estimated.scale == "share":
        quantile = Widening(1.0, freedom).quantile(confidence)
        return _share_limits(estimated, wider.factor, quantile)
    return real_limits(estimated.value, influence, Widening(wider.factor, freedom), confidence)


def real_limits(value: float, influence: Floats, wider: Widening, confidence: float) -> Interval:
    """Student's interval of a metric without bounds.

    Args:
        value: the metric.
        influence: (m,) influences of its samples.
        wider: how much clusters widen the interval, with the degrees of freedom.
        confidence: coverage of the interval.
    """
    half = wider.quantile(confidence) * float(np.sqrt((influence**2).sum() * wider.factor))
    return Interval(value, value - half, value + half)


def _share_limits(estimated: Estimated, factor: float, quantile: float) -> Interval:
    """Wilson's interval for the number of samples of a plain share with the same variance.

    The ratio of the variance to that of a plain share is shrunk to 1 with the weight of one event, so
    that a metric of 0 or 1 has an interval.

    Reference:
        Effective number: E. L. Korn and B. I. Graubard, Survey Methodology 24 (1998) 193-201.
    """
    value, size = min(max(estimated.value, 0.0), 1.0), estimated.size or float(estimated.support)
    smooth = (value * size + 0.5) / (size + 1)
    plain = smooth * (1 - smooth) / size
    events = size * value * (1 - value)
    ratio = (events * float((estimated.influence**2).sum()) / plain + 1) / (events + 1)
    number = np.asarray(size / (ratio * max(factor, 1e-3)))
    found = wilson_of_share(np.asarray(value * number), number, quantile)[()]
    return Interval(value, min(found.low, value), max(found.high, value))


def _together(one: float, other: float, r: float) -> float:
    squared = one**2 + other**2 - 2 * r * one * other
    return float(np.sqrt(max(squared, 0.0)))
