from __future__ import annotations

import numpy as np
import pytest

from auditor.report.map_location import map_location


def test_single_spot_has_all_evidence() -> None:
    cam = np.zeros((10, 10), np.float32)
    cam[9, 0] = 3.0
    found = map_location(cam)
    assert found.share == pytest.approx(1.0)
    assert found.place == "in the lower left corner"
    assert found.text.startswith("concentrates in the lower left corner; 100")


def test_flat_map_has_a_tenth_of_its_evidence_in_a_tenth_of_the_image() -> None:
    # 49 positions: a tenth of the area is 4.9 positions, so the share is exactly 0.1.
    found = map_location(np.full((7, 7), 0.2))
    assert found.share == pytest.approx(0.1)
    assert "evenly" in found.text


@pytest.mark.parametrize(
    ("row", "column", "place"),
    [
        (0, 4, "at the upper edge"),
        (4, 8, "at the right edge"),
        (4, 4, "in the middle"),
        (2, 2, "in the upper left part"),
        (0, 8, "in the upper right corner"),
    ],
)
def test_place_is_named_by_row_and_column(row: int, column: int, place: str) -> None:
    cam = np.zeros((9, 9))
    cam[row, column] = 1
    assert map_location(cam).place == place


def test_negative_values_are_not_evidence() -> None:
    assert map_location(-np.ones((7, 7))).share == 0
    assert "is empty" in map_location(np.zeros((3, 3))).text
