from __future__ import annotations

import numpy as np
import pytest

from auditor.report.evidence import whereabouts


def test_a_single_spot_holds_everything() -> None:
    cam = np.zeros((10, 10), np.float32)
    cam[9, 0] = 3.0
    said = whereabouts(cam)
    assert said.share == pytest.approx(1.0)
    assert said.place == "in the lower left corner"
    assert said.words.startswith("concentrates in the lower left corner; 100")


def test_a_flat_map_holds_a_tenth_in_a_tenth_even_if_positions_do_not_divide() -> None:
    # 49 positions: a tenth of the area is 4.9 positions, so the share is exactly 0.1.
    said = whereabouts(np.full((7, 7), 0.2))
    assert said.share == pytest.approx(0.1)
    assert "evenly" in said.words


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
def test_places(row: int, column: int, place: str) -> None:
    cam = np.zeros((9, 9))
    cam[row, column] = 1
    assert whereabouts(cam).place == place


def test_negative_values_are_no_evidence() -> None:
    assert whereabouts(-np.ones((7, 7))).share == 0
    assert "is empty" in whereabouts(np.zeros((3, 3))).words
