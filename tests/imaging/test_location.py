from __future__ import annotations

import numpy as np
import pytest

from auditor.imaging.location import (
    evidence_shares,
    locate_evidence,
    place_name,
    place_of_gain,
)

# Words for a place ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "column", "expected"),
    [
        (0, 4, "upper edge"),
        (4, 8, "right edge"),
        (4, 4, "centre"),
        (2, 2, "upper left corner"),
        (0, 8, "upper right corner"),
        (8, 3, "lower edge"),
        (8, 8, "lower right corner"),
    ],
)
def test_place_name_single_position_is_its_third(row: int, column: int, expected: str) -> None:
    weights = np.zeros((9, 9))
    weights[row, column] = 1
    assert place_name(weights) == expected
    assert locate_evidence(weights).place == expected


def test_place_name_uniform_weights_is_centre() -> None:
    assert place_name(np.ones((6, 6))) == "centre"


def test_place_of_gain_along_all_edges_is_border() -> None:
    edges = np.zeros((8, 8))
    edges[[0, -1]] = edges[:, [0, -1]] = 1
    middle = np.zeros((8, 8))
    middle[3:5, 3:5] = 1
    assert place_of_gain(edges - middle) == "border"
    assert place_of_gain(middle - edges) == "centre"


# Description of a map ---------------------------------------------------------------------------


def test_locate_evidence_single_spot_holds_everything() -> None:
    cam = np.zeros((10, 10), np.float32)
    cam[9, 0] = 3.0
    found = locate_evidence(cam)
    assert found.share == pytest.approx(1.0)
    assert found.place == "lower left corner"
    assert found.words.startswith("concentrates at the lower left corner; 100")


def test_locate_evidence_flat_map_holds_a_tenth_in_a_tenth() -> None:
    # 49 positions: a tenth of the area is 4.9 positions, so the share is exactly 0.1.
    found = locate_evidence(np.full((7, 7), 0.2))
    assert found.share == pytest.approx(0.1)
    assert "evenly" in found.words


def test_locate_evidence_without_positive_values_is_empty() -> None:
    assert locate_evidence(-np.ones((7, 7))).share == 0
    assert "is empty" in locate_evidence(np.zeros((3, 3))).words


# Shares of the evidence -------------------------------------------------------------------------


def test_evidence_shares_map_without_evidence_is_flagged() -> None:
    cams = np.zeros((2, 4, 4), np.float32)
    cams[1, 0, 0] = 5
    share, some = evidence_shares(cams)
    assert some.tolist() == [False, True]
    assert share[1, 0, 0] == 1


def test_evidence_shares_large_map_is_pooled_without_loss() -> None:
    cams = np.random.default_rng(0).random((2, 40, 20)).astype(np.float32)
    share, _ = evidence_shares(cams)
    assert share.shape == (2, 16, 16)
    # Row 0 pools rows 0 and 1 of 40; column 0 is column 0 of 20.
    assert share[0, 0, 0] == pytest.approx(cams[0, :2, :1].sum() / cams[0].sum())
    assert share.sum((1, 2)) == pytest.approx(1)
