"""Trend of the error rate along an ordered attribute, such as age or size.

A steady rise may be small in every single band compared with the rest, but is significant as a slope.
A rise at one end only is found by comparing the ends with the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import pearson3

from auditor.statistics.intervals import Floats, Intervals, counts_and_totals, two_sided_z


@dataclass(frozen=True, slots=True)
class Trends:
    """Linear trends of the error rate within strata; NaN if no stratum contains two values.

    Attributes:
        change: error rate at the highest score minus that at the lowest, by a straight line, in
            [-1, 1].
        p_value: two-sided, of "no trend".
    """

    change: Intervals
    p_value: Floats


def trend(
    failures: ArrayLike, totals: ArrayLike, scores: ArrayLike, confidence: float = 0.95
) -> Trends:
    """Tests for a trend of the error rate along an ordered attribute, within strata.

    Args:
        failures: (..., V, S) failures by value, in order, and stratum.
        totals: (..., V, S) samples.
        scores: (V,) increasing numbers, such as the middle of each band, or ranks.
        confidence: coverage of the intervals.

    Returns:
        Trends of shape (...). The change is between the lowest and highest value with samples.

    Raises:
        ValueError: scores do not increase, there is not one score per value, a count is outside of
            0 … total, or `confidence` is out of range.

    Reference:
        N. Mantel, "Chi-square tests with one degree of freedom; extensions of the Mantel-Haenszel
        procedure", JASA 58 (1963) 690-700; one stratum: P. Armitage, Biometrics 11 (1955) 375-386.
        Tails by Pearson's type III distribution, which takes the skewness of few failures into account. The
        line has one slope and one intercept per stratum, by least squares; its variance is that of
        binomial counts along the line.
    """
    z = two_sided_z(confidence)
    count, total = counts_and_totals(failures, totals)
    score = np.asarray(scores, dtype=np.float64)
    if count.ndim < 2 or score.shape != count.shape[-2:-1] or not bool(np.all(np.diff(score) > 0)):
        raise ValueError(
            f"expected one increasing score per value; got counts of shape {count.shape} and scores "
            f"{score!r}: pass values in order on the last axis but one, and strata on the last"
        )
    in_stratum = total.sum(-2, keepdims=True)
    safe = np.maximum(in_stratum, 1)
    centred = score[:, None] - (total * score[:, None]).sum(-2, keepdims=True) / safe
    rate = count.sum(-2, keepdims=True) / safe
    squares = (total * centred**2).sum((-2, -1))
    known = squares > 0
    scale = np.where(known, squares, 1.0)
    distance = (count * centred).sum((-2, -1))
    slope = distance / scale
    null = rate * (1 - rate) * in_stratum / np.maximum(in_stratum - 1, 1)
    second = (total * centred**2 * null).sum((-2, -1))
    third = (total * centred**3 * null * (1 - 2 * rate)).sum((-2, -1))
    # A line that reaches 0 or 1 is clipped at half a failure, because no rate is known to be 0.
    least = 0.5 / (total.sum((-2, -1), keepdims=True) + 1)
    line = np.clip(rate + slope[..., None, None] * centred, least, 1 - least)
    spread = (total * centred**2 * line * (1 - line)).sum((-2, -1))
    present = total.sum(-1) > 0
    highest = np.where(present, score, -np.inf).max(-1, initial=-np.inf)
    lowest = np.where(present, score, np.inf).min(-1, initial=np.inf)
    width = np.where(known, highest - lowest, 1.0)
    change, half = slope * width, z * np.sqrt(spread) / scale * width
    return Trends(
        Intervals(
            np.where(known, np.clip(change, -1, 1), np.nan),
            np.where(known, np.clip(change - half, -1, 1), -1.0),
            np.where(known, np.clip(change + half, -1, 1), 1.0),
        ),
        np.where(known, _two_sided(distance, second, third), np.nan),
    )


def _two_sided(distance: Floats, second: Floats, third: Floats) -> Floats:
    """P-values of a sum with these central moments; 1 if it cannot vary."""
    moves = second > 0
    deviation = np.sqrt(np.where(moves, second, 1.0))
    upper = pearson3.sf(distance / deviation, np.where(moves, third / deviation**3, 0.0))
    p_value = np.clip(2 * np.minimum(upper, 1 - upper), 0, 1)
    return np.where(moves, p_value, 1.0)
