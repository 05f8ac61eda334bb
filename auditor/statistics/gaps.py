"""The error-rate gap of a slice against the rest, within strata: estimate, interval, test.

A slice that merely holds harder classes is not to be accused, so failures are compared within the
label, and the comparisons are pooled as Mantel and Haenszel do. Everything takes counts, not rows:
the strata lie on the last axis, any number of slices on the axes before it. One stratum is the
plain comparison of two proportions; finer strata (label × every other attribute) hold the other
attributes fixed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln
from scipy.stats import hypergeom, norm

from auditor.statistics.intervals import (
    Floats,
    Integers,
    Intervals,
    counts_and_totals,
    subtract,
    two_sided_z,
)
from auditor.statistics.mid_p import mid_p, weighted_mid_p

# Where the count can move at least this far to both sides of its mean (the criterion of Mantel and
# Fleiss, who ask for 5), the normal limit replaces the exact distribution. 50 keeps it right far
# out in the tail as well, where tests that are corrected for hundreds of others are decided.
_EXACT_BELOW = 50.0


@dataclass(frozen=True, slots=True)
class Gaps:
    """Gaps of many slices with their tests; NaN where no stratum holds both slice and rest.

    Attributes:
        gap: error rate of the slice minus that of the rest, in [-1, 1].
        p_value: two-sided, of "no gap in any stratum".
        n_slice: samples of the slice in strata that also hold the rest.
        n_rest: samples of the rest in strata that also hold the slice.
        base_rate: error rate of the rest, weighted as the gap is.
    """

    gap: Intervals
    p_value: Floats
    n_slice: Floats
    n_rest: Floats
    base_rate: Floats


def proportion_gap(
    failures: ArrayLike,
    totals: ArrayLike,
    rest_failures: ArrayLike,
    rest_totals: ArrayLike,
    confidence: float = 0.95,
) -> Gaps:
    """Gap of one slice against its rest, without strata (for example, within one label).

    Args:
        failures: failures in the slice, any shape.
        totals: samples in the slice.
        rest_failures: failures in the rest.
        rest_totals: samples in the rest.
        confidence: coverage of the intervals.

    Returns:
        Square-and-add interval of two mid-p limits, and the mid-p version of Fisher's exact test,
        of the broadcast shape. Newcombe's own interval takes Wilson's limits; for slices with few
        expected failures its coverage falls to 86 %, and to 91 % at a nominal 99.5 %.

    Raises:
        ValueError: a count is outside of 0 … total, or `confidence` is out of range.

    Reference:
        Square-and-add: R. G. Newcombe, Statistics in Medicine 17 (1998) 873-890. Mid-p: H. O.
        Lancaster, JASA 56 (1961) 223-234; S. Lydersen, M. W. Fagerland and P. Laake, Statistics in
        Medicine 28 (2009) 1159-1175.
    """
    count, total = counts_and_totals(failures, totals)
    rest_count, rest_total = counts_and_totals(rest_failures, rest_totals)
    count, total, rest_count, rest_total = np.broadcast_arrays(count, total, rest_count, rest_total)
    known = (total > 0) & (rest_total > 0)
    p_value = np.where(known, fisher_mid_p(count, total, rest_count, rest_total), np.nan)
    return Gaps(
        subtract(mid_p(count, total, confidence), mid_p(rest_count, rest_total, confidence)),
        p_value,
        np.where(known, total, 0.0),
        np.where(known, rest_total, 0.0),
        np.where(known, rest_count / np.where(known, rest_total, 1.0), np.nan),
    )


def fisher_mid_p(count: Floats, total: Floats, rest_count: Floats, rest_total: Floats) -> Floats:
    """Two-sided mid-p value of Fisher's exact test: twice the smaller tail, with half the observed mass."""
    together = (total + rest_total, count + rest_count, total)
    own = hypergeom.pmf(count, *together) / 2
    lower = hypergeom.cdf(count, *together) - own
    upper = hypergeom.sf(count, *together) + own
    return np.asarray(np.clip(2 * np.minimum(lower, upper), 0, 1), dtype=np.float64)


