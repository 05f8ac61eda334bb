"""Localisation measures on maps whose answer is plain to see."""

from __future__ import annotations

import math

import numpy as np
import pytest

from auditor.explainers.localisation import Box, box_of, mass_inside, overlap, pointing_hit


def test_a_box_masks_its_pixels() -> None:
    mask = Box(2, 1, 5, 3).mask(6, 8)
    assert mask.sum() == 6
    assert mask[1:3, 2:5].all()


def test_the_box_rule_takes_the_largest_segment_above_15_percent() -> None:
    values = np.zeros((20, 20))
    values[2:4, 2:4] = 10.0  # the highest, but small
    values[10:16, 5:12] = 1.6  # 16 % of the highest
    values[16:20, 5:12] = 1.4  # 14 %: out
    assert box_of(values) == Box(5, 10, 12, 16)
    assert box_of(np.zeros((4, 4))) is None


def test_overlap_by_hand() -> None:
    assert overlap(Box(0, 0, 4, 4), Box(2, 0, 6, 4)) == pytest.approx(8 / 24)
    assert overlap(Box(0, 0, 1, 1), Box(1, 0, 2, 1)) == 0.0
    assert overlap(Box(1, 2, 3, 4), Box(1, 2, 3, 4)) == 1.0


def test_mass_inside_counts_positive_values_only() -> None:
    values = np.array([[3.0, 1.0], [-5.0, 0.0]])
    assert mass_inside(values, np.array([[True, False], [True, False]])) == 0.75
    assert math.isnan(mass_inside(-np.ones((2, 2)), np.ones((2, 2), dtype=bool)))


def test_the_pointing_game_allows_a_few_pixels() -> None:
    values = np.zeros((50, 50))
    values[10, 30] = 1.0
    mask = Box(0, 0, 20, 20).mask(50, 50)
    assert pointing_hit(values, mask)  # 11 pixels off
    assert not pointing_hit(values, mask, tolerance=10)
    assert not pointing_hit(np.zeros((50, 50)), mask)


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 2\) and \(3, 3\)"):
        mass_inside(np.ones((2, 2)), np.ones((3, 3), dtype=bool))
