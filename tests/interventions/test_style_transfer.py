"""Style transfer: the style is the donor's, the content is the image's own."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from reference import ring_energies
from scipy import ndimage

from auditor.interventions.regions import ImageArray
from auditor.interventions.style_transfer import (
    STYLE_TRANSFERS,
    StyleTransfer,
    colours,
    colours_and_sharpness,
    detail,
    sharpness,
)


def smooth_images(n: int, seed: int, low: int = 0, high: int = 256, side: int = 24) -> ImageArray:
    """Smooth images with some grain, different in each channel."""
    random = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(random.normal(size=(n, 3, 16, side)), (0, 0, 2, 2))
    values = smooth / smooth.std() + 0.2 * random.normal(size=smooth.shape)
    values -= values.min()
    return np.asarray(low + (high - 1 - low) * values / values.max(), dtype=np.uint8)


@pytest.mark.parametrize("transfer", STYLE_TRANSFERS, ids=lambda one: one.style)
def test_transfer_from_the_image_itself_changes_nothing(transfer: StyleTransfer) -> None:
    images = smooth_images(40, 0)
    changed = transfer(images, images)
    assert changed.dtype == np.uint8
    assert np.abs(changed.astype(int) - images).max() <= 1


@pytest.mark.parametrize("transfer", STYLE_TRANSFERS, ids=lambda one: one.style)
def test_transfer_in_chunks_equals_single_images(transfer: StyleTransfer) -> None:
    images = smooth_images(40, 0)
    before = images.copy()
    donors = images[::-1]
    one_by_one = [transfer(images[k : k + 1], donors[k : k + 1]) for k in range(40)]
    assert np.array_equal(transfer(images, donors), np.concatenate(one_by_one))
    assert np.array_equal(images, before)


def test_colours_are_the_donors_levels_in_the_order_of_the_image() -> None:
    image = np.array([[10, 20, 30], [60, 50, 40]], np.uint8)
    donor = np.array([[7, 200, 7], [90, 8, 100]], np.uint8)
    changed = colours(np.tile(image, (1, 3, 1, 1)), np.tile(donor, (1, 3, 1, 1)))
    assert changed[0, 1].tolist() == [[7, 7, 8], [200, 100, 90]]
    images, donors = smooth_images(3, 1), smooth_images(3, 2, 60, 120)
    changed = colours(images, donors)
    assert np.array_equal(np.sort(changed.reshape(9, -1)), np.sort(donors.reshape(9, -1)))
    for before, after in zip(images.reshape(9, -1), changed.reshape(9, -1), strict=True):
        shades = [after[before == level] for level in np.unique(before)]
        assert all(one.max() <= other.min() for one, other in pairwise(shades))


def test_colours_in_a_uniform_background_follow_the_neighbourhood() -> None:
    images = np.zeros((1, 3, 9, 9), np.uint8)
    images[:, :, 4, 4] = 255
    donors = np.zeros_like(images)
    donors[:, :, 0, :6] = [10, 10, 10, 10, 40, 255]
    changed = colours(images, donors)[0, 0]
    assert changed[4, 4] == 255
    # Its four neighbours have equal keys: one of them gets the 40, the others get the tens.
    around = sorted(int(changed[place]) for place in ((3, 4), (5, 4), (4, 3), (4, 5)))
    assert around == [10, 10, 10, 40]


@pytest.mark.parametrize("side", [16, 24, 21])
def test_sharpness_gives_the_donors_energy_at_each_frequency(side: int) -> None:
    # With so little contrast that nothing is clipped at 0 or 255.
    images, donors = smooth_images(2, 3, 110, 150, side), smooth_images(2, 4, 80, 160, side)
    donors = ndimage.gaussian_filter(donors, (0, 0, 0.8, 0.8))
    changed = sharpness(images, donors)
    assert changed.min() > 0
    assert changed.max() < 255
    for k, channel in np.ndindex(2, 3):
        wanted, found = (ring_energies(some[k, channel]) for some in (donors, changed))
        # Rounding adds noise of variance 1/12 to every pixel.
        noise = (16 * side) ** 2 / 12
        assert np.abs(found[1:] - wanted[1:]).max() < 0.1 * wanted[1:].max()
        assert (np.abs(found[1:] - wanted[1:]) < 0.05 * wanted[1:] + noise).all()
        assert changed[k, channel].mean() == pytest.approx(images[k, channel].mean(), abs=0.1)


def test_detail_is_the_donors_and_coarse_content_is_kept() -> None:
    images = smooth_images(2, 5, 60, 200)
    rows = np.where(np.arange(16) % 2, 20, -20)[:, None]
    donors = np.asarray(images.astype(int) + rows, dtype=np.uint8)
    changed = detail(images, donors)
    # A Gaussian of one pixel leaves exp(-π²/2) of the finest stripes, less than a hundredth.
    assert np.abs(changed.astype(int) - donors)[:, :, 4:-4].max() <= 1
    shifted = np.asarray(images + 30, dtype=np.uint8)
    assert np.abs(detail(images, shifted).astype(int) - images).max() <= 1


def test_colours_and_sharpness_are_the_donors() -> None:
    images, donors = smooth_images(4, 6), smooth_images(4, 7, 80, 160)
    donors = ndimage.gaussian_filter(donors, (0, 0, 1.5, 1.5))
    changed = colours_and_sharpness(images, donors)
    assert np.array_equal(np.sort(changed.reshape(12, -1)), np.sort(donors.reshape(12, -1)))

    def edges(some: ImageArray) -> float:
        return float(np.var(ndimage.laplace(some.astype(float), axes=(2, 3))))

    # Rounding at low contrast adds edges, and the transfer of colours restores some of the image's own.
    assert edges(images) > 200 * edges(donors)
    assert edges(changed) < 10 * edges(donors)
    assert edges(changed) < edges(colours(images, donors))
