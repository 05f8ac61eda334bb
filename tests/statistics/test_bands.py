"""Edges between bands are round, so that they are not the numbers of single samples."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.statistics.bands import band_edges


@pytest.mark.parametrize(
    ("lowest", "second", "edge"),
    [
        (0.0, 137.0, 100.0),
        (0.0, 0.137, 0.1),
        (9.0, 11.0, 10.0),
        (0.0, 1.0, 1.0),
        (-5.5, -3.2, -4.0),
        (0.0, 0.98, 0.9),
    ],
)
def test_edge_above_a_frequent_lowest_number_is_round(
    lowest: float, second: float, edge: float
) -> None:
    # 96 of 100 samples have the lowest number, so that all quartiles are equal to it. The edge lies above
    # it and at most at the next one, and has as few digits as such a number can have.
    numbers = np.array([lowest] * 96 + [second + k for k in range(4)])
    assert band_edges(numbers, None, 4) == pytest.approx((edge,))
