"""Interaction of two or three attribute values: is their joint effect more than the sum of the others?"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
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
from auditor.statistics.mid_p import weighted_mid_p


@dataclass(frozen=True, slots=True)
class Interactions:
    """Interactions of many pairs or triples; NaN if no stratum contains all cells.

    Attributes:
        excess: error rate of a pair beyond the sum of the two single effects, in [-2, 2]; of a triple,
            beyond the sum of the effects of its values and pairs, in [-4, 4].
        p_value: one-sided p-value of the hypothesis "at most the sum".
    """

    excess: Intervals
    p_value: Floats


def interaction_cells(n_values: int) -> list[tuple[bool, ...]]:
    """The combinations of having each value or not: those with more values first, then lexicographic.

    Args:
        n_values: 2 or 3.
    """
    return sorted(itertools.product((True, False), repeat=n_values), key=lambda cell: -sum(cell))


def interaction_signs(n_values: int) -> Floats:
    """Sign of each cell in the interaction contrast, 1 or -1: +, -, -, + for two values."""
    return np.array([(-1.0) ** (n_values - sum(cell)) for cell in interaction_cells(n_values)])


def stratified_interaction(
    failures: ArrayLike, totals: ArrayLike, confidence: float = 0.95
) -> Interactions:
    """Interaction on the scale of rate differences, within strata.

    In each stratum it is (both - first only) - (second only - neither), as rates. For three values, it
    is the interaction of the first two among samples with the third, minus that among the others. Strata
    are weighted by the inverse of Σ 1 / samples over their cells. Values with purely additive effects do
    not interact, however high the error rate of the intersection.

    Args:
        failures: (4, ..., S) failures with both values, the first only, the second only, neither, by
            stratum; or (8, ..., S) for three values, in the order of `interaction_cells`.
        totals: samples, of the same shape.
        confidence: coverage of the intervals.

    Returns:
        Excess of shape (...) with its interval, and the test.

    Raises:
        ValueError: a count is outside 0 … total, or `confidence` is out of range.

    Reference:
        Interaction contrast: K. J. Rothman, S. Greenland and T. L. Lash, "Modern Epidemiology", 3rd
        edition (2008), chapter 5. Interval: square-and-add of the mid-p limits of the four rates, by
        G. Zou and A. Donner, Statistics in Medicine 27 (2008) 1693-1702. Test: normal, with variances
        from (failures + 1/2) / (samples + 1), so that the variance of a cell without failures is not
        0; it is conservative where failures are rare.
    """
    count, total = counts_and_totals(failures, totals)
    z = two_sided_z(confidence)
    filled = (total > 0).all(0)
    safe = np.where(filled, total, 1.0)
    rate, smooth = np.where(filled, count, 0.0) / safe, (count + 0.5) / (total + 1)
    weight = np.where(filled, 1 / (1 / safe).sum(0), 0.0)
    signs = interaction_signs(len(count).bit_length() - 1)
    whole = weight.sum(-1)
    share = weight / np.where(whole > 0, whole, 1.0)[..., None]
    excess = (share * np.tensordot(signs, rate, 1)).sum(-1)
    deviation = np.sqrt((share**2 * (smooth * (1 - smooth) / safe).sum(0)).sum(-1))
    known = whole > 0
    spread = np.where(known, deviation, 1.0)
    cells = [weighted_mid_p(failed, n, share, z) for failed, n in zip(count, total, strict=True)]
    sums = _sum(cells, signs)
    widest = len(count) / 2
    return Interactions(
        Intervals(
            np.where(known, excess, np.nan),
            np.where(known, sums.low, -widest),
            np.where(known, sums.high, widest),
        ),
        np.where(known, norm.sf(excess / spread), np.nan),
    )


def _sum(rates: Sequence[Intervals], signs: Floats) -> Intervals:
    """Signed sum of independent rates by square-and-add of their limits."""
    value, below, above = np.zeros((3, *np.shape(rates[0].value)))
    for rate, sign in zip(rates, signs, strict=True):
        to_low, to_high = rate.value - rate.low, rate.high - rate.value
        value += sign * rate.value
        below = np.hypot(below, to_low if sign > 0 else to_high)
        above = np.hypot(above, to_high if sign > 0 else to_low)
    return Intervals(value, value - below, value + above)
