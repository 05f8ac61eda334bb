"""Guessing the type of an attribute from its values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from auditor.attributes.cells import Cells, Floats
from auditor.attributes.spelling import is_number, version_numbers
from auditor.phrasing import percent, plural
from auditor.records import AttributeType

FEW = 12
"""Up to this number of different numbers, they are always categories."""
MOST = 50
"""With more different numbers than this, they are cut into bands."""
_OFTEN = 20
"""Smallest median number of samples per value of an attribute whose numbers are codes."""


def guess_type(cells: Cells) -> tuple[AttributeType, str]:
    """Guesses the type of an attribute.

    - Text, codes and booleans are categorical.
    - An ordered categorical of pandas is ordinal, in its order.
    - Two different numbers are categorical: they have no trend.
    - 3 to 12 different numbers that occur twice or more on average are ordinal: skin types, stages,
      magnifications, months.
    - 13 to 50 different integers are ordinal if they are codes, such as the numbers of sites, and
      occur often enough to be compared: half of them in 20 samples or more. Codes are counted from 0
      or 1 with hardly any gap, or spaced irregularly; ages, years and rounded measurements are
      spaced regularly over another range.
    - All other numbers are numeric.

    Args:
        cells: as `read_cells` returns them.

    Returns:
        The type, and the reason in a few words.
    """
    if cells.order is not None:
        return "ordinal", "an ordered categorical"
    if cells.nominal:
        return "categorical", "booleans or an unordered categorical"
    if cells.numbers is None:
        return "categorical", _why_text(cells)
    return _guess_numbers(cells.numbers[~np.isnan(cells.numbers)])


def _guess_numbers(numbers: Floats) -> tuple[AttributeType, str]:
    distinct, counts = np.unique(numbers, return_counts=True)
    n = len(distinct)
    different = plural(n, "different number")
    if n <= 2:
        return "categorical", different
    if n <= FEW and counts.sum() >= 2 * n:
        return "ordinal", different
    if n <= MOST and np.median(counts) >= _OFTEN and _are_codes(distinct):
        return "ordinal", f"{different} that look like codes"
    return "numeric", different


def _are_codes(distinct: Floats) -> bool:
    """Whether sorted numbers are integers that are counted from 0 or 1, or spaced irregularly."""
    if not np.isfinite(distinct).all() or not np.all(np.mod(distinct, 1) == 0):
        return False
    steps = np.diff(distinct).astype(np.int64)
    filled = len(distinct) / (int(steps.sum()) // int(np.gcd.reduce(steps)) + 1)
    counted = distinct[0] in (0, 1) and int(np.gcd.reduce(steps)) == 1 and filled >= 0.9
    return bool(counted or filled < 0.5)


def _why_text(cells: Cells) -> str:
    """Why the cells are not numbers."""
    values: Sequence[str] = sorted(cells.counts)
    numbers = [one for one in values if is_number(one)]
    others = [one for one in values if not is_number(one)]
    twice = version_numbers(numbers)
    if not others:
        return f"“{twice[0]}” and “{twice[1]}” are different" if twice else "text"
    codes = [one for one in others if one.isdigit()]
    if codes:
        return f"codes such as “{codes[0]}”"
    share = sum(cells.counts[one] for one in numbers) / max(sum(cells.counts.values()), 1)
    if share >= 0.5:
        rest = sum(cells.counts[one] for one in others)
        return (
            f"{percent(share)} are numbers, but {plural(rest, 'cell is not', 'cells are not')}, such as "
            f"“{others[0]}”: "
            "list it in data.missing if it means that the value is missing"
        )
    return "text"
