"""Which texts are numbers, and which are codes that only consist of digits."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import numpy as np

from auditor.phrasing import leading_number

_NUMBER = re.compile(r"([+-]?)([0-9]*)(\.[0-9]*)?(?:[eE]([+-]?)[0-9]+)?")
_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}(?:-[0-9]{2}(?:[ T][0-9:.]+)?)?")
_DIGITS = 15
"""Integers with more digits are not exact as float64: two identifiers could become the same number."""
_FEW_SPELLINGS = 50
"""With more values than this, 0.5 and 0.50 are the same measurement and not two version numbers."""

_WITH_UNIT = re.compile(r"([+-]?[0-9]*\.?[0-9]+)\s+([^\W\d_]{1,6}|%|°C?)")
_FEW_MEASUREMENTS = 12

MISSING_NUMBERS = frozenset({"na", "n/a", "#n/a", "nan", "null", "none", "<na>"})
"""Texts, in lower case, that mean "missing" in a column whose other cells are all numbers."""


def is_number(text: str) -> bool:
    """Whether a text is spelled like a number and not like a code.

    Codes are texts with leading zeros (``01``), more than 15 digits, or an exponent without a sign
    after an integer (``1e5``, which is also a hexadecimal number; programs write ``1e+05``).
    """
    found = _NUMBER.fullmatch(text)
    if found is None or not _has_digits(found):
        return _INFINITE.fullmatch(text) is not None
    sign, whole, fraction, exponent_sign = found.groups()
    if len(whole) > _DIGITS or (len(whole) > 1 and whole[0] == "0"):
        return False
    return exponent_sign != "" or fraction is not None or sign == "-"


def as_numbers(texts: Collection[str]) -> Mapping[str, float] | None:
    """Reads the different values of a column as numbers.

    Args:
        texts: distinct texts without surrounding blanks, none of them empty.

    Returns:
        Each text with its number, NaN for `MISSING_NUMBERS`; None if the column holds words or codes. Many
        different numbers with the same unit, such as ``12 mm``, are numbers, too.
    """
    known = [text for text in texts if text.lower() not in MISSING_NUMBERS]
    measured = _measurements(known)
    if measured is not None:
        return {text: measured.get(text, np.nan) for text in texts}
    if not known or not all(is_number(text) for text in known) or version_numbers(known):
        return None
    return {text: float(text) if is_number(text) else np.nan for text in texts}


def _measurements(texts: Collection[str]) -> dict[str, float] | None:
    """The numbers of texts that all have the same unit; None for others, and for few values.

    Few values keep their text, which names them better than the number does.
    """
    found = {text: _WITH_UNIT.fullmatch(text) for text in texts}
    if len(found) <= _FEW_MEASUREMENTS or len({one and one[2] for one in found.values()}) != 1:
        return None
    numbers = {text: one[1] for text, one in found.items() if one is not None}
    if not numbers or not all(is_number(one) for one in numbers.values()):
        return None
    return {text: float(one) for text, one in numbers.items()}


def version_numbers(texts: Collection[str]) -> tuple[str, str] | None:
    """Finds two spellings of the same fraction, such as 1.1 and 1.10.

    Returns:
        The first such pair; None if there is none, or if there are so many values that they are
        measurements.
    """
    if len(texts) > _FEW_SPELLINGS:
        return None
    seen: dict[float, str] = {}
    for text in sorted(texts):
        if "." not in text or float(text).is_integer():
            continue
        other = seen.setdefault(float(text), text)
        if other != text:
            return other, text
    return None


def number_text(number: float) -> str:
    """A number as the name of a value: ``3`` for 3.0, ``2.5``, ``inf``."""
    if number.is_integer() and abs(number) < 10**_DIGITS:
        return str(int(number))
    return repr(float(number))


def natural_order(text: str) -> tuple[int, float, str]:
    """Sort key of values: numbers and codes, then words that begin with a number, then other words.

    The first two by their number, such as the bands 1-10, 11-100, 101-1000; the last in alphabetical
    order.
    """
    found = _NUMBER.fullmatch(text)
    if (found is not None and _has_digits(found)) or is_number(text):
        return 0, float(text), text
    number = leading_number(text)
    return 1, np.inf if number is None else number[0] + 1e-9 * number[1], text


def sorted_values(texts: Collection[str]) -> tuple[str, ...] | None:
    """Values in their natural order, if they have one.

    Args:
        texts: distinct values.

    Returns:
        Codes that consist of a number by this number, ISO dates by time; None for words.
    """
    ordered = sorted(texts, key=natural_order)
    is_word = [natural_order(text)[0] == 1 and _ISO_DATE.fullmatch(text) is None for text in texts]
    return None if any(is_word) else tuple(ordered)


def _has_digits(found: re.Match[str]) -> bool:
    """Whether there is a digit before the exponent."""
    return bool(found[2]) or len(found[3] or "") > 1
