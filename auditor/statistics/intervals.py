"""Confidence intervals of a proportion, of a difference of two, and of a rank correlation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its confidence limits; NaN where it can't be known.

    Attributes:
        value: the estimate.
        low: lower limit, at most `value`.
        high: upper limit, at least `value`.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Intervals:
    """Many intervals as three arrays of one shape.

    Attributes:
        value: estimates, float64.
        low: lower limits.
        high: upper limits.
    """

    value: Floats
    low: Floats
    high: Floats

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, index: int | tuple[int, ...]) -> Interval:
        return Interval(float(self.value[index]), float(self.low[index]), float(self.high[index]))

    def __iter__(self) -> Iterator[Interval]:
        return (self[index] for index in range(len(self)))


def two_sided_z(confidence: float) -> float:
    """The normal quantile of a two-sided interval, 1.96 for 0.95.

    Args:
        confidence: between 0 and 1, both excluded.

    Returns:
        The quantile, positive.

    Raises:
        ValueError: `confidence` is out of range.
    """
    if not 0 < confidence < 1:
        raise ValueError(
            f"expected a confidence between 0 and 1, such as 0.95; got {confidence!r}: "
            "give a share, not a percentage"
        )
    return float(norm.isf((1 - confidence) / 2))


def counts_and_totals(counts: ArrayLike, totals: ArrayLike) -> tuple[Floats, Floats]:
    """Both as float64 of one shape, checked to be 0 <= counts <= totals.

    Args:
        counts: any shape.
        totals: a shape that broadcasts with it.

    Returns:
        The two arrays, broadcast.

    Raises:
        ValueError: a count is negative, not finite, or above its total.
    """
    count, total = np.broadcast_arrays(
        np.asarray(counts, dtype=np.float64), np.asarray(totals, dtype=np.float64)
    )
    if not bool(np.all((count >= 0) & (count <= total) & np.isfinite(total))):
        raise ValueError(
            "expected finite counts with 0 <= count <= total; got a count outside of that: "
            "pass failures (or successes) first and all samples second"
        )
    return count, total


def wilson(counts: ArrayLike, totals: ArrayLike, confidence: float = 0.95) -> Intervals:
    """Wilson's score interval of a proportion.

    Args:
        counts: how many of `totals`, any shape.
        totals: sample sizes, a shape that broadcasts; zero gives NaN with the limits 0 and 1.
        confidence: coverage, between 0 and 1.

    Returns:
        Proportions with limits in [0, 1], of the broadcast shape.

    Raises:
        ValueError: a count is outside of 0 … total, or `confidence` is out of range.

    Reference:
        E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
        JASA 22 (1927) 209-212; R. G. Newcombe, Statistics in Medicine 17 (1998) 857-872, method 3.
    """
    count, total = counts_and_totals(counts, totals)
    return wilson_of_share(count, total, two_sided_z(confidence))


def wilson_of_share(count: Floats, total: Floats, z: float | Floats) -> Intervals:
    """Wilson's limits for real-valued counts and any quantile; see `wilson`."""
    safe = np.where(total > 0, total, 1.0)
    share = count / safe
    centre = share + z**2 / (2 * safe)
    spread = z * np.sqrt(share * (1 - share) / safe + z**2 / (4 * safe**2))
    scale = 1 + z**2 / safe
    # At the ends the formula is exact, but for rounding: 0 of n has the lower limit 0.
    low = np.where(count == 0, 0.0, np.clip((centre - spread) / scale, 0, share))
    high = np.where(count == total, 1.0, np.clip((centre + spread) / scale, share, 1))
    known = total > 0
    return Intervals(
        np.where(known, share, np.nan), np.where(known, low, 0.0), np.where(known, high, 1.0)
    )


def subtract(first: Intervals, second: Intervals) -> Intervals:
    """Difference of two independent estimates by square-and-add of their limits.

    Args:
        first: estimates with limits.
        second: estimates with limits, a shape that broadcasts.

    Returns:
        First minus second; where either is NaN, NaN with the limits -1 and 1.

    Reference:
        R. G. Newcombe, Statistics in Medicine 17 (1998) 873-890, equation of method 10; for limits
        of any kind (MOVER): G. Zou and A. Donner, Statistics in Medicine 27 (2008) 1693-1702.
    """
    value = first.value - second.value
    below = np.hypot(first.value - first.low, second.high - second.value)
    above = np.hypot(first.high - first.value, second.value - second.low)
    known = np.isfinite(value)
    return Intervals(
        value, np.where(known, value - below, -1.0), np.where(known, value + above, 1.0)
    )


def rank_correlation(
    first: ArrayLike, second: ArrayLike, confidence: float = 0.95
) -> tuple[Interval, float]:
    """Spearman's rank correlation with its interval and p-value.

    Args:
        first: (N,) numbers.
        second: (N,) numbers.
        confidence: coverage, between 0 and 1.

    Returns:
        The correlation in [-1, 1], and the two-sided p-value. NaN (limits -1 and 1) when N < 4 or
        when one of the two is constant.

    Raises:
        ValueError: the lengths differ, or `confidence` is out of range.

    Reference:
        Interval: D. G. Bonett and T. A. Wright, "Sample size requirements for estimating Pearson,
        Kendall and Spearman correlations", Psychometrika 65 (2000) 23-28.
    """
    from scipy.stats import spearmanr

    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.shape != two.shape or one.ndim != 1:
        raise ValueError(
            f"expected two one-dimensional arrays of one length; got shapes {one.shape} and "
            f"{two.shape}: pass one number a sample in each"
        )
    z = two_sided_z(confidence)
    if len(one) < 4 or np.ptp(one) == 0 or np.ptp(two) == 0:
        return Interval(np.nan, -1.0, 1.0), np.nan
    result = spearmanr(one, two)
    rho = float(result.statistic)
    if abs(rho) >= 1 - 1e-12:
        return Interval(rho, rho, rho), float(result.pvalue)
    spread = z * np.sqrt((1 + rho**2 / 2) / (len(one) - 3))
    low, high = np.tanh(np.arctanh(rho) - spread), np.tanh(np.arctanh(rho) + spread)
    return Interval(rho, float(low), float(high)), float(result.pvalue)
