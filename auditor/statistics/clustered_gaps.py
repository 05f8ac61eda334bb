"""Gaps between a slice and the rest for clustered samples, such as several images of a patient.

The estimates are those of `stratified_gap` and `stratified_mean_gap`. The intervals take the
correlation inside clusters into account, and the tests permute clusters. If no two samples share a
cluster, the results are the same as without clusters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student

from auditor.statistics.cluster_cells import Comparison, Side, ratio
from auditor.statistics.cluster_correlation import Inflation, correlations, inflation
from auditor.statistics.cluster_sample import ClusterSample, n_clusters
from auditor.statistics.gaps import Gaps, stratified_gap
from auditor.statistics.intervals import (
    Floats,
    Integers,
    Interval,
    Intervals,
    two_sided_z,
    wilson_of_share,
)
from auditor.statistics.means import MeanGap, stratified_mean_gap
from auditor.statistics.permutation import MAX_DRAWS

_LEAST_FOR_LIMITS = 2
"""Smallest number of clusters from which the variance of a side can be estimated."""


@dataclass(frozen=True, slots=True)
class ClusteredGaps(Gaps):
    """Gaps of many slices for clustered samples.

    The p-value is also NaN if one side has fewer than five clusters.

    Attributes:
        n_slice_clusters: number of clusters of the samples counted in `n_slice`.
        n_rest_clusters: number of clusters of the samples counted in `n_rest`.
        effective_slice: effective sample size of the slice: `effective_slice` and `effective_rest`
            independent samples would give the gap the same variance. For `detectable_gap`.
        effective_rest: effective sample size of the rest.
        design_effect: variance of the gap relative to that of independent samples.
    """

    n_slice_clusters: Floats
    n_rest_clusters: Floats
    effective_slice: Floats
    effective_rest: Floats
    design_effect: Floats


@dataclass(frozen=True, slots=True)
class ClusteredMeanGap(MeanGap):
    """Difference of means for clustered samples.

    Attributes:
        n_slice_clusters: number of clusters of the samples counted in `n_slice`.
        n_rest_clusters: number of clusters of the samples counted in `n_rest`.
        design_effect: variance of the gap relative to that of independent samples.
    """

    n_slice_clusters: int
    n_rest_clusters: int
    design_effect: float


def clustered_gap(
    failures: ArrayLike,
    slices: Sequence[Integers],
    strata: ArrayLike,
    groups: ArrayLike,
    confidence: float = 0.95,
    seed: int = 0,
    max_draws: int = MAX_DRAWS,
) -> ClusteredGaps:
    """Gap of each slice against the rest within strata, for clustered samples.

    The gap is that of `stratified_gap`. For a slice within one label, only the strata of that label
    contain both sides, so this is also the clustered version of `proportion_gap`.

    Args:
        failures: (N,) whether a sample failed, 0 or 1.
        slices: rows of the samples of each slice, M arrays.
        strata: (N,) stratum of each sample, such as its label; any values that can be sorted.
        groups: (N,) cluster of each sample, such as the patient; any values that can be sorted.
        confidence: coverage of the intervals.
        seed: random seed.
        max_draws: maximum number of permutations for a slice; 0 uses the normal approximation.

    Returns:
        Gaps of shape (M,); unknown (NaN, with limits of -1 and 1) where either side has no samples.

    Raises:
        ValueError: the lengths differ, a failure is neither 0 nor 1, or `confidence` is out of
            range.

    Reference:
        Interval: Newcombe's square-and-add of two Wilson limits at effective sample sizes, with the
        correlation of both rates: J. N. K. Rao and A. J. Scott, Biometrics 48 (1992) 577-585; E. L.
        Korn and B. I. Graubard, Survey Methodology 24 (1998) 193-201; G. Y. Zou, Statistics in
        Medicine 26 (2007) 2946. Student's quantile replaces the normal one, as A. C. Cameron and
        D. L. Miller, Journal of Human Resources 50 (2015) 317-372, section VI, advise. Test:
        `ClusterPermutation`.
    """
    two_sided_z(confidence)
    found: list[tuple[float, ...]]
    if np.size(failures) == np.size(strata) == np.size(groups) == 0:  # a class without samples
        found = [_UNKNOWN] * len(slices)
    else:
        sample = ClusterSample.of(failures, strata, groups)
        if not bool(np.isin(sample.values, (0, 1)).all()):
            raise ValueError(
                "expected failures as 0 and 1; got other values: pass whether each failed"
            )
        found = [_of_slice(sample, rows, confidence, seed, max_draws) for rows in slices]
    columns = np.array(found, dtype=np.float64).reshape(len(found), _COLUMNS).T
    return ClusteredGaps(Intervals(*columns[:3]), *columns[3:])


_COLUMNS = 12
_UNKNOWN = (np.nan, -1.0, 1.0, np.nan, 0.0, 0.0, np.nan, 0.0, 0.0, 0.0, 0.0, np.nan)


def _of_slice(
    whole: ClusterSample, rows: Integers, confidence: float, seed: int, max_draws: int
) -> tuple[float, ...]:
    """One row of `ClusteredGaps`, in the order of its fields."""
    chosen = np.zeros(len(whole.values), dtype=bool)
    chosen[rows] = True
    restricted = whole.restricted(chosen)
    if restricted is None:
        return _UNKNOWN
    sample, inside = restricted
    comparison = sample.compared(inside)
    own, rest = comparison.own, comparison.rest
    n_own, n_rest = own.support.sum(), rest.support.sum()
    if sample.independent:
        failed = np.rint(own.mean * own.support), np.rint(rest.mean * rest.support)
        one = stratified_gap(failed[0], own.support, failed[1], rest.support, confidence)
        gap, p_value, known = one.gap[()], float(one.p_value), (n_own, n_rest, n_own, n_rest, 1.0)
        return (gap.value, gap.low, gap.high, p_value, n_own, n_rest, float(one.base_rate), *known)
    known_pairs = correlations(comparison)
    grown = inflation(comparison, known_pairs)
    clusters = n_clusters(comparison, own), n_clusters(comparison, rest)
    gap = _limits(comparison, grown, confidence)
    if min(clusters) < _LEAST_FOR_LIMITS:
        gap = Interval(gap.value, -1.0, 1.0)
    # The two rates may be correlated; these sizes give their difference the right variance.
    base = float((comparison.weight * rest.mean).sum())
    return (
        *(gap.value, gap.low, gap.high),
        sample.test(inside, comparison, known_pairs, max_draws, seed),
        *(n_own, n_rest, base, *clusters),
        *(n_own / grown.together, n_rest / grown.together, grown.together),
    )


def _limits(comparison: Comparison, grown: Inflation, confidence: float) -> Interval:
    """Square-and-add interval from the Wilson limits of two correlated rates."""
    quantile = float(student.isf((1 - confidence) / 2, grown.freedom))
    own = _wilson(comparison, comparison.own, quantile * np.sqrt(grown.own))
    rest = _wilson(comparison, comparison.rest, quantile * np.sqrt(grown.rest))
    value = own.value - rest.value

    def distance(one: float, other: float) -> float:
        return float(np.sqrt(max(one**2 - 2 * grown.correlation * one * other + other**2, 0.0)))

    below = distance(own.value - own.low, rest.high - rest.value)
    above = distance(own.high - own.value, rest.value - rest.low)
    return Interval(value, value - below, value + above)


def _wilson(comparison: Comparison, side: Side, quantile: float) -> Interval:
    """Wilson limits of the weighted rate of a side, for the sample sizes of `stratified_gap`.

    A sample size divided by the design effect d gives the same limits as the quantile multiplied by
    the square root of d, because both enter only as quantile² / size.
    """
    weight = comparison.weight
    inverse = ratio(weight**2, side.support)
    simple = inverse.sum()
    pooled = float((weight * comparison.both.mean).sum())
    scale = simple * pooled * (1 - pooled)
    effect = (inverse * comparison.variance).sum() / scale if scale > 0 else 1.0
    size = np.array(1 / (simple * np.clip(effect, 0.1, 1.0)))
    value = np.clip((weight * side.mean).sum(), 0, 1)
    return wilson_of_share(value * size, size, quantile)[()]


def clustered_mean_gap(
    values: ArrayLike,
    in_slice: ArrayLike,
    strata: ArrayLike,
    groups: ArrayLike,
    confidence: float = 0.95,
    n_permutations: int = MAX_DRAWS,
    seed: int = 0,
) -> ClusteredMeanGap:
    """Difference of the means of slice and rest, for clustered samples.

    Args:
        values: (N,) numbers, finite.
        in_slice: (N,) whether the sample is in the slice.
        strata: (N,) stratum of each sample, such as its label; any values that can be sorted.
        groups: (N,) cluster of each sample, such as the patient; any values that can be sorted.
        confidence: coverage of the interval (Student's).
        n_permutations: maximum number of permutations; 0 uses the normal approximation.
        seed: random seed.

    Returns:
        The gap of `stratified_mean_gap`; the p-value is NaN if one side has fewer than five
        clusters.

    Raises:
        ValueError: the lengths differ, a value is not finite, or `confidence` is out of range.

    Reference:
        As `clustered_gap`; the variances of both sides are multiplied by their design effects.
    """
    two_sided_z(confidence)
    chosen = np.asarray(in_slice, dtype=bool)
    whole = ClusterSample.of(values, strata, groups)
    if chosen.shape != whole.values.shape:
        raise ValueError(
            f"expected membership of {len(whole.values)} samples; got shape {chosen.shape}"
        )
    restricted = whole.restricted(chosen)
    if restricted is None:
        return ClusteredMeanGap(Interval(np.nan, -np.inf, np.inf), np.nan, 0, 0, 0, 0, np.nan)
    sample, inside = restricted
    comparison = sample.compared(inside)
    own, rest = comparison.own, comparison.rest
    sizes = int(own.support.sum()), int(rest.support.sum())
    if sample.independent:
        one = stratified_mean_gap(
            sample.values, inside, sample.stratum, confidence, n_permutations, seed
        )
        return ClusteredMeanGap(one.gap, one.p_value, *sizes, *sizes, 1.0)
    known = correlations(comparison)
    grown = inflation(comparison, known)
    clusters = n_clusters(comparison, own), n_clusters(comparison, rest)
    spread = float(student.isf((1 - confidence) / 2, grown.freedom)) * _deviation(comparison, grown)
    if min(clusters) < _LEAST_FOR_LIMITS:
        spread = np.inf
    gap = Interval(comparison.gap, comparison.gap - spread, comparison.gap + spread)
    p_value = sample.test(inside, comparison, known, n_permutations, seed)
    return ClusteredMeanGap(gap, p_value, *sizes, *clusters, grown.together)


def _deviation(comparison: Comparison, grown: Inflation) -> float:
    """Standard deviation of a difference of means; the pooled variance is used for single samples."""
    variances = []
    for side, factor in ((comparison.own, grown.own), (comparison.rest, grown.rest)):
        freedom = np.maximum(side.support - 1, 0)
        squares = side.variance * side.support
        pooled = squares.sum() / max(freedom.sum(), 1.0)
        alone = np.where(freedom > 0, squares / np.maximum(freedom, 1), pooled)
        variances.append(float((ratio(comparison.weight**2, side.support) * alone).sum()) * factor)
    own, rest = variances
    return float(np.sqrt(max(own - 2 * grown.correlation * np.sqrt(own * rest) + rest, 0.0)))
