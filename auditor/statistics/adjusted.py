"""Gaps of attribute values with all other attributes held fixed jointly.

A linear regression of failure on nominal columns. The coefficient of a slice is a weighted mean of
the failures in the slice minus one of the failures in the rest, with weights that balance every
column. With the label as the only column it is the Mantel-Haenszel gap of `stratified_gap`. Only
sums over values and pairs of values are needed, so it is fast for many samples and attributes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import pearson3

from auditor.statistics.intervals import (
    Floats,
    Intervals,
    counts_and_totals,
    subtract,
    two_sided_z,
)
from auditor.statistics.mid_p import mid_p_of_share
from auditor.statistics.nominal import NominalColumns

_INSEPARABLE = 1e-6
"""If less than this share of a comparison's weight remains, the other columns determine the slice."""


@dataclass(frozen=True, slots=True)
class AdjustedGaps:
    """Gaps of K slices with other columns held fixed; NaN if these determine the slice.

    Attributes:
        gap: adjusted error rate of the slice minus that of the rest.
        p_value: two-sided, of "no gap".
        base_rate: adjusted error rate of the rest.
        worth: number of samples, half in the slice and half in the rest, that would carry as much
            information if nothing had to be held fixed. At most the number of samples.
        kept: information relative to that with only the strata held fixed, in [0, 1]. If it is
            small, the data can hardly separate the slice from the other columns.
    """

    gap: Intervals
    p_value: Floats
    base_rate: Floats
    worth: Floats
    kept: Floats


@dataclass(frozen=True, slots=True)
class Compared:
    """The values of one column in C cells, and what all other columns say of them.

    Attributes:
        membership: (C, K) 1 in the slice and 0 outside.
        weights: (C, K) memberships less what the columns held fixed say of them.
        plain: (C, K) memberships less what the strata say of them.
        expected: (C,) error rate that the columns held fixed imply.
        freedom: samples over residual degrees of freedom, at least 1.
    """

    membership: Floats
    weights: Floats
    plain: Floats
    expected: Floats
    freedom: float


def adjusted_gaps(
    failures: ArrayLike,
    totals: ArrayLike,
    attributes: Sequence[ArrayLike],
    strata: ArrayLike,
    confidence: float = 0.95,
) -> list[AdjustedGaps]:
    """Gap of every value of every attribute against its rest, all other attributes held fixed.

    An adjusted gap can exist where there is no plain gap: two associated attributes can mask each
    other.

    Args:
        failures: (C,) failures in each cell. A cell is one sample or one combination of values.
        totals: (C,) samples in each cell.
        attributes: one column of (C,) codes from 0 for each attribute.
        strata: (C,) codes from 0, such as those of the label, which are always held fixed.
        confidence: coverage of each interval.

    Returns:
        One result per attribute, with one entry per code. All other columns are held fixed, and ten
        classes of the risk that they imply jointly. To hold the combination of two attributes fixed,
        code it into `strata`.

    Raises:
        ValueError: lengths differ, a code is negative, a count is outside of 0 … total, or
            `confidence` is out of range.

    Reference:
        R. Frisch and F. V. Waugh, Econometrica 1 (1933) 387-401, for the weights; classes of risk:
        B. B. Hansen, Biometrika 95 (2008) 481-488; intervals as in
        `stratified_gap` with the effective sizes of these weights; test: the score test, with
        Pearson's type III distribution for its skewness, as P. W. Mielke and K. J. Berry, "Permutation
        Methods" (2001), section 2.3.
    """
    z = two_sided_z(confidence)
    count, total = counts_and_totals(failures, totals)
    compared = compared_columns(count, total, attributes, strata)
    return [weighted_gaps(count, total, one, z) for one in compared]


def compared_columns(
    count: Floats, total: Floats, attributes: Sequence[ArrayLike], strata: ArrayLike
) -> Iterator[Compared]:
    """Regresses each column on all others; arguments as in `adjusted_gaps`."""
    plain_columns = NominalColumns.of([strata, *attributes], total)
    effects = plain_columns.log_odds(count)
    for place in range(1, len(effects)):
        columns = plain_columns.with_risk(effects, place)
        others = [k for k in range(len(columns.codes)) if k != place]
        membership = columns.dummies(place)
        yield Compared(
            membership=membership,
            weights=membership - columns.fitted(columns.cross(place), others),
            plain=membership - columns.fitted(columns.cross(place), [0]),
            expected=columns.fitted(columns.sums(count)[:, None], others)[:, 0],
            freedom=columns.freedom(others),
        )


def weighted_gaps(count: Floats, total: Floats, compared: Compared, z: float) -> AdjustedGaps:
    """Gaps from the weights of cells; see `adjusted_gaps`.

    Args:
        count: (C,) failures.
        total: (C,) samples.
        compared: the column whose values are compared.
        z: normal quantile of the intervals.

    Returns:
        (K,) gaps.
    """
    membership, weights = compared.membership, compared.weights
    size = total @ (weights * membership)
    before = total @ (compared.plain * membership)
    kept = np.divide(size, before, out=np.zeros_like(size), where=before > _INSEPARABLE)
    known = kept > _INSEPARABLE
    scale = np.where(known, size, 1.0)
    rate = np.clip(compared.expected, 0, 1)
    variance = rate * (1 - rate) * compared.freedom
    sides = []
    mean = float((total * rate).sum() / max(total.sum(), 1.0))
    pooled = mean * (1 - mean)
    for sign, side in ((1.0, membership), (-1.0, 1 - membership)):
        inside = side * weights
        value = sign * (count @ inside) / scale
        inside *= weights
        inverse = total @ inside / scale**2
        spread = (total * variance) @ inside / scale**2
        base = inverse * pooled
        effect = np.divide(spread, base, out=np.ones_like(base), where=base > 0)
        n = known / np.where(known & (inverse > 0), inverse * np.clip(effect, 0.1, 1.0), 1.0)
        sides.append(mid_p_of_share(np.clip(value, 0, 1) * n, n, z))
    own, rest = sides
    p_value = _score_p(weights, total, count, rate, variance)
    return AdjustedGaps(
        subtract(own, rest),
        np.where(known, p_value, np.nan),
        rest.value,
        np.where(known, 4 * size, 0.0),
        np.clip(kept, 0, 1),
    )


def _score_p(
    weights: Floats, total: Floats, count: Floats, rate: Floats, variance: Floats
) -> Floats:
    """(K,) two-sided p-values of the weighted sums of failures."""
    squared = weights * weights
    distance = (count - total * rate) @ weights
    second = (total * variance) @ squared
    third = (total * variance * (1 - 2 * rate)) @ (squared * weights)
    known = second > 1e-12  # otherwise all residuals are 0 except for rounding
    deviation = np.sqrt(np.where(known, second, 1.0))
    score, skew = distance / deviation, np.where(known, third / deviation**3, 0.0)
    upper = pearson3.sf(score, skew)
    p_value = 2 * np.minimum(upper, 1 - upper)
    return np.where(known, np.clip(p_value, 0, 1), 1.0)
