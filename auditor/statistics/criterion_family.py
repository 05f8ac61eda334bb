"""One acceptance criterion for several slices: which of them meet it, and which miss it.

A criterion is met if it holds for every slice. "Every slice meets it" is shown as soon as each slice
meets it by its own uncorrected interval: the statement is false only if some slice does not meet it, and
the interval of that one slice is then wrong with probability alpha at most, however many slices there
are (an intersection-union test). "Some slice misses it" is the opposite: each slice is another
opportunity for a false alarm, so that the levels have to be corrected (Holm).

The statements about single slices, "this one meets it", are corrected in the same way, unless all
slices meet the criterion. A false one then needs a false statement about all slices, or an error of
Holm's procedure: its probability is at most twice alpha in total. No assumption is made about how the
slices depend on each other: those of one attribute share their rest, and those of two share samples.

Here alpha is the error probability of one limit of the interval, (1 - confidence) / 2.

Reference:
    R. L. Berger, Technometrics 24 (1982) 295-300 (intersection-union); S. Holm, Scandinavian Journal of
    Statistics 6 (1979) 65-70; D. J. Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15
    (1987) 657-680 (two one-sided tests).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from auditor.statistics.criterion import Status
from auditor.statistics.intervals import Interval

IntervalAt = Callable[[float], Interval]
"""The interval of a number at some confidence; a higher confidence gives a wider interval."""
Side = Literal["at least", "at most", "within"]
"""``within``: the absolute value is at most the limit, shown by two one-sided tests."""


@dataclass(frozen=True, slots=True)
class JudgedSlice:
    """One slice.

    Attributes:
        status: after the correction for all slices.
        alone: by its own interval.
        interval: at the confidence of the criterion, without a correction.
    """

    status: Status
    alone: Status
    interval: Interval


def judge_limit(interval: Interval, limit: float, side: Side) -> Status:
    """Compares an interval with the limit of a criterion.

    Args:
        interval: a number with its limits; NaN where it is not known.
        limit: of the criterion; for ``within``, of the absolute value.
        side: which values are acceptable.
    """
    if np.isnan(interval.value):
        return "undecided"
    low, high = interval.low, interval.high
    if side == "within":
        if -limit < low and high < limit:
            return "met"
        return "missed" if low > limit or high < -limit else "undecided"
    above, below = low > limit, high < limit
    if side == "at most":
        above, below = below, above
    return "met" if above else "missed" if below else "undecided"


def judge_slices(
    intervals: Sequence[IntervalAt], limit: float, side: Side, confidence: float = 0.95
) -> tuple[JudgedSlice, ...]:
    """Judges one criterion for several slices.

    Args:
        intervals: of the slices, M functions of the confidence.
        limit: of the criterion.
        side: which values are acceptable.
        confidence: of the criterion, for one slice.

    Returns:
        (M,) results. The probability that all slices are called met although one of them does not
        meet the criterion is at most (1 - confidence) / 2; that any single slice is falsely called
        met, 1 - confidence; that any slice is falsely called missed, (1 - confidence) / 2.

    Raises:
        ValueError: `confidence` is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"expected a confidence between 0 and 1; got {confidence!r}")
    own = [interval(confidence) for interval in intervals]
    alone = [judge_limit(one, limit, side) for one in own]
    final = list(alone)
    for status in ("met", "missed"):
        if status == "met" and all(one == "met" for one in alone):
            break
        strengths = [
            _strength(interval, limit, side, status, len(own), confidence) if one == status else 0
            for interval, one in zip(intervals, alone, strict=True)
        ]
        shown = _holm(strengths)
        for k, one in enumerate(alone):
            if one == status and not shown[k]:
                final[k] = "undecided"
    return tuple(JudgedSlice(*parts) for parts in zip(final, alone, own, strict=True))


def corrected(confidence: float, factor: int) -> float:
    """The confidence at which an error is `factor` times less probable."""
    return 1 - (1 - confidence) / factor


def _strength(
    interval: IntervalAt, limit: float, side: Side, status: Status, most: int, confidence: float
) -> int:
    """The largest correction, from 1 to `most`, for which a slice keeps its status."""

    def keeps(factor: int) -> bool:
        return judge_limit(interval(corrected(confidence, factor)), limit, side) == status

    if keeps(most):
        return most
    low, high = 1, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if keeps(middle) else (low, middle)
    return low


def _holm(strengths: Sequence[int]) -> list[bool]:
    """Holm's procedure: which slices are rejected.

    Args:
        strengths: of M slices, the largest factor by which the level may be divided for the slice to
            be rejected still; 0 if it is not rejected at all.
    """
    shown = [False] * len(strengths)
    order = np.argsort(-np.asarray(strengths, dtype=np.int64), kind="stable")
    for step, k in enumerate(order):
        if strengths[k] < len(strengths) - step:
            break
        shown[k] = True
    return shown