def stratified_gap(
    failures: ArrayLike,
    totals: ArrayLike,
    rest_failures: ArrayLike,
    rest_totals: ArrayLike,
    confidence: float = 0.95,
) -> Gaps:
    """Gap of each slice against the rest within strata, weighted as Mantel and Haenszel do.

    The gap is Σ w (failures/totals - rest_failures/rest_totals) / Σ w with
    w = totals · rest_totals / (totals + rest_totals): a mean of the gaps within strata, which
    need not be equal. Strata without samples on both sides are left out.

    Args:
        failures: (..., S) failures of the slice in each stratum.
        totals: (..., S) samples of the slice.
        rest_failures: (..., S) failures of the rest.
        rest_totals: (..., S) samples of the rest.
        confidence: coverage of the intervals.

    Returns:
        Gaps of shape (...). The test is the Cochran-Mantel-Haenszel test, as exact mid-p where
        counts are small. Counts may be fractional, such as effective counts of clustered samples.

    Raises:
        ValueError: a count is outside of 0 … total, or `confidence` is out of range.

    Reference:
        Weights and test: N. Mantel and W. Haenszel, JNCI 22 (1959) 719-748. Interval: square-and-add
        (Newcombe, 1998) of two mid-p limits at effective sample sizes, E. L. Korn and B. I.
        Graubard, Survey Methodology 24 (1998) 193-201. Unlike the limits of Sato and
        Klingenberg it does not collapse where a slice has no failure, and unlike those of Yan and
        Su it holds its coverage with many small strata.
    """
    count, total = counts_and_totals(failures, totals)
    rest_count, rest_total = counts_and_totals(rest_failures, rest_totals)
    count, total, rest_count, rest_total = np.broadcast_arrays(count, total, rest_count, rest_total)
    z = two_sided_z(confidence)
    both = (total > 0) & (rest_total > 0)
    count, total = np.where(both, count, 0.0), np.where(both, total, 0.0)
    rest_count, rest_total = np.where(both, rest_count, 0.0), np.where(both, rest_total, 0.0)
    together = np.where(both, total + rest_total, 1.0)
    weight = total * rest_total / together
    sum_of_weights = weight.sum(-1, keepdims=True)
    weight = weight / np.where(sum_of_weights > 0, sum_of_weights, 1.0)
    own = weighted_mid_p(count, total, weight, z)
    other = weighted_mid_p(rest_count, rest_total, weight, z)
    return Gaps(
        subtract(own, other),
        _mantel_haenszel_p(count, total, rest_count, rest_total),
        total.sum(-1),
        rest_total.sum(-1),
        other.value,
    )


def _mantel_haenszel_p(
    count: Floats, total: Floats, rest_count: Floats, rest_total: Floats
) -> Floats:
    """Two-sided p-values (...): normal limit for large counts, exact mid-p for small ones."""
    together = np.maximum(total + rest_total, 1)
    failed = count + rest_count
    mean = (total * failed / together).sum(-1)
    variance = (
        total
        * rest_total
        * failed
        * (together - failed)
        / (together**2 * np.maximum(together - 1, 1))
    ).sum(-1)
    least = np.maximum(failed - rest_total, 0).sum(-1)
    most = np.minimum(failed, total).sum(-1)
    distance = count.sum(-1) - mean
    # Nothing failed, or everything: the count can't vary and the test has nothing to say but "1".
    p_value = np.where(
        variance > 0,
        2 * norm.sf(np.abs(distance) / np.sqrt(np.where(variance > 0, variance, 1))),
        1,
    )
    room = np.minimum(mean - least, most - mean)
    for index in np.ndindex(p_value.shape):
        if variance[index] > 0 and room[index] < _EXACT_BELOW:
            p_value[index] = _exact_mid_p(
                count[index], total[index], rest_count[index], rest_total[index]
            )
    return np.where(total.sum(-1) > 0, np.clip(p_value, 0, 1), np.nan)


def exact_p_value(
    failures: ArrayLike, totals: ArrayLike, rest_failures: ArrayLike, rest_totals: ArrayLike
) -> float:
    """Two-sided exact p-value of "no gap in any stratum": twice the smaller tail, with all of its mass.

    In one stratum, it is Fisher's exact test. Mid-p values keep their level on average; for few failures,
    this one keeps it in any case.

    Args:
        failures: (S,) failures of the slice in each stratum.
        totals: (S,) samples of the slice.
        rest_failures: (S,) failures of the rest.
        rest_totals: (S,) samples of the rest.

    Raises:
        ValueError: a count is outside of 0 … total.
    """
    count, total = counts_and_totals(failures, totals)
    rest_count, rest_total = counts_and_totals(rest_failures, rest_totals)
    law, seen = _exact_law(count, total, rest_count, rest_total)
    return float(min(1.0, 2 * min(law[: seen + 1].sum(), law[seen:].sum())))


