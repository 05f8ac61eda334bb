from __future__ import annotations

import math

import numpy as np
import pytest

from auditor.map_metrics.localisation import (
    Box,
    bounding_box,
    intersection_over_union,
    mass_inside,
    pointing_hit,
)


def test_bounding_box_surrounds_the_largest_segment_above_15_percent() -> None:
    values = np.zeros((20, 20))
    values[2:4, 2:4] = 10.0  # the maximum, but small
    values[10:16, 5:12] = 1.6  # 16 % of the maximum
    values[16:20, 5:12] = 1.4  # 14 %: below the threshold
    assert bounding_box(values) == Box(5, 10, 12, 16)
    assert bounding_box(np.zeros((4, 4))) is None


def test_intersection_over_union_equals_a_hand_calculation() -> None:
    assert intersection_over_union(Box(0, 0, 4, 4), Box(2, 0, 6, 4)) == pytest.approx(8 / 24)
    assert intersection_over_union(Box(0, 0, 1, 1), Box(1, 0, 2, 1)) == 0.0
    assert intersection_over_union(Box(1, 2, 3, 4), Box(1, 2, 3, 4)) == 1.0


def test_mass_inside_ignores_negative_values() -> None:
    values = np.array([[3.0, 1.0], [-5.0, 0.0]])
    assert mass_inside(values, np.array([[True, False], [True, False]])) == 0.75
    assert math.isnan(mass_inside(-np.ones((2, 2)), np.ones((2, 2), dtype=bool)))


def test_pointing_hit_allows_a_distance_up_to_the_tolerance() -> None:
    values = np.zeros((50, 50))
    values[10, 30] = 1.0
    mask = np.zeros((50, 50), dtype=bool)
    mask[:20, :20] = True
    assert pointing_hit(values, mask)  # 11 pixels off
    assert not pointing_hit(values, mask, tolerance=10)
    assert not pointing_hit(np.zeros((50, 50)), mask)


def test_mass_inside_with_different_shapes_raises() -> None:
    with pytest.raises(ValueError, match=r"\(2, 2\) and \(3, 3\)"):
        mass_inside(np.ones((2, 2)), np.ones((3, 3), dtype=bool))
