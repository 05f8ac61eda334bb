"""Gap or ratio: by which of both a difference is judged."""

from __future__ import annotations

import pytest

from auditor.comparisons.limits import Limits
from auditor.statistics import Interval


@pytest.mark.parametrize(
    ("rate", "rest", "max_gap", "unit"),
    [
        (0.055, 0.01, 0.05, "ratio"),  # 4.5 points, 5.5 times as many
        (0.015, 0.01, 0.05, "points"),  # neither exceeds its limit
        (0.25, 0.1, 0.05, "points"),  # both exceed it
        (0.36, 0.14, 0.3, "points"),  # errors are not rare, so the wider limit for the gap counts
    ],
)
def test_effect_is_the_ratio_only_where_errors_are_rare_and_the_gap_is_acceptable(
    rate: float, rest: float, max_gap: float, unit: str
) -> None:
    gap, ratio = rate - rest, rate / rest
    effect, limit = Limits(max_gap, 2.0).effect(
        Interval(gap, gap - 0.01, gap + 0.01), Interval(ratio, ratio - 0.1, ratio + 0.1)
    )
    assert effect.unit == unit
    assert limit == (2.0 if unit == "ratio" else max_gap)
