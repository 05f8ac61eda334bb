"""Infill: a region is replaced by a blur, by its surroundings, or by another image."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from auditor.interventions.infill import Infill, InfillMethod, blur, inpaint, paste
from auditor.interventions.regions import ImageArray, Region

BOX = Region(0.25, 0.25, 0.625, 0.625)
CORNER = Region(0.625, 0.625, 1, 1)
FRAME = Region(0.25, 0.25, 0.75, 0.75, outside=True)


def noise(n: int = 2, side: int = 16) -> ImageArray:
    return np.random.default_rng(0).integers(0, 256, (n, 3, side, side), dtype=np.uint8)


def jacobi(image: NDArray[np.float64], inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Solves Laplace's equation slowly: each pixel repeatedly becomes its neighbours' mean."""
    height, width = image.shape
    values = np.where(inside, image[~inside].mean(), image)
    for _ in range(3000):
        updated = values.copy()
        for y, x in np.argwhere(inside):
            near = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
            known = [values[v, u] for v, u in near if 0 <= v < height and 0 <= u < width]
            updated[y, x] = sum(known) / len(known)
        if np.abs(updated - values).max() < 1e-6:
            break
        values = updated
    return values


def test_inpaint_linear_ramp_is_restored_exactly() -> None:
    down, across = np.mgrid[:16, :16]
    ramp = np.broadcast_to((5 * across + 7 * down + 3).astype(np.uint8), (2, 3, 16, 16))
    damaged = paste(ramp, np.full_like(ramp, 255), BOX)
    assert (damaged != ramp).any()
    assert (inpaint(damaged, BOX) == ramp).all()


@pytest.mark.parametrize("region", [BOX, CORNER, FRAME])
def test_inpaint_uniform_image_is_restored_exactly(region: Region) -> None:
    uniform: ImageArray = np.full((1, 3, 16, 16), 40, dtype=np.uint8)
    uniform[:, 1] = 90
    damaged = paste(uniform, noise(1), region)
    assert (inpaint(damaged, region) == uniform).all()


@pytest.mark.parametrize("region", [Region(0.25, 0.375, 0.625, 0.75), CORNER, FRAME])
def test_inpaint_equals_the_limit_of_repeated_averaging(region: Region) -> None:
    images = noise(1, side=8)
    inside = region.pixels(8, 8)
    filled = inpaint(images, region)
    for k in range(3):
        expected = jacobi(images[0, k].astype(np.float64), inside)
        assert np.abs(filled[0, k] - expected).max() < 0.51  # rounded to integers
    assert (filled[0][:, ~inside] == images[0][:, ~inside]).all()


def test_inpaint_one_region_per_image_equals_single_calls() -> None:
    images = noise(4)
    regions = [BOX, Region(0.3125, 0.25, 0.6875, 0.625), CORNER, BOX]
    together = inpaint(images, regions)
    for k, region in enumerate(regions):
        assert (together[k] == inpaint(images[k : k + 1], region)[0]).all()


def test_inpaint_whole_image_is_refused() -> None:
    with pytest.raises(ValueError, match="choose a smaller region"):
        inpaint(noise(), Region(0, 0, 1, 1))


def test_inpaint_region_of_less_than_a_pixel_changes_nothing() -> None:
    assert (inpaint(noise(), Region(0.1, 0.1, 0.11, 0.11)) == noise()).all()


def test_blur_is_a_gaussian_of_an_eighth_of_the_side() -> None:
    square: ImageArray = np.zeros((1, 3, 65, 65), dtype=np.uint8)
    square[0, 0, 24:41, 24:41] = 255
    expected = square[0, 0].astype(np.float64)
    for axis in (0, 1):
        expected = gaussian_filter1d(expected, 65 / 8, axis=axis, mode="reflect", truncate=6)
    blurred = blur(square)[0]
    assert np.abs(blurred[0] - expected).max() < 1.5
    assert (blurred[1:] == 0).all()


def test_paste_replaces_the_region_only() -> None:
    images: ImageArray = np.zeros((2, 3, 8, 8), np.uint8)
    donors = np.full_like(images, 7)
    pasted = paste(images, donors, Region(0.5, 0.25, 1.0, 0.5))
    assert (pasted[:, :, 2:4, 4:] == 7).all()
    assert pasted.sum() == 7 * 2 * 3 * 2 * 4
    frame = paste(images, donors, FRAME)
    assert (frame[:, :, 2:6, 2:6] == 0).all()
    assert frame.sum() == 7 * 2 * 3 * (64 - 16)


def test_paste_one_region_per_image_uses_each_for_its_image() -> None:
    images: ImageArray = np.zeros((2, 3, 8, 8), np.uint8)
    halves = [Region(0, 0, 0.5, 1), Region(0.5, 0, 1, 1)]
    pasted = paste(images, np.full_like(images, 7), halves)
    assert pasted[0, :, :, :4].all()
    assert not pasted[0, :, :, 4:].any()
    assert pasted[1, :, :, 4:].all()


def test_each_method_replaces_the_region_only() -> None:
    images, donors = noise(), noise()[::-1].copy()
    infill = Infill(images, donors)
    inside = BOX.pixels(16, 16)
    assert infill.methods == ("blur", "in-painting", "donor")
    expectations: dict[InfillMethod, ImageArray] = {
        "blur": blur(images),
        "in-painting": inpaint(images, BOX),
        "donor": donors,
    }
    for method, expected in expectations.items():
        filled = infill.fill(BOX, method)
        assert (filled[:, :, inside] == expected[:, :, inside]).all()
        assert (filled[:, :, ~inside] == images[:, :, ~inside]).all()


def test_fill_without_donor_images_refuses_the_donor_method() -> None:
    infill = Infill(noise(), None)
    assert "donor" not in infill.methods
    with pytest.raises(ValueError, match="no donor images"):
        infill.fill(BOX, "donor")
