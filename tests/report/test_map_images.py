from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from auditor import imaging
from auditor.records import RegionBox
from auditor.report.charts.map_images import difference_image, map_image, region_image


def _pixels(jpeg: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")).astype(np.int64)


def test_region_is_outlined_where_it_is() -> None:
    grey = imaging.jpeg(np.full((80, 160, 3), 128, dtype=np.uint8))
    region = RegionBox(place="bottom", box=(0.25, 0.5, 0.75, 1.0))
    drawn = _pixels(region_image(grey, region, 160))
    changed = np.abs(drawn - 128).max(axis=2) > 60
    rows, columns = np.nonzero(changed)
    assert drawn.shape == (80, 160, 3)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == pytest.approx(
        (40, 79, 40, 119), abs=1
    )
    assert not changed[50:70, 55:105].any()


def test_maps_share_a_scale_and_differences_show_their_sign() -> None:
    half = _pixels(map_image([[0.0, 0.5]], peak=1.0))
    full = _pixels(map_image([[0.0, 0.5]], peak=0.5))
    assert full[:, -1].mean() > half[:, -1].mean()
    left, right = _pixels(difference_image([[1.0, -0.5]]))[:, [0, -1]].mean(axis=0)
    assert left[0] > left[2]
    assert right[2] > right[0]
    assert left.sum() < right.sum()
