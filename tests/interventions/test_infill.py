"""What a region is replaced with: its surroundings, a blur, another image."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from auditor.interventions.infill import Infill, InfillMethod, blurred, borrowed, inpainted
from auditor.interventions.regions import Region

ImageArray = NDArray[np.uint8]
BOX = Region(0.25, 0.25, 0.625, 0.625)
CORNER = Region(0.625, 0.625, 1, 1)
FRAME = Region(0.25, 0.25, 0.75, 0.75, outside=True)


def noise(n: int = 2, side: int = 16) -> ImageArray:
    return np.random.default_rng(0).integers(0, 256, (n, 3, side, side), dtype=np.uint8)


def jacobi(image: NDArray[np.float64], inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Slow and plain: again and again each pixel of the region becomes its neighbours' mean."""
    height, width = image.shape
    now = np.where(inside, image[~inside].mean(), image)
    for _ in range(3000):
        after = now.copy()
        for y, x in np.argwhere(inside):
            near = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
            known = [now[v, u] for v, u in near if 0 <= v < height and 0 <= u < width]
            after[y, x] = sum(known) / len(known)
        if np.abs(after - now).max() < 1e-6:
            break
        now = after
    return now


def test_a_ramp_is_continued_exactly() -> None:
    down, across = np.mgrid[:16, :16]
    ramp = np.broadcast_to((5 * across + 7 * down + 3).astype(np.uint8), (2, 3, 16, 16))
    scratched = borrowed(ramp, np.full_like(ramp, 255), BOX)
    assert (scratched != ramp).any()
    assert (inpainted(scratched, BOX) == ramp).all()


@pytest.mark.parametrize("region", [BOX, CORNER, FRAME])
def test_what_is_the_same_all_around_fills_the_region(region: Region) -> None:
    plain: ImageArray = np.full((1, 3, 16, 16), 40, dtype=np.uint8)
    plain[:, 1] = 90
    scratched = borrowed(plain, noise(1), region)
    assert (inpainted(scratched, region) == plain).all()


@pytest.mark.parametrize("region", [Region(0.25, 0.375, 0.625, 0.75), CORNER, FRAME])
def test_in_painting_is_what_averaging_ends_in(region: Region) -> None:
    images = noise(1, side=8)
    inside = region.pixels(8, 8)
    done = inpainted(images, region)
    for k in range(3):
        slow = jacobi(images[0, k].astype(np.float64), inside)
        assert np.abs(done[0, k] - slow).max() < 0.51  # rounded to whole numbers
    assert (done[0][:, ~inside] == images[0][:, ~inside]).all()


def test_each_image_may_have_its_own_region() -> None:
    images = noise(4)
    regions = [BOX, Region(0.3125, 0.25, 0.6875, 0.625), CORNER, BOX]
    together = inpainted(images, regions)
    for k, region in enumerate(regions):
        assert (together[k] == inpainted(images[k : k + 1], region)[0]).all()


def test_a_region_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="choose a smaller one"):
        inpainted(noise(), Region(0, 0, 1, 1))
    one_line = Region(0.1, 0.1, 0.11, 0.11)  # less than a pixel: nothing to fill
    assert (inpainted(noise(), one_line) == noise()).all()


def test_the_blur_is_a_gaussian_of_an_eighth_of_the_side() -> None:
    dot: ImageArray = np.zeros((1, 3, 65, 65), dtype=np.uint8)
    dot[0, 0, 24:41, 24:41] = 255
    expected = dot[0, 0].astype(np.float64)
    for axis in (0, 1):
        expected = gaussian_filter1d(expected, 65 / 8, axis=axis, mode="reflect", truncate=6)
    soft = blurred(dot)[0]
    assert np.abs(soft[0] - expected).max() < 1.5
    assert (soft[1:] == 0).all()


def test_borrows_the_region_alone() -> None:
    images: ImageArray = np.zeros((2, 3, 8, 8), np.uint8)
    lenders = np.full_like(images, 7)
    done = borrowed(images, lenders, Region(0.5, 0.25, 1.0, 0.5))
    assert (done[:, :, 2:4, 4:] == 7).all()
    assert done.sum() == 7 * 2 * 3 * 2 * 4
    frame = borrowed(images, lenders, Region(0.25, 0.25, 0.75, 0.75, outside=True))
    assert (frame[:, :, 2:6, 2:6] == 0).all()
    assert frame.sum() == 7 * 2 * 3 * (64 - 16)
    each = borrowed(images, lenders, [Region(0, 0, 0.5, 1), Region(0.5, 0, 1, 1)])
    assert each[0, :, :, :4].all()
    assert not each[0, :, :, 4:].any()
    assert each[1, :, :, 4:].all()


def test_each_way_replaces_the_region_and_nothing_else() -> None:
    images, lenders = noise(), noise()[::-1].copy()
    fills = Infill.of(images, lenders)
    inside = BOX.pixels(16, 16)
    assert fills.ways == ("blurred", "in-painted", "borrowed")
    expectations: dict[InfillMethod, ImageArray] = {
        "blurred": blurred(images),
        "in-painted": inpainted(images, BOX),
        "borrowed": lenders,
    }
    for way, expected in expectations.items():
        done = fills.replaced(BOX, way)
        assert (done[:, :, inside] == expected[:, :, inside]).all()
        assert (done[:, :, ~inside] == images[:, :, ~inside]).all()


def test_without_lenders_nothing_is_borrowed() -> None:
    fills = Infill.of(noise(), None)
    assert "borrowed" not in fills.ways
    with pytest.raises(ValueError, match="no lenders"):
        fills.replaced(BOX, "borrowed")
