"""Interaction of two attribute values: is their joint effect more than the sum of both?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from auditor.statistics.intervals import (
    Floats,
    Intervals,
    counts_and_totals,
    subtract,
    two_sided_z,
)
from auditor.statistics.mid_p import weighted_mid_p


@dataclass(frozen=True, slots=True)
class Interactions:
    """Interactions of many pairs; NaN if no stratum contains all four cells.

    Attributes:
        excess: error rate of the pair beyond the sum of the two single effects, in [-2, 2].
        p_value: one-sided p-value of the hypothesis "at most the sum".
    """

    excess: Intervals
    p_value: Floats


def stratified_interaction(
    failures: ArrayLike, totals: ArrayLike, confidence: float = 0.95
) -> Interactions:
    """Interaction on the scale of rate differences, within strata.

    In each stratum it is (both - first only) - (second only - neither), as rates. Strata are weighted
    by the inverse of Σ 1 / samples over their four cells. Two values with purely additive effects do not
    interact, however high the error rate of the pair.

    Args:
        failures: (4, ..., S) failures with both values, the first only, the second only, neither, by
            stratum.
        totals: (4, ..., S) samples.
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
    whole = weight.sum(-1)
    share = weight / np.where(whole > 0, whole, 1.0)[..., None]
    excess = (share * (rate[0] - rate[1] - rate[2] + rate[3])).sum(-1)
    deviation = np.sqrt((share**2 * (smooth * (1 - smooth) / safe).sum(0)).sum(-1))
    known = whole > 0
    spread = np.where(known, deviation, 1.0)
    cells = [weighted_mid_p(failed, n, share, z) for failed, n in zip(count, total, strict=True)]
    sums = subtract(subtract(cells[0], cells[1]), subtract(cells[2], cells[3]))
    return Interactions(
        Intervals(
            np.where(known, excess, np.nan),
            np.where(known, sums.low, -2.0),
            np.where(known, sums.high, 2.0),
        ),
        np.where(known, norm.sf(excess / spread), np.nan),
    )
