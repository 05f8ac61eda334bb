"""The ratio of two error rates within strata: estimate, interval, and a test against a limit.

One percent against five and a half is a gap of 4.5 points, and a ratio of 5.5. Where failures are
rare, limits are better put on the ratio.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from auditor.statistics.intervals import (
    Floats,
    Intervals,
    counts_and_totals,
    two_sided_z,
)

_LARGEST_LOG = 30.0  # ratios beyond e^30 are not told from infinity
_MIN_EFFECT, _MAX_EFFECT = 0.1, 1.0


@dataclass(frozen=True, slots=True)
class EffectiveCounts:
    """Two simple samples that say as much as a stratified comparison; not whole numbers.

    Their rates are the Mantel-Haenszel weighted means over strata, and their sizes give these the
    same variance. Zero where no stratum holds both sides.

    Attributes:
        count: (...) failures of the slice.
        total: (...) samples of the slice.
        rest_count: (...) failures of the rest.
        rest_total: (...) samples of the rest.
    """

    count: Floats
    total: Floats
    rest_count: Floats
    rest_total: Floats


@dataclass(frozen=True, slots=True)
class Ratios:
    """Ratios of many slices; NaN where no stratum holds both sides, or nothing failed.

    Attributes:
        ratio: error rate of the slice over that of the rest, from 0 to infinity.
        p_value: one-sided, of "the ratio is at most the limit".
    """

    ratio: Intervals
    p_value: Floats


def stratified_ratio(
    failures: ArrayLike,
    totals: ArrayLike,
    rest_failures: ArrayLike,
    rest_totals: ArrayLike,
    limit: float = 1.0,
    confidence: float = 0.95,
) -> Ratios:
    """Ratio of the error rates of each slice and its rest, weighted as Mantel and Haenszel do.

    Args:
        failures: (..., S) failures of the slice in each stratum.
        totals: (..., S) samples of the slice.
        rest_failures: (..., S) failures of the rest.
        rest_totals: (..., S) samples of the rest.
        limit: largest acceptable ratio, positive.
        confidence: coverage of the intervals.

    Returns:
        Ratios of shape (...). Without a failure in the slice the interval starts at 0; without one
        in the rest it has no end.

    Raises:
        ValueError: a count is outside of 0 … total, or `confidence` or `limit` is out of range.

    Reference:
        P. A. R. Koopman, "Confidence intervals for the ratio of two binomial proportions",
        Biometrics 40 (1984) 513-517, with the correction for skewness of J. J. Gart and J. Nam,
        Biometrics 44 (1988) 323-338, section 3; here on effective counts (E. L. Korn and B. I.
        Graubard, Survey Methodology 24 (1998) 193-201). Without the correction a rare slice is
        accused several times too often at the small levels that multiple testing leaves.
    """
    z = two_sided_z(confidence)
    counts = effective_counts(failures, totals, rest_failures, rest_totals)
    score = ratio_score(counts, limit)
    return Ratios(score_ratio(counts, z), np.asarray(norm.sf(score), dtype=np.float64))


def effective_counts(
    failures: ArrayLike, totals: ArrayLike, rest_failures: ArrayLike, rest_totals: ArrayLike
) -> EffectiveCounts:
    """Reduces a stratified comparison to two simple samples.

    Args:
        failures: (..., S) failures of the slice in each stratum.
        totals: (..., S) samples of the slice.
        rest_failures: (..., S) failures of the rest.
        rest_totals: (..., S) samples of the rest.

    Returns:
        Counts of shape (...). With one stratum they are the counts themselves.

    Raises:
        ValueError: a count is outside of 0 … total.

    Reference:
        Korn and Graubard (1998). Where strata differ in how hard they are, failures vary less than
        the pooled rate says: the design effect, kept between 0.1 and 1.
    """
    count, total = counts_and_totals(failures, totals)
    rest_count, rest_total = counts_and_totals(rest_failures, rest_totals)
    count, total, rest_count, rest_total = np.broadcast_arrays(count, total, rest_count, rest_total)
    both = (total > 0) & (rest_total > 0)
    count, rest_count = np.where(both, count, 0.0), np.where(both, rest_count, 0.0)
    total, rest_total = np.where(both, total, 1.0), np.where(both, rest_total, 1.0)
    together = total + rest_total
    weight = np.where(both, total * rest_total / together, 0.0)
    whole = weight.sum(-1)
    weight = weight / np.where(whole > 0, whole, 1.0)[..., None]
    rate = (count + rest_count) / together
    within = rate * (1 - rate) * together / np.maximum(together - 1, 1)
    mean = (weight * rate).sum(-1)
    sides = []
    for own, n in ((count, total), (rest_count, rest_total)):
        inverse = weight**2 / n
        simple = np.where(whole > 0, inverse.sum(-1), 1.0)
        scale = simple * mean * (1 - mean)
        effect = np.divide(
            (inverse * within).sum(-1), scale, out=np.ones_like(scale), where=scale > 0
        )
        size = np.where(whole > 0, 1 / (simple * np.clip(effect, _MIN_EFFECT, _MAX_EFFECT)), 0.0)
        sides += [np.clip((weight * own / n).sum(-1), 0, 1) * size, size]
    return EffectiveCounts(*(np.asarray(side, dtype=np.float64) for side in sides))


def ratio_score(counts: EffectiveCounts, ratio: ArrayLike) -> Floats:
    """Score for a ratio of the two rates, free of skewness: positive where the seen one is larger.

    Args:
        counts: of shape (...).
        ratio: positive, a shape that broadcasts.

    Returns:
        Standard normal under that ratio; NaN without samples, 0 where nothing failed.

    Raises:
        ValueError: a ratio is not positive.

    Reference:
        Koopman (1984), equation 2.1, as the signed root of his chi-squared, corrected by Gart and
        Nam (1988); rates under the constraint in closed form: O. S. Miettinen and M. Nurminen,
        Statistics in Medicine 4 (1985) 213-226.
    """
    at = np.asarray(ratio, dtype=np.float64)
    if not bool(np.all(at > 0)):
        raise ValueError("expected positive ratios; got others: 1 means equal rates")
    known = counts.total > 0
    n, m = np.where(known, counts.total, 1.0), np.where(known, counts.rest_total, 1.0)
    x, y = counts.count, counts.rest_count
    a, b = at * (n + m), -(at * (n + y) + x + m)
    root = np.sqrt(np.maximum(b**2 - 4 * a * (x + y), 0))
    rest = 2 * (x + y) / (root - b)  # the smaller root, without cancellation
    rest = np.clip(rest, 0, np.minimum(1.0, 1 / at))
    own = at * rest
    variance = own * (1 - own) / n + at**2 * rest * (1 - rest) / m
    difference = x / n - at * y / m
    moves = variance > 0
    deviation = np.sqrt(np.where(moves, variance, 1.0))
    third = own * (1 - own) * (1 - 2 * own) / n**2
    third -= at**3 * rest * (1 - rest) * (1 - 2 * rest) / m**2
    score = np.where(moves, _without_skewness(difference / deviation, third / deviation**3), 0.0)
    return np.where(known, score, np.nan)


def _without_skewness(score: Floats, skewness: Floats) -> Floats:
    """Solves score = normal + skewness (normal² - 1) / 6 for the normal one."""
    sixth = skewness / 6
    straight = np.abs(sixth) < 1e-9
    safe = np.where(straight, 1.0, sixth)
    # Far out in the short tail there is no solution; the vertex of the parabola is the nearest.
    root = np.sqrt(np.maximum(1 + 4 * safe * (score + safe), 0))
    return np.where(straight, score, (root - 1) / (2 * safe))


def score_ratio(counts: EffectiveCounts, z: float) -> Intervals:
    """Interval of the ratio of two rates, by inversion of `ratio_score`.

    Args:
        counts: of shape (...).
        z: normal quantile of the interval, positive.

    Returns:
        Ratios with their limits; infinite where only the rest has no failure.
    """
    x, y = counts.count, counts.rest_count
    known = (counts.total > 0) & (x + y > 0)
    rate = x / np.where(counts.total > 0, counts.total, 1.0)
    rest = y / np.where(counts.rest_total > 0, counts.rest_total, 1.0)
    value = np.divide(rate, rest, out=np.full_like(rate, np.inf), where=rest > 0)
    limits = []
    for wanted in (z, -z):
        # The score falls as the ratio grows; it is as wanted at the limit.
        low, high = np.full_like(value, -_LARGEST_LOG), np.full_like(value, _LARGEST_LOG)
        for _ in range(60):  # halving 60 times leaves less than 1e-16
            middle = (low + high) / 2
            above = ratio_score(counts, np.exp(middle)) > wanted
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        limits.append(np.where(high < _LARGEST_LOG, np.exp((low + high) / 2), np.inf))
    lower = np.where(known & (x > 0), np.minimum(limits[0], value), 0.0)
    upper = np.where(known & (y > 0), np.maximum(limits[1], value), np.inf)
    return Intervals(np.where(known, value, np.nan), lower, upper)
