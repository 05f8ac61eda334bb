"""Values of one attribute against each other: each against the best, against a reference, extremes.

Where one site of five is better than the other four, each is near the average of all others. That
the four fare worse than the best shows only when values are compared in pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from auditor.statistics.intervals import (
    Floats,
    Integers,
    Interval,
    Intervals,
    two_sided_z,
)
from auditor.statistics.ratios import ratio_score, score_ratio
from auditor.statistics.value_pairs import ValuePairs


@dataclass(frozen=True, slots=True)
class ValueComparisons:
    """Each value of an attribute against another one; NaN where they share no stratum.

    Attributes:
        gap: (V,) error rate of the value minus that of its comparator; all intervals hold jointly.
        comparator: (V,) the value that it is compared with; -1 for none.
        p_value: (V,) one-sided, of "no worse than any comparator", adjusted for all values and
            comparators. Rejecting those up to alpha keeps the probability of any false accusation
            below alpha, however many other values are worse.
    """

    gap: Intervals
    comparator: Integers
    p_value: Floats


@dataclass(frozen=True, slots=True)
class Extremes:
    """The two values of an attribute that are furthest apart.

    Attributes:
        size: largest difference, or smallest ratio, of two values' rates, with an interval that
            accounts for all pairs.
        p_value: one-sided, of "no pair is further apart than the limit", adjusted for all pairs.
        pair: the value with the larger rate and the one with the smaller; None where nothing can
            be compared.
    """

    size: Interval
    p_value: float
    pair: tuple[int, int] | None


def compare_with_best(
    failures: ArrayLike,
    totals: ArrayLike,
    confidence: float = 0.95,
    n_draws: int = 20_000,
    seed: int = 0,
) -> ValueComparisons:
    """Compares every value with that other value which is most clearly better, within strata.

    Each pair is compared as in `stratified_gap`. The law of the largest of all standardised
    differences comes from normal draws with the correlation that sharing a value brings, so the
    choice of the best value from the data is accounted for. Values are tested from the worst on,
    each against what remains.

    Args:
        failures: (V, S) failures by value and stratum.
        totals: (V, S) samples.
        confidence: probability that all intervals hold, for every pair of values.
        n_draws: of the normal law.
        seed: of the draws.

    Returns:
        One comparison a value. To use them in `gatekeeping`, pass the smallest p-value as the one
        test of the attribute, and name the values whose p-value is at most the level it was given.

    Raises:
        ValueError: a count is outside of 0 … total, `failures` is not two-dimensional, or
            `confidence` is out of range.

    Reference:
        Comparisons with the best: J. C. Hsu, "Simultaneous confidence intervals for all distances
        from the best", Annals of Statistics 9 (1981) 1026-1034; with bounds away from zero, hence
        for all pairs: D. G. Edwards and J. C. Hsu, JASA 78 (1983) 965-971. Step-down with the
        largest statistic: P. H. Westfall and S. S. Young, "Resampling-Based Multiple Testing"
        (1993), algorithm 2.8. Where the draws do not reach, Bonferroni's bound takes over.
    """
    pairs = ValuePairs.of(failures, totals)
    law = pairs.draws(pairs.known, n_draws, seed)
    z = _quantile(law.max(1, initial=-np.inf), confidence)
    gaps = pairs.gaps(z)
    closest = np.where(pairs.known, gaps.low, -np.inf)
    comparator = closest.argmax(1) if len(closest) else np.zeros(0, dtype=np.int64)
    return _compared(gaps, np.where(pairs.known.any(1), comparator, -1), pairs, law)


def compare_with_reference(
    failures: ArrayLike,
    totals: ArrayLike,
    reference: int,
    confidence: float = 0.95,
    n_draws: int = 20_000,
    seed: int = 0,
) -> ValueComparisons:
    """Compares every value with one that was named before the outcomes were seen, within strata.

    Args:
        failures: (V, S) failures by value and stratum.
        totals: (V, S) samples.
        reference: position of the reference value.
        confidence: probability that all intervals hold.
        n_draws: of the normal law.
        seed: of the draws.

    Returns:
        One comparison a value; NaN for the reference itself.

    Raises:
        ValueError: there is no such value, or as in `compare_with_best`.

    Reference:
        C. W. Dunnett, JASA 50 (1955) 1096-1121; in steps: C. W. Dunnett and A. C. Tamhane, JASA 87
        (1992) 162-170.
    """
    pairs = ValuePairs.of(failures, totals)
    n_values = len(pairs.known)
    if not 0 <= reference < n_values:
        raise ValueError(f"expected a reference from 0 to {n_values - 1}; got {reference}")
    asked = np.zeros_like(pairs.known)
    asked[:, reference] = pairs.known[:, reference]
    law = pairs.draws(asked, n_draws, seed)
    both = pairs.draws(asked | asked.T, n_draws, seed).max(1, initial=-np.inf)
    gaps = pairs.gaps(_quantile(both, confidence))
    comparator = np.where(asked[:, reference], reference, -1)
    narrowed = ValuePairs(pairs.failures, pairs.totals, asked, pairs.score)
    return _compared(gaps, comparator, narrowed, law)


def largest_difference(
    failures: ArrayLike,
    totals: ArrayLike,
    limit: float = 0.0,
    confidence: float = 0.95,
    n_draws: int = 20_000,
    seed: int = 0,
) -> Extremes:
    """Largest difference between two values' error rates, within strata.

    With one stratum it is fairlearn's `difference()`. The estimate is too large on average where
    values hardly differ; the interval is not.

    Args:
        failures: (V, S) failures by value and stratum.
        totals: (V, S) samples.
        limit: largest acceptable difference, in [0, 1).
        confidence: probability that the interval holds the largest true difference.
        n_draws: of the normal law.
        seed: of the draws.

    Returns:
        The difference and the test of "no pair of values differs by more than the limit".

    Raises:
        ValueError: as in `compare_with_best`.

    Reference:
        As `compare_with_best`. The p-value against a positive limit stretches the interval: it is
        below 1 - confidence if and only if the interval lies above the limit.
    """
    pairs = ValuePairs.of(failures, totals)
    if not pairs.known.any():
        return Extremes(Interval(np.nan, 0.0, 1.0), np.nan, None)
    law = pairs.draws(pairs.known, n_draws, seed).max(1)
    z = _quantile(law, confidence)
    gaps = pairs.gaps(z)
    score = pairs.score
    if limit > 0:
        score = z * (gaps.value - limit) / np.maximum(gaps.value - gaps.low, 1e-12)
    size = np.where(pairs.known, gaps.value, -np.inf)
    worst, best = np.unravel_index(int(size.argmax()), size.shape)
    low = max(0.0, float(gaps.low[pairs.known].max()))
    high = float(gaps.high[pairs.known].max())
    return Extremes(
        Interval(float(size[worst, best]), low, high),
        _largest_p(score, pairs.known, law),
        (int(worst), int(best)),
    )


def smallest_ratio(
    counts: ArrayLike,
    totals: ArrayLike,
    limit: float = 0.8,
    confidence: float = 0.95,
    n_draws: int = 20_000,
    seed: int = 0,
) -> Extremes:
    """Smallest ratio between two values' rates, within strata: the four-fifths rule.

    With one stratum it is fairlearn's `ratio()`. Pass what should be alike: selections, correct
    predictions, or failures.

    Args:
        counts: (V, S) how many of `totals`, by value and stratum.
        totals: (V, S) samples.
        limit: smallest acceptable ratio, in (0, 1].
        confidence: probability that the interval holds the smallest true ratio.
        n_draws: of the normal law.
        seed: of the draws.

    Returns:
        The ratio in [0, 1] and the test of "no ratio is below the limit".

    Raises:
        ValueError: `limit` is out of range, or as in `compare_with_best`.

    Reference:
        29 CFR 1607.4 D for the rule; intervals of the pairs as in `stratified_ratio`.
    """
    if not 0 < limit <= 1:
        raise ValueError(f"expected a limit in (0, 1], such as 0.8; got {limit!r}")
    pairs = ValuePairs.of(counts, totals)
    effective = pairs.effective()
    known = pairs.known & (effective.count + effective.rest_count > 0)
    if not known.any():
        return Extremes(Interval(np.nan, 0.0, 1.0), np.nan, None)
    law = pairs.draws(known, n_draws, seed).max(1)
    ratios = score_ratio(effective, _quantile(law, confidence))
    score = np.where(known, -ratio_score(effective, limit), -np.inf)
    size = np.where(known, ratios.value, np.inf)
    least, most = np.unravel_index(int(size.argmin()), size.shape)
    low, high = float(ratios.low[known].min()), min(1.0, float(ratios.high[known].min()))
    return Extremes(
        Interval(float(size[least, most]), low, high),
        _largest_p(score, known, law),
        (int(most), int(least)),
    )


def _quantile(largest: Floats, confidence: float) -> float:
    """Normal quantile of a joint interval, at least that of a single one-sided interval."""
    two_sided_z(confidence)
    known = largest[np.isfinite(largest)]
    floor = float(norm.ppf(confidence))
    return max(floor, float(np.quantile(known, confidence))) if len(known) else floor


def _compared(
    gaps: Intervals, comparator: Integers, pairs: ValuePairs, law: Floats
) -> ValueComparisons:
    row = np.arange(len(comparator))
    found = comparator >= 0

    def chosen(part: Floats, fill: float) -> Floats:
        return np.where(found, part[row, comparator], fill) if len(row) else np.zeros(0)

    return ValueComparisons(
        Intervals(chosen(gaps.value, np.nan), chosen(gaps.low, -1.0), chosen(gaps.high, 1.0)),
        comparator.astype(np.int64),
        _step_down(pairs.score, pairs.known, law),
    )


def _step_down(score: Floats, known: NDArray[np.bool_], law: Floats) -> Floats:
    """(V,) adjusted p-values of each value's largest score, from the worst value on."""
    largest = np.where(known, score, -np.inf).max(1, initial=-np.inf)
    adjusted = np.full(len(largest), np.nan)
    tested = np.flatnonzero(known.any(1))
    order = tested[np.argsort(-largest[tested], kind="stable")]
    n_left = np.cumsum(known[order].sum(1)[::-1])[::-1]
    remaining = np.maximum.accumulate(law[:, order[::-1]], axis=1)[:, ::-1]
    reached = (1 + (remaining >= largest[order]).sum(0)) / (1 + len(law))
    bound = n_left * norm.sf(largest[order])
    adjusted[order] = np.minimum(np.maximum.accumulate(np.minimum(reached, bound)), 1.0)
    return adjusted


def _largest_p(score: Floats, known: NDArray[np.bool_], law: Floats) -> float:
    """P-value of the largest score of all pairs."""
    largest = float(score[known].max())
    reached = (1 + int((law >= largest).sum())) / (1 + len(law))
    return float(min(reached, known.sum() * norm.sf(largest), 1.0))
