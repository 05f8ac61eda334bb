"""Titles of findings fit into a line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.comparisons import slice_claims
from auditor.comparisons.gap_texts import RatesOfGap
from auditor.phrasing import whom
from auditor.records import Effect, Estimate, SliceComparison, SliceKey
from auditor.statistics import Interval

LONGEST = 90
NAMES = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=9).filter(
    lambda one: one[0] != "_"
)
SHARES = st.floats(0, 1)


@pytest.mark.parametrize("unit", ["points", "ratio"])
@given(
    name=NAMES,
    value=st.one_of(st.text("abcdefghi", min_size=1, max_size=6), st.just("20 and over")),
    label=st.none() | st.text("abcdefghi", min_size=1, max_size=9),
    rate=SHARES,
    rest=SHARES,
    gap=st.floats(-1, 1),
)
def test_title_of_a_slice_with_ordinary_names_fits_into_a_line(
    unit: str, name: str, value: str, label: str | None, rate: float, rest: float, gap: float
) -> None:
    key = SliceKey(attributes={name[:5] if " " in value else name: value}, label=label)
    comparison = SliceComparison(
        error_rate=Estimate(value=rate, low=0, high=1),
        rest_error_rate=rest,
        gap=Estimate(value=gap, low=-1, high=1),
    )
    effect = Effect(name="gap", value=gap, low=-1, high=1, unit=unit)
    outcome = "misclassified" if label is None else "predicted as b"
    title = slice_claims._title(key, comparison, effect, outcome)
    weighted = 30 if title.startswith("With labels weighted alike, ") else 0
    assert len(title) <= LONGEST + weighted


@given(SHARES, SHARES, st.floats(-1, 1))
def test_title_of_an_image_property_fits_into_a_line(rate: float, rest: float, gap: float) -> None:
    key = SliceKey(attributes={"image.border_brightness": "0.12–0.24"})
    found = RatesOfGap(Interval(rate, 0, 1), rest, Interval(gap, -1, 1))
    title = found.difference(whom(key))
    assert "samples with image border brightness = 0.12–0.24" in title.replace("Samples", "samples")
    assert len(title) <= LONGEST + 15
