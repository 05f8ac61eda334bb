"""Does the error rate rise or fall along an ordered attribute, such as age or size?

Cut into bands that are each compared with the rest, a steady rise is nowhere large. One number for
the slope sees it. What happens at one end only is seen by comparing the ends with the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import pearson3

from auditor.statistics.gaps import Gaps, stratified_gap
from auditor.statistics.intervals import Floats, Intervals, counts_and_totals, two_sided_z


@dataclass(frozen=True, slots=True)
class Trends:
    """Linear trends of the error rate within strata; NaN where no stratum holds two values.

    Attributes:
        change: error rate at the highest score minus that at the lowest, by a straight line, in
            [-1, 1].
        p_value: two-sided, of "no trend".
    """

    change: Intervals
    p_value: Floats


@dataclass(frozen=True, slots=True)
class TailBands:
    """The lowest and the highest values of an ordered attribute, each against all others.

    Attributes:
        gaps: (2,) of the low and of the high band; NaN for one that does not exist.
        last_low: position of the last value of the low band.
        first_high: position of the first value of the high band.
    """

    gaps: Gaps
    last_low: int
    first_high: int


def trend(
    failures: ArrayLike, totals: ArrayLike, scores: ArrayLike, confidence: float = 0.95
) -> Trends:
    """Tests for a trend of the error rate along an ordered attribute, within strata.

    Args:
        failures: (..., V, S) failures by value, in order, and stratum.
        totals: (..., V, S) samples.
        scores: (V,) increasing numbers, say the middle of each band; ranks where there is none.
        confidence: coverage of the intervals.

    Returns:
        Trends of shape (...). The change is between the lowest and highest value with samples.

    Raises:
        ValueError: scores do not increase or are not one a value, a count is outside of 0 … total,
            or `confidence` is out of range.

    Reference:
        N. Mantel, "Chi-square tests with one degree of freedom; extensions of the Mantel-Haenszel
        procedure", JASA 58 (1963) 690-700; one stratum: P. Armitage, Biometrics 11 (1955) 375-386.
        Tails by Pearson's type III law, which takes the skewness of few failures into account. The
        line has one slope and an intercept a stratum, by least squares; its variance is that of
        binomial counts along the line.
    """
    z = two_sided_z(confidence)
    count, total = counts_and_totals(failures, totals)
    score = np.asarray(scores, dtype=np.float64)
    if count.ndim < 2 or score.shape != count.shape[-2:-1] or not bool(np.all(np.diff(score) > 0)):
        raise ValueError(
            f"expected one increasing score a value; got counts of shape {count.shape} and scores "
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
    # Of a line that touches 0 or 1, half a failure is kept: no rate is known to be 0.
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


def tail_bands(
    failures: ArrayLike, totals: ArrayLike, share: float = 0.2, confidence: float = 0.95
) -> TailBands:
    """Compares the ends of an ordered attribute with all that lies between and beyond.

    Args:
        failures: (V, S) failures by value, in order, and stratum.
        totals: (V, S) samples.
        share: part of the samples that a band has to hold at least, in (0, 0.5].
        confidence: coverage of the intervals.

    Returns:
        The fewest values at either end that hold the share, against the rest. The bands do not
        depend on the outcomes. The p-values are not corrected for looking at both ends.

    Raises:
        ValueError: `share` is out of range, the counts are not two-dimensional, or a count is
            outside of 0 … total.
    """
    count, total = counts_and_totals(failures, totals)
    if not 0 < share <= 0.5 or count.ndim != 2:
        raise ValueError(
            f"expected a share in (0, 0.5] and counts by value and stratum; got {share!r} and "
            f"shape {count.shape}"
        )
    sizes = total.sum(1)
    needed = share * sizes.sum()
    last_low = int(np.searchsorted(np.cumsum(sizes), needed))
    first_high = len(sizes) - 1 - int(np.searchsorted(np.cumsum(sizes[::-1]), needed))
    place = np.arange(len(sizes))
    inside = np.stack([place <= last_low, place >= first_high]).astype(np.float64)
    own, own_total = inside @ count, inside @ total
    gaps = stratified_gap(own, own_total, count.sum(0) - own, total.sum(0) - own_total, confidence)
    return TailBands(gaps, last_low, first_high)


def _two_sided(distance: Floats, second: Floats, third: Floats) -> Floats:
    """P-values of a sum with these central moments; 1 where it cannot vary."""
    moves = second > 0
    deviation = np.sqrt(np.where(moves, second, 1.0))
    upper = pearson3.sf(distance / deviation, np.where(moves, third / deviation**3, 0.0))
    p_value = np.clip(2 * np.minimum(upper, 1 - upper), 0, 1)
    return np.where(moves, p_value, 1.0)
