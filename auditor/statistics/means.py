"""Means of a number: within strata between a slice and the rest, and of maps, by permutation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from auditor.statistics.cluster_cells import index_of
from auditor.statistics.intervals import Floats, Integers, Interval, two_sided_z
from auditor.statistics.permutation import MAX_DRAWS, permute_within, sequential_p_value

_NUMBERS_AT_ONCE = 4_000_000
"""Numbers drawn at a time, which bounds the memory."""


@dataclass(frozen=True, slots=True)
class MeanGap:
    """Difference of means, slice minus rest, within strata.

    Attributes:
        gap: the weighted mean of the differences within strata, with its interval.
        p_value: of "no difference in any stratum", by permutation within strata.
        n_slice: samples of the slice in strata that also hold the rest.
        n_rest: samples of the rest in strata that also hold the slice.
    """

    gap: Interval
    p_value: float
    n_slice: int
    n_rest: int


def stratified_mean_gap(
    values: ArrayLike,
    in_slice: ArrayLike,
    strata: ArrayLike,
    confidence: float = 0.95,
    n_permutations: int = MAX_DRAWS,
    seed: int = 0,
) -> MeanGap:
    """Difference of a number's mean between a slice and the rest of the same stratum.

    Strata are weighted by n·m / (n + m), as in the Mantel-Haenszel difference.

    Args:
        values: (N,) numbers, such as the share of evidence outside the object.
        in_slice: (N,) whether the sample is in the slice.
        strata: (N,) stratum of each sample, such as its label; any values that can be sorted.
        confidence: coverage of the (normal) interval.
        n_permutations: maximum number of permutations; a large p-value needs fewer. 0 uses the normal
            approximation with the exact variance under permutation.
        seed: random seed.

    Returns:
        The gap; NaN if no stratum contains both sides.

    Raises:
        ValueError: the lengths differ, or `confidence` is out of range.

    Reference:
        Permutation p-value: `sequential_p_value`.
    """
    z = two_sided_z(confidence)
    number, inside = np.asarray(values, dtype=np.float64), np.asarray(in_slice, dtype=bool)
    if not number.shape == inside.shape == np.shape(strata) or number.ndim != 1:
        raise ValueError(
            f"expected three arrays of the same length; got {number.shape}, {inside.shape}, "
            f"{np.shape(strata)}"
        )
    codes = index_of(strata)
    n_strata = int(codes.max(initial=-1)) + 1
    own = np.bincount(codes[inside], minlength=n_strata).astype(np.float64)
    rest = np.bincount(codes[~inside], minlength=n_strata).astype(np.float64)
    both = (own > 0) & (rest > 0)
    if not both.any():
        return MeanGap(Interval(np.nan, -np.inf, np.inf), np.nan, 0, 0)
    kept = both[codes]
    number, inside, codes = number[kept], inside[kept], codes[kept]
    weight = np.where(both, own * rest / np.maximum(own + rest, 1), 0.0)
    weight /= weight.sum()
    # The gap is one weighted sum over the slice of values centred by stratum.
    sizes = np.maximum(own + rest, 1)
    centred = number - (np.bincount(codes, number, n_strata) / sizes)[codes]
    per_sample = weight * sizes / np.maximum(own * rest, 1)
    scores = centred * per_sample[codes]
    value = float(scores[inside].sum())
    variance = sum(
        float((weight[both] ** 2 / n[both] * _variances(number[side], codes[side], n)[both]).sum())
        for side, n in ((inside, own), (~inside, rest))
    )
    if n_permutations:
        p_value = _permutation_p(value, scores, inside, codes, n_permutations, seed)
    else:
        p_value = _normal_p(value, scores, codes, own, rest)
    spread = z * np.sqrt(variance)
    gap = Interval(value, value - spread, value + spread)
    return MeanGap(gap, p_value, int(own[both].sum()), int(rest[both].sum()))


def _permutation_p(
    value: float,
    scores: Floats,
    inside: NDArray[np.bool_],
    codes: Integers,
    n_permutations: int,
    seed: int,
) -> float:
    """Two-sided p-value of the sum of the slice's scores under permutation within strata."""
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    generator = np.random.default_rng(seed)
    # Scores are very small in large strata, so rounding is measured relative to their sum.
    scale = max(float(np.abs(scores).sum()), 1e-300)

    def draw(size: int) -> Floats:
        drawn = permute_within(inside[order], sizes[sizes > 0], size, generator)
        return np.asarray(np.abs(drawn @ scores[order]) / scale, dtype=np.float64)

    batch = max(1, _NUMBERS_AT_ONCE // len(scores))
    return sequential_p_value(draw, abs(value) / scale, n_permutations, batch).p_value


def _normal_p(value: float, scores: Floats, codes: Integers, own: Floats, rest: Floats) -> float:
    """Two-sided p-value of a sum of scores, centred by stratum, under permutation within strata."""
    sizes = own + rest
    squares = np.bincount(codes, scores**2, len(sizes))
    variance = float((own * rest / np.maximum(sizes * (sizes - 1), 1) * squares).sum())
    return float(2 * norm.sf(abs(value) / np.sqrt(variance))) if variance > 0 else 1.0


def _variances(values: Floats, codes: Integers, sizes: Floats) -> Floats:
    """Sample variance in each stratum; the pooled variance is used for single samples."""
    mean = np.bincount(codes, values, len(sizes)) / np.maximum(sizes, 1)
    squares = np.bincount(codes, (values - mean[codes]) ** 2, len(sizes))
    freedom = np.maximum(sizes - 1, 0)
    pooled = squares.sum() / max(freedom.sum(), 1.0)
    return np.asarray(
        np.where(freedom > 0, squares / np.maximum(freedom, 1), pooled), dtype=np.float64
    )


@dataclass(frozen=True, slots=True)
class MapDifference:
    """Where two stacks of maps differ in the mean.

    Attributes:
        difference: (h, w) mean of the first minus mean of the second.
        statistic: (h, w) Welch's t.
        p_values: (h, w) corrected for all positions by the largest |t|.
        p_value: of "no difference anywhere"; the smallest of `p_values`.
        effect: (h, w) standardised difference (Cohen's d).
    """

    difference: Floats
    statistic: Floats
    p_values: Floats
    p_value: float
    effect: Floats


def map_difference(
    first: ArrayLike,
    second: ArrayLike,
    first_strata: ArrayLike | None = None,
    second_strata: ArrayLike | None = None,
    n_permutations: int = MAX_DRAWS,
    seed: int = 0,
) -> MapDifference:
    """Permutation test of the difference of two stacks of maps over all positions at once.

    Args:
        first: (N1, h, w) maps, unnormalised.
        second: (N2, h, w) maps.
        first_strata: (N1,) stratum of each map in `first`, such as its label; None for a single
            stratum.
        second_strata: (N2,) stratum of each map in `second`. Maps in a stratum that occurs in only
            one stack are not permuted and have no effect on the p-values.
        n_permutations: maximum number of permutations; fewer are needed if the smallest p-value is
            large. With 0, all p-values are 1.
        seed: random seed.

    Returns:
        The difference with p-values that hold for all positions together.

    Raises:
        ValueError: the maps differ in size, or a stack holds fewer than two.

    Reference:
        Largest statistic over positions: T. E. Nichols and A. P. Holmes, "Nonparametric permutation
        tests for functional neuroimaging", Human Brain Mapping 15 (2002) 1-25.
    """
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.ndim != 3 or two.ndim != 3 or one.shape[1:] != two.shape[1:]:
        raise ValueError(
            f"expected two stacks (N, h, w) of maps of one size; got {one.shape} and {two.shape}"
        )
    if min(len(one), len(two)) < 2:
        raise ValueError(
            f"expected at least two maps on each side; got {len(one)} and {len(two)}: "
            "leave this comparison out"
        )
    if (first_strata is None) != (second_strata is None):
        raise ValueError("expected strata for both stacks or for neither; got one of them")
    flat = np.concatenate([one, two]).reshape(len(one) + len(two), -1)
    if first_strata is None or second_strata is None:
        codes = np.zeros(len(flat), dtype=np.int64)
    else:
        codes = index_of(np.concatenate([np.asarray(first_strata), np.asarray(second_strata)]))
    sizes = np.bincount(codes)
    sums = np.zeros((len(sizes), flat.shape[1]))
    np.add.at(sums, codes, flat)
    flat = flat - (sums / sizes[:, None])[codes]
    inside = np.arange(len(flat)) < len(one)
    order = np.argsort(codes, kind="stable")
    generator = np.random.default_rng(seed)
    flat, inside = flat[order], inside[order]
    difference, statistic = _welch(inside[None].astype(np.float64), flat)

    def draw(size: int) -> Floats:
        drawn = permute_within(inside, sizes, size, generator).astype(np.float64)
        return np.asarray(np.abs(_welch(drawn, flat)[1]).max(1), dtype=np.float64)

    batch = max(1, min(2_000, 10 * _NUMBERS_AT_ONCE // flat.size))
    p_values = position_p_values(draw, np.abs(statistic[0]), n_permutations, batch)
    pooled = _pooled_deviation(flat[inside], flat[~inside])
    effect = np.divide(difference[0], pooled, out=np.zeros_like(pooled), where=pooled > 0)
    shape = one.shape[1:]
    return MapDifference(
        difference[0].reshape(shape),
        statistic[0].reshape(shape),
        p_values.reshape(shape),
        float(p_values.min()),
        effect.reshape(shape),
    )


def _pooled_deviation(first: Floats, second: Floats) -> Floats:
    """Pooled standard deviation of each position of (N, D) maps."""
    squares = sum(one.var(0, ddof=1) * (len(one) - 1) for one in (first, second))
    return np.asarray(np.sqrt(squares / (len(first) + len(second) - 2)), dtype=np.float64)


def position_p_values(
    draw: Callable[[int], Floats], statistic: Floats, n_permutations: int, largest_batch: int
) -> Floats:
    """P-values of positions, corrected for all of them by the largest statistic.

    Args:
        draw: takes a number n and returns the largest statistic of each of n permutations.
        statistic: (D,) statistics of the data.
        n_permutations: maximum number of permutations; with 0, all p-values are 1.
        largest_batch: maximum number of permutations at a time.

    Returns:
        (D,) p-values.
    """
    if not n_permutations:
        return np.ones(len(statistic))
    found = sequential_p_value(draw, float(statistic.max()), n_permutations, largest_batch)
    reached = len(found.drawn) - np.searchsorted(np.sort(found.drawn), statistic - 1e-9)
    # The largest statistic has the p-value of the stopping rule, and no other has a smaller one.
    return np.maximum((reached + 1) / (len(found.drawn) + 1), found.p_value)


def _welch(draws: Floats, flat: Floats) -> tuple[Floats, Floats]:
    """Differences of means and Welch's t, (B, D), for (B, N) memberships and (N, D) values."""
    total, squares = flat.sum(0), (flat**2).sum(0)
    sums, square_sums = draws @ flat, draws @ flat**2
    own = draws.sum(1, keepdims=True)
    rest = len(flat) - own
    mean, other = sums / own, (total - sums) / rest
    variance = np.maximum(square_sums / own - mean**2, 0) / (own - 1)
    other_variance = np.maximum((squares - square_sums) / rest - other**2, 0) / (rest - 1)
    error = np.sqrt(variance + other_variance)
    # A position that is the same in every map has no spread but rounding: it tells nothing.
    floor = 1e-12 * np.maximum(np.abs(flat).max(0), 1e-300)
    difference = mean - other
    return difference, np.divide(difference, error, out=np.zeros_like(error), where=error > floor)
