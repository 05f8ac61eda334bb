"""The numbers of a sentence about a gap add up."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.comparisons.gap_texts import RatesOfGap
from auditor.statistics import Interval, proportion, stratified_gap

ALIKE = "With labels weighted alike, "
SAME = "with the same mix of labels, "
GAP = "34 points (95 % interval 20–45 points)."
NUMBER = r"(−?\d+(?:\.\d+)?) (?:%|points?)"
COUNTS = st.lists(
    st.tuples(st.integers(1, 60), st.integers(1, 60), st.floats(0, 1), st.floats(0, 1)),
    min_size=1,
    max_size=5,
)


def numbers(text: str) -> list[float]:
    """Percentages and points of a text without those in brackets."""
    found = re.findall(NUMBER, re.sub(r"\([^)]*\)", "", text))
    return [float(one.replace("−", "-")) for one in found]


def rates(strata: list[tuple[int, int, float, float]]) -> RatesOfGap:
    totals, others = (np.array([one[k] for one in strata]) for k in (0, 1))
    failures = np.array([round(n * share) for n, _, share, _ in strata])
    rest = np.array([round(m * share) for _, m, _, share in strata])
    gaps = stratified_gap(failures[None], totals[None], rest[None], others[None])
    own = proportion(int(failures.sum()), int(totals.sum()))[()]
    return RatesOfGap(own, float(gaps.base_rate[0]), gaps.gap[0])


@settings(max_examples=300, deadline=None)
@given(COUNTS)
def test_gap_sentence_and_title_numbers_add_up_within_rounding(
    strata: list[tuple[int, int, float, float]],
) -> None:
    found = rates(strata)
    first, second = found.sentences("90 samples")
    if found.is_plain:
        own, rest = numbers(first)
        (gap,) = numbers(second)
    else:
        assert len(numbers(first)) == 1  # the rate of all samples has a sentence of its own
        own, rest, gap = numbers(second)
    # Three roundings by half a point, and a tenth of one where a rate counts as alike.
    assert abs(abs(own - rest) - gap) <= 1.6
    *title_rate, title_gap = numbers(found.difference("samples"))
    assert title_rate == ([own] if found.is_plain else [])
    assert title_gap == gap
    title_own, title_rest = numbers(found.both("samples"))
    assert abs(abs(title_own - title_rest) - gap) <= 1.6


@pytest.mark.parametrize(
    ("rate", "rest", "gap", "title", "sentences"),
    [
        (
            0.72, 0.43, 0.34,
            "X are misclassified more often than others, by 34 points",
            (
                "Of 50 x, 72 % are misclassified (95 % interval 60–82 %).",
                f"{ALIKE}it is 77 % against 43 % of the others: a gap of {GAP}",
            ),
        ),
        (
            0.77, 0.43, 0.34,
            "77 % of x are misclassified, 34 points more than others",
            (
                f"Of 50 x, 77 % are misclassified (95 % interval 60–82 %); of other samples {SAME}43 %.",
                f"The gap is {GAP}",
            ),
        ),
    ],
)  # fmt: skip
def test_gap_texts_name_the_standardisation(
    rate: float, rest: float, gap: float, title: str, sentences: tuple[str, str]
) -> None:
    found = RatesOfGap(Interval(rate, 0.6, 0.82), rest, Interval(gap, 0.2, 0.45))
    assert found.difference("x") == title
    assert found.sentences("50 x") == sentences
