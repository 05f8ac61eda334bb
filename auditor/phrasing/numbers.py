"""Numbers as text: percentages, percentage points, intervals, counts, p-values, dates.

All texts have plain spaces; templates make them narrow no-break spaces where they are typeset.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from auditor.records.base import Effect, IntervalLike, Unit

NOT_AVAILABLE = "–"
"""Text of a value that is missing."""
_MOST_DIGITS = 17
"""Significant digits that distinguish any two numbers."""


def percent(share: float, decimals: int | None = None) -> str:
    """A share as a percentage: ``72 %``, ``3.4 %``.

    Args:
        share: 0 to 1.
        decimals: how many; None: one below 10 % and above 99 %, else none.
    """
    text = _hundredfold(share) if decimals is None else _signed(f"{100 * share:.{decimals}f}")
    return f"{text} %"


def percents(one: float, other: float) -> tuple[str, str]:
    """Two different shares, with as many decimals as show the difference, up to three.

    ``97.3 %`` and ``97.4 %`` instead of ``97 %`` twice.
    """
    for decimals in (None, 1, 2, 3):
        texts = percent(one, decimals), percent(other, decimals)
        if texts[0] != texts[1]:
            return texts
    return percent(one), percent(other)


def points(gap: float) -> str:
    """The size of a difference of shares: ``69 points``."""
    number = _hundredfold(abs(gap))
    return f"{number} point" if number == "1" else f"{number} points"


def out_of_100(share: float) -> str:
    """A share as a number out of a hundred, for readers who stop at percentage points: ``40 of 100``."""
    return f"{_hundredfold(share)} of 100"


def more_of_100(gap: float) -> str:
    """A difference of shares as a number out of a hundred: ``40 more of 100``, ``3 fewer of 100``."""
    return f"{_hundredfold(abs(gap))} {'more' if gap >= 0 else 'fewer'} of 100"


def signed_points(gap: float) -> str:
    """A difference of shares with its sign if it is negative: ``−2.5 points``."""
    return f"{_minus(gap)}{points(gap)}"


def points_of(part: float, whole: float) -> str:
    """A part of a difference of shares: ``6 of 16 points``."""
    return f"{_minus(part)}{_hundredfold(abs(part))} of {points(whole)}"


def _minus(gap: float) -> str:
    """A minus sign, unless the number is written as 0."""
    return "−" if gap < 0 and _hundredfold(abs(gap)) != "0" else ""


def change(gap: float, decimals: int | None = None) -> str:
    """A difference of shares in percentage points, always with its sign: ``+2.5``, ``−40``, ``0``.

    Args:
        gap: −1 to 1.
        decimals: how many; None: one below 10 points, else none.
    """
    number = _hundredfold(abs(gap)) if decimals is None else f"{100 * abs(gap):.{decimals}f}"
    return number if float(number) == 0 else f"{'+' if gap > 0 else '−'}{number}"


def interval(estimate: IntervalLike, unit: str = " %") -> str:
    """The interval of a share in a sentence: ``95 % interval 67–77 %``."""
    return f"95 % interval {_between(estimate, unit)}"


def limits(estimate: IntervalLike, unit: Unit) -> str:
    """The limits of an interval in a table: ``67–77 %``, ``+11 to +18`` or ``0.64 to 0.77``."""
    if unit == "share":
        return _between(estimate, " %")
    if unit == "points":
        decimals = _decimals(estimate)
        low, high = (change(end, decimals) for end in (estimate.low, estimate.high))
    else:
        low, high = (_plain(end, unit) for end in (estimate.low, estimate.high))
    return f"{low} to {high}"


def amount(value: float, unit: Unit) -> str:
    """A number with its unit: ``+23 points``, ``17 %``, ``0.71``, ``1.8×``, ``1 078``."""
    if unit == "points":
        number = change(value)
        return f"{number} {'point' if number in {'+1', '−1'} else 'points'}"
    return percent(value) if unit == "share" else _plain(value, unit)


def size(value: float, unit: Unit) -> str:
    """A limit or a detectable effect with its unit, without a sign: ``5 points``, ``17 %``.

    A limit close to 0 or 100 % has as many decimals as distinguish it: ``99.99 %``.
    """
    if unit == "points":
        return points(value)
    if unit == "share" and 0 < value < 1 and _hundredfold(value) in {"0", "100"}:
        return f"{_significant(100 * value, 3)} %"
    return amount(value, unit)


def probability(value: float) -> str:
    """A probability such as a threshold: ``0.5``, ``0.0123``; ``0.9999999`` is not written as 1."""
    return _significant(value, 3, whole=1.0)


def with_limits(estimate: IntervalLike, unit: Unit) -> str:
    """A number with its unit and interval: ``+23 points (+16 to +30)``.

    If the limits need more decimals to differ, so does the number.
    """
    decimals = _decimals(estimate) if unit in {"share", "points"} else None
    if decimals is None:
        return f"{amount(estimate.value, unit)} ({limits(estimate, unit)})"
    number = (
        percent(estimate.value, decimals)
        if unit == "share"
        else f"{change(estimate.value, decimals)} points"
    )
    return f"{number} ({limits(estimate, unit)})"


def effect(one: Effect) -> str:
    """An effect with its interval, in its unit."""
    return with_limits(one, one.unit)


def p_value(value: float | None) -> str:
    """A p- or q-value; a dash where nothing was tested."""
    if value is None:
        return NOT_AVAILABLE
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def count(number: int) -> str:
    """A whole number with a space between the thousands: ``1 078``."""
    return f"{number:,}".replace(",", " ")


def is_or_are(number: int, total: int) -> str:
    """The verb after ``{number} of {total} samples``."""
    return "is" if 1 in (number, total) else "are"


def plural(number: int, one: str, many: str | None = None) -> str:
    """A count with its noun: ``1 slice``, ``1 078 slices``.

    Args:
        number: how many.
        one: the noun in the singular.
        many: the noun in the plural, where it is not formed with ``s``.
    """
    return f"{count(number)} {one if number == 1 else many or f'{one}s'}"


def date(moment: datetime) -> str:
    """Day and time in UTC: ``2 January 2026, 03:04 UTC``."""
    return f"{moment.astimezone(UTC):%d %B %Y, %H:%M} UTC".lstrip("0")


def any_value(raw: Any) -> str:
    """Any value of a result as text."""
    if raw is None or (isinstance(raw, float) and math.isnan(raw)):
        return NOT_AVAILABLE
    if isinstance(raw, int | float):
        return _any_number(raw)
    if isinstance(raw, Mapping):
        return ", ".join(f"{key} {any_value(one)}" for key, one in raw.items())
    if isinstance(raw, Sequence) and not isinstance(raw, str):
        return ", ".join(any_value(one) for one in raw)
    return str(raw)


def _any_number(raw: float) -> str:
    if isinstance(raw, bool):
        return "yes" if raw else "no"
    return count(raw) if isinstance(raw, int) else _significant(raw, 4, whole=1.0)


def _significant(value: float, digits: int, whole: float = 100.0) -> str:
    """A number with significant digits, more of them if it would otherwise be rounded to the whole."""
    while value < whole and float(f"{value:.{digits}g}") == whole and digits < _MOST_DIGITS:
        digits += 1
    return _signed(f"{value:.{digits}g}")


def _between(estimate: IntervalLike, unit: str) -> str:
    decimals = _decimals(estimate)
    if decimals is None:
        low, high = _hundredfold(estimate.low), _hundredfold(estimate.high)
    else:
        low, high = (_signed(f"{100 * end:.{decimals}f}") for end in (estimate.low, estimate.high))
    if low == high:
        return f"{low}{unit}"
    return f"{low}{' to ' if low.startswith('−') else '–'}{high}{unit}"


def _decimals(estimate: IntervalLike) -> int | None:
    """Decimals with which the limits of an interval differ, up to three; None: those of any number."""
    if _hundredfold(estimate.low) != _hundredfold(estimate.high) or estimate.low == estimate.high:
        return None
    for decimals in (1, 2, 3):
        low, high = (_signed(f"{100 * end:.{decimals}f}") for end in (estimate.low, estimate.high))
        if low != high:
            return decimals
    return None


def _hundredfold(share: float) -> str:
    """100 times a share; one decimal near the ends, where whole numbers are too coarse."""
    scaled = 100 * share
    whole = math.isclose(scaled, round(scaled), abs_tol=1e-9) or 9.95 <= abs(scaled) <= 99
    text = f"{scaled:.0f}" if whole else f"{scaled:.1f}"
    return _signed(text.removesuffix(".0"))


def _plain(value: float, unit: Unit) -> str:
    """A ratio, score or count."""
    size = abs(value)
    if unit == "count" or size >= 1000 or (size >= 10 and value.is_integer()):
        text = count(round(value))
    elif value == 0 or 0.1 <= size < 10:
        text = f"{value:.2f}"  # suits scores up to about ten
    else:
        text = f"{value:.3g}"
    return f"{_signed(text)}{'×' if unit == 'ratio' else ''}"


def _signed(text: str) -> str:
    """A number with a minus sign instead of a hyphen, and without a sign at zero."""
    if not any(digit in text for digit in "123456789"):
        text = text.removeprefix("-")
    return text.replace("-", "−")
