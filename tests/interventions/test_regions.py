"""Regions: candidate windows, control regions, and the evidence in a region."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.interventions.regions import (
    Region,
    coarse_regions,
    evidence_share,
    small_windows,
    strips,
    windows_within,
)
from auditor.records import RegionBox

FRAME = Region(0.25, 0.25, 0.75, 0.75, outside=True)


@pytest.mark.parametrize("regions", [coarse_regions(), strips(), small_windows()])
def test_windows_cover_the_image(regions: list[Region]) -> None:
    windows = [one.pixels(96, 96) for one in regions if not one.outside]
    assert np.any(windows, axis=0).all()


def test_windows_within_a_window_stay_inside_it() -> None:
    window = coarse_regions()[0]
    finer = windows_within(window)
    assert len(finer) == 9
    assert all(one.overlap(window) == pytest.approx(1) for one in finer)
    assert not windows_within(FRAME)


def test_control_regions_have_the_same_size_and_little_overlap() -> None:
    random = np.random.default_rng(0)
    for one in (*coarse_regions(), *windows_within(coarse_regions()[0]), *strips()):
        for other in one.control_regions(3, random):
            assert other.area == pytest.approx(one.area, rel=1e-6)
            if not one.outside:
                assert (one.pixels(400, 400) & other.pixels(400, 400)).mean() < 0.11 * one.area


def test_control_region_of_the_frame_is_the_middle_of_the_image() -> None:
    (middle,) = FRAME.control_regions(1, np.random.default_rng(0))
    assert middle.area == pytest.approx(FRAME.area)  # 3/4: a square of side 0.866 in the middle
    assert (middle.x0, middle.x1) == pytest.approx((0.5 - 0.75**0.5 / 2, 0.5 + 0.75**0.5 / 2))
    assert not middle.outside


def test_pixels_of_a_frame_are_the_complement_of_its_rectangle() -> None:
    inner = Region(0.25, 0.25, 0.75, 0.75)
    assert (FRAME.pixels(8, 8) == ~inner.pixels(8, 8)).all()
    assert FRAME.pixels(8, 8).mean() == pytest.approx(FRAME.area)


def test_place_and_box_name_the_region() -> None:
    corner = Region(2 / 3, 0.75, 1, 1)
    assert corner.description == "the lower right corner of the image"
    assert corner.box() == RegionBox(place="lower right corner", box=(0.6667, 0.75, 1, 1))
    assert FRAME.description == "the border of the image"
    assert FRAME.box() == RegionBox(place="border", box=(0.25, 0.25, 0.75, 0.75), outside=True)


def test_evidence_share_of_a_cell_that_the_region_cuts_counts_in_part() -> None:
    cams = np.zeros((2, 2, 2), np.float32)
    cams[0] = [[1, 1], [1, 5]]
    shares = evidence_share(cams, Region(0.5, 0.75, 1, 1))
    # The region covers half of the cell that has 5 of the 8 units of evidence.
    assert shares[0] == pytest.approx(5 / 8 / 2)
    assert np.isnan(shares[1])