def _exact_mid_p(count: Floats, total: Floats, rest_count: Floats, rest_total: Floats) -> float:
    """Mid-p from the exact conditional distribution."""
    law, seen = _exact_law(count, total, rest_count, rest_total)
    own = law[seen] / 2
    return float(min(1.0, 2 * min(law[:seen].sum() + own, law[seen + 1 :].sum() + own)))


def _exact_law(
    count: Floats, total: Floats, rest_count: Floats, rest_total: Floats
) -> tuple[Floats, int]:
    """Distribution of the failures in the slice given all margins, and the position of those seen.

    It is that of a sum of independent hypergeometric counts. Effective counts of clustered samples are
    rounded.
    """
    count, total, rest_count, rest_total = map(np.rint, (count, total, rest_count, rest_total))
    failed = count + rest_count
    least = np.maximum(failed - rest_total, 0).astype(np.int64)
    most = np.minimum(failed, total).astype(np.int64)
    free = np.flatnonzero(most > least)
    law = np.ones(1)
    # Short laws first: the running convolution stays small for as long as possible.
    for stratum in free[np.argsort((most - least)[free])]:
        support = np.arange(least[stratum], most[stratum] + 1, dtype=np.int64)
        law = np.convolve(
            law, _hypergeometric(support, total[stratum], rest_total[stratum], failed[stratum])
        )
    return law, int((count[free] - least[free]).sum())


def _hypergeometric(support: Integers, total: float, rest_total: float, failed: float) -> Floats:
    """Mass of each number of failures in the slice, given all margins; sums to one."""
    log_mass = -(
        gammaln(support + 1)
        + gammaln(total - support + 1)
        + gammaln(failed - support + 1)
        + gammaln(rest_total - failed + support + 1)
    )
    mass = np.exp(log_mass - log_mass.max())
    return np.asarray(mass / mass.sum(), dtype=np.float64)


def detectable_gap(
    n_slice: ArrayLike,
    n_rest: ArrayLike,
    base_rate: ArrayLike,
    alpha: float = 0.05,
    power: float = 0.8,
) -> Floats:
    """Smallest gap (slice worse than the rest) that a two-sided test would have seen.

    Args:
        n_slice: samples in the slice, any shape.
        n_rest: samples in the rest.
        base_rate: error rate of the rest, in [0, 1].
        alpha: level of the test.
        power: wanted probability of seeing it.

    Returns:
        Gaps in (0, 1]; NaN where even a slice that fails throughout would not have been seen.

    Raises:
        ValueError: `alpha` or `power` is not between 0 and 1, or `base_rate` is outside of [0, 1].

    Reference:
        J. L. Fleiss, B. Levin and M. C. Paik, "Statistical Methods for Rates and Proportions",
        3rd edition (2003), section 4.3, pooled variance under the null.
    """
    if not (0 < alpha < 1 and 0 < power < 1):
        raise ValueError(
            f"expected alpha and power between 0 and 1; got {alpha!r} and {power!r}: "
            "give shares, not percentages"
        )
    own, rest, base = np.broadcast_arrays(
        *(np.asarray(part, dtype=np.float64) for part in (n_slice, n_rest, base_rate))
    )
    if bool(np.any((base < 0) | (base > 1))):
        raise ValueError("expected base rates in [0, 1]; give shares, not percentages")
    z_alpha, z_power = norm.isf(alpha / 2), norm.ppf(power)
    known = (own > 0) & (rest > 0) & np.isfinite(base)
    own, rest = np.where(known, own, 1.0), np.where(known, rest, 1.0)

    def surplus(gap: Floats) -> Floats:
        worse = base + gap
        pooled = (own * worse + rest * base) / (own + rest)
        null = np.sqrt(np.maximum(pooled * (1 - pooled), 0) * (1 / own + 1 / rest))
        actual = np.sqrt(np.maximum(worse * (1 - worse), 0) / own + base * (1 - base) / rest)
        return np.asarray(gap - z_alpha * null - z_power * actual, dtype=np.float64)

    low, high = np.zeros_like(base), 1 - base
    seen = known & (surplus(high) >= 0) & (high > 0)
    for _ in range(50):  # halving 50 times leaves less than 1e-15
        middle = (low + high) / 2
        enough = surplus(middle) >= 0
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.where(seen, high, np.nan)
