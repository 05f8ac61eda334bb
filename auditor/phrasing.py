"""Numbers and names as words: the only place where they become text."""

from __future__ import annotations

import math
from collections.abc import Sequence

from auditor.records.base import IntervalLike, SliceKey


def percent(share: float) -> str:
    """A share in words: ``72 %``, ``3.4 %``; more digits near the ends."""
    return f"{_number(share)} %"


def points(gap: float) -> str:
    """A difference of shares in words: ``69 points``."""
    number = _number(abs(gap))
    return f"{number} point" if number == "1" else f"{number} points"


def signed_points(gap: float) -> str:
    """A difference of shares in words, with its sign: ``−2.5 points``."""
    return f"{'−' if gap < 0 else ''}{points(gap)}"


def interval(estimate: IntervalLike, unit: str = " %") -> str:
    """The limits of a share, such as ``95 % interval 67–77 %``."""
    low, high = _number(estimate.low), _number(estimate.high)
    dash = "–" if estimate.low >= 0 else " to "
    return f"95 % interval {low}{dash}{high}{unit}"


def whom(key: SliceKey, noun: str = "samples") -> str:
    """A slice in words: ``functional samples with cell_type = mono``."""
    what = f"{quoted(key.label)} {noun}" if key.label is not None else noun
    parts = [f"{name} = {value}" for name, value in key.attributes.items()]
    return f"{what} with {' and '.join(parts)}" if parts else what


def quoted(label: str) -> str:
    """A label as part of a sentence: ``9 samples`` would be nine of them."""
    return label if label[:1].isalpha() else f"“{label}”"


def several(names: Sequence[str], most: int = 3) -> str:
    """A list in words: ``a, b and 4 more``."""
    shown = list(names[:most])
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def advice(key: SliceKey) -> str:
    """What to do about a slice that fails more often."""
    return (
        f"Compare the maps of these failures with those of correct {whom(SliceKey(label=key.label))}: "
        f"what the model looks at in the one and not in the other. Then train with more {whom(key)}, "
        "as varied as the images in use, and audit again on the same samples."
    )


def _number(share: float) -> str:
    scaled = 100 * share
    whole = math.isclose(scaled, round(scaled), abs_tol=1e-9) or 9.95 <= abs(scaled) <= 99
    text = f"{scaled:.0f}" if whole else f"{scaled:.1f}"
    return text.removesuffix(".0").replace("-", "−")
