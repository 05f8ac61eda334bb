"""How many samples show that a number lies beyond a limit, or that a gap lies inside of one.

Each function finds the number with which the interval that judges the criterion lies beyond the limit
with a stated probability (the power), if the number is as assumed. Intervals are two-sided, so that the
probability of a false statement on one side is (1 - confidence) / 2.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import binom, norm
from scipy.stats import t as student

from auditor.statistics.cluster_sample import LEAST_CLUSTERS
from auditor.statistics.intervals import Floats, Integers, subtract, two_sided_z
from auditor.statistics.mid_p import mid_p

MOST = 1_000_000
"""Larger numbers are not searched for."""
_EXACT_UP_TO = 5_000
"""Samples up to which the binomial distribution is used; beyond, it is close to the normal one."""
_NEGLIGIBLE = 1e-10
"""Probability of the counts that are left out on either side."""


def share_power(number: Integers, rate: float, limit: float, confidence: float = 0.95) -> Floats:
    """Probability that the interval of a share lies above a limit.

    Args:
        number: (...) samples, at least 1.
        rate: the true share, in [0, 1].
        limit: in (0, 1).
        confidence: of the interval, which has the wider of Wilson's and the mid-p limits.

    Returns:
        (...) exact probabilities.

    Raises:
        ValueError: a share is out of range, or `confidence` is.

    Reference:
        `auditor.statistics.proportion`. The lower limit of Wilson is above the limit where the score
        test rejects, and that of the mid-p interval where the one-sided mid-p test does.
    """
    _check_share(rate, limit)
    z = two_sided_z(confidence)
    needed = np.floor(number * limit + z * np.sqrt(number * limit * (1 - limit))) + 1
    while True:
        tail = binom.sf(needed, number, limit) + binom.pmf(needed, number, limit) / 2
        short = (tail >= norm.sf(z)) & (needed <= number)
        if not short.any():
            break
        needed = needed + short
    return np.asarray(binom.sf(needed - 1, number, rate), dtype=np.float64)


def samples_for_share(
    rate: float, limit: float, confidence: float = 0.95, power: float = 0.8
) -> int | None:
    """Samples from which on the interval of a share lies beyond a limit with the stated power.

    Args:
        rate: the assumed share, in [0, 1], above the limit or below it.
        limit: in (0, 1).
        confidence: of the interval, see `share_power`.
        power: required probability, in (0, 1).

    Returns:
        The number; no larger number has less power, which rises and falls with the number because
        counts are whole. None above a million, and for a rate equal to the limit.

    Raises:
        ValueError: a share is out of range, or `confidence` or `power` is.
    """
    _check_share(rate, limit)
    if rate < limit:
        rate, limit = 1 - rate, 1 - limit
    about = effective_number(rate, limit, confidence, power)
    if about > MOST:
        return None
    if about > _EXACT_UP_TO:
        return int(np.ceil(about))
    number = np.arange(max(int(about / 2), 1), int(1.5 * about) + 100)
    weak = np.flatnonzero(share_power(number, rate, limit, confidence) < power)
    return int(number[weak[-1]]) + 1 if len(weak) else int(number[0])


def effective_number(
    rate: float, limit: float, confidence: float = 0.95, power: float = 0.8
) -> float:
    """Number of independent samples for a share, from the normal approximation.

    Args:
        rate: the assumed share, in [0, 1].
        limit: in (0, 1).
        confidence: of the interval.
        power: required probability, in (0, 1).

    Returns:
        The number; infinite for a rate equal to the limit.

    Raises:
        ValueError: a share is out of range, or `confidence` or `power` is.

    Reference:
        J. L. Fleiss, B. Levin and M. C. Paik, "Statistical Methods for Rates and Proportions", 3rd
        edition (2003), equation 2.13: the variance of the limit for the test, that of the assumed share
        for the estimate.
    """
    _check_share(rate, limit)
    distance = abs(rate - limit)
    if distance == 0:
        return np.inf
    null, actual = np.sqrt(limit * (1 - limit)), np.sqrt(rate * (1 - rate))
    return float(((two_sided_z(confidence) * null + _z_of(power) * actual) / distance) ** 2)


def samples_for_auroc(
    auroc: float, limit: float, prevalence: float, confidence: float = 0.95, power: float = 0.8
) -> int | None:
    """Samples, positive and negative together, that show an AUROC beyond a limit.

    Args:
        auroc: the assumed value, in (0, 1).
        limit: in (0, 1).
        prevalence: share of the positives, in (0, 1).
        confidence: of the interval.
        power: required probability, in (0, 1).

    Returns:
        The number; None above a million.

    Raises:
        ValueError: a share is out of range, or `confidence` or `power` is.

    Reference:
        Variance: J. A. Hanley and B. J. McNeil, Radiology 143 (1982) 29-36, equation 1, with the
        exponential model for Q1 and Q2.
    """
    _check_share(auroc, limit)
    _check_share(auroc, prevalence)
    needed = effective_number(auroc, limit, confidence, power)
    above = auroc / (2 - auroc) - auroc**2
    below = 2 * auroc**2 / (1 + auroc) - auroc**2
    own = auroc * (1 - auroc)

    def enough(number: int) -> bool:
        positive, negative = number * prevalence, number * (1 - prevalence)
        if min(positive, negative) < 1:
            return False
        spread = own + (positive - 1) * above + (negative - 1) * below
        return own * positive * negative / max(spread, 1e-300) >= needed

    return _smallest(enough)


def samples_for_balanced_accuracy(
    rate: float,
    limit: float,
    shares: Floats,
    confidence: float = 0.95,
    power: float = 0.8,
) -> int | None:
    """Samples of all classes that show a balanced accuracy beyond a limit, if all recalls are equal.

    Args:
        rate: the assumed value, in [0, 1].
        limit: in (0, 1).
        shares: (K,) of the classes among the samples, positive.
        confidence: of the interval.
        power: required probability, in (0, 1).

    Returns:
        The number; None above a million.

    Raises:
        ValueError: a share is out of range, or `confidence` or `power` is.
    """
    needed = effective_number(rate, limit, confidence, power)
    # Variance of the mean of K recalls, relative to that of a share of as many samples.
    number = needed * float((1 / shares).sum()) / len(shares) ** 2
    return int(np.ceil(number)) if number <= MOST else None


def samples_for_mean(
    distance: float, deviation: float, confidence: float = 0.95, power: float = 0.8
) -> int | None:
    """Samples that show a mean beyond a limit.

    Args:
        distance: of the assumed mean from the limit, positive.
        deviation: standard deviation of one sample.
        confidence: of the interval.
        power: required probability, in (0, 1).

    Returns:
        The number; None above a million.

    Raises:
        ValueError: the distance is not positive, or `confidence` or `power` is out of range.
    """
    if not distance > 0:
        raise ValueError(f"expected a positive distance from the limit; got {distance!r}")
    number = ((two_sided_z(confidence) + _z_of(power)) * deviation / distance) ** 2
    return int(np.ceil(max(number, 2))) if number <= MOST else None


def gap_power(
    number: int, rest: int, rates: tuple[float, float], limit: float, confidence: float = 0.95
) -> float:
    """Probability that the interval of a gap between two shares lies inside of ± a limit.

    Args:
        number: samples of the slice.
        rest: samples that it is compared with.
        rates: true shares of both.
        limit: of the absolute gap, in (0, 1).
        confidence: of the interval, see `proportion_gap`.

    Raises:
        ValueError: a share is out of range, or `confidence` is.
    """
    chances, counts = [], []
    for size, rate in zip((number, rest), rates, strict=True):
        _check_share(rate, limit)
        first, last = (int(end(_NEGLIGIBLE, size, rate)) for end in (binom.ppf, binom.isf))
        counts.append(np.arange(max(first, 0), last + 1))
        chances.append(binom.pmf(counts[-1], size, rate))
    own = mid_p(counts[0][:, None], number, confidence)
    gap = subtract(own, mid_p(counts[1][None, :], rest, confidence))
    inside = (gap.low > -limit) & (gap.high < limit)
    return float(chances[0] @ inside @ chances[1])


def samples_for_gap(
    rates: tuple[float, float],
    limit: float,
    rest_per_sample: float,
    confidence: float = 0.95,
    power: float = 0.8,
) -> int | None:
    """Samples of a slice that show a gap to the rest to lie inside of ± a limit.

    Args:
        rates: assumed shares of the slice and of the rest, closer to each other than the limit.
        limit: of the absolute gap, in (0, 1).
        rest_per_sample: samples of the rest for each one of the slice, positive.
        confidence: of the interval; each of the two one-sided tests has the level
            (1 - confidence) / 2.
        power: required probability, in (0, 1).

    Returns:
        The number; None above a million, and for rates that differ by the limit or more.

    Raises:
        ValueError: a share is out of range, or `confidence` or `power` is.

    Reference:
        D. J. Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15 (1987) 657-680.
    """
    _z_of(power)
    if abs(rates[0] - rates[1]) >= limit:
        return None

    def enough(number: int) -> bool:
        rest = max(round(number * rest_per_sample), 1)
        return gap_power(number, rest, rates, limit, confidence) >= power

    return _smallest(enough)


def clusters_for(
    number: int,
    per_cluster: float,
    correlation: float,
    confidence: float = 0.95,
    power: float = 0.8,
) -> int:
    """Clusters that are worth as much as a number of independent samples.

    Args:
        number: independent samples.
        per_cluster: samples of each cluster, at least 1.
        correlation: within clusters, in [0, 1].
        confidence: of the interval; with few clusters its quantile is that of Student's t.
        power: required probability, in (0, 1).

    Returns:
        Number of clusters, at least five.

    Raises:
        ValueError: an argument is out of range.

    Reference:
        Design effect 1 + (m - 1) · correlation: L. Kish, "Survey sampling" (1965), section 5.4.
    """
    if not (per_cluster >= 1 and 0 <= correlation <= 1):
        raise ValueError(
            f"expected at least 1 sample per cluster and a correlation in [0, 1]; got {per_cluster!r} "
            f"and {correlation!r}"
        )
    normal = two_sided_z(confidence) + _z_of(power)
    wanted = number * (1 + (per_cluster - 1) * correlation) / per_cluster
    clusters = max(int(np.ceil(wanted)), LEAST_CLUSTERS)
    while clusters < wanted * _student(clusters - 1, confidence, power) ** 2 / normal**2:
        clusters += 1 + clusters // 200
    return clusters


def _student(freedom: int, confidence: float, power: float) -> float:
    return float(student.isf((1 - confidence) / 2, freedom) + student.ppf(power, freedom))


def _smallest(enough: Callable[[int], bool]) -> int | None:
    """The smallest number for which a condition holds that holds for all larger ones."""
    high = 2
    while not enough(high):
        high *= 2
        if high > MOST:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _z_of(power: float) -> float:
    if not 0 < power < 1:
        raise ValueError(f"expected a power between 0 and 1, such as 0.8; got {power!r}")
    return float(norm.ppf(power))


def _check_share(rate: float, limit: float) -> None:
    if not (0 <= rate <= 1 and 0 < limit < 1):
        raise ValueError(
            f"expected a rate from 0 to 1 and a limit between them; got {rate!r} and {limit!r}: give "
            "shares, not percentages"
        )
