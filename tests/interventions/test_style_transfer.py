"""Transfers of a look: what is given is the donor's, what is kept is the image's own."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from reference import ring_energies
from scipy import ndimage

from auditor.interventions.style_transfer import (
    TRANSFERS,
    Transfer,
    colours,
    detail,
    everything,
    sharpness,
)

ImageArray = NDArray[np.uint8]


def drawn(n: int, seed: int, low: int = 0, high: int = 256, side: int = 24) -> ImageArray:
    """Smooth images with some grain, each channel its own."""
    random = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(random.normal(size=(n, 3, 16, side)), (0, 0, 2, 2))
    values = smooth / smooth.std() + 0.2 * random.normal(size=smooth.shape)
    values -= values.min()
    return np.asarray(low + (high - 1 - low) * values / values.max(), dtype=np.uint8)


@pytest.mark.parametrize("transfer", TRANSFERS, ids=lambda one: one.name)
def test_a_image_with_its_own_look_is_itself(transfer: Transfer) -> None:
    images = drawn(40, 0)
    before = images.copy()
    given = transfer(images, images)
    assert given.dtype == np.uint8
    assert np.abs(given.astype(int) - images).max() <= 1
    # As many at a time as fit, and the caller's images stay as they are.
    one_by_one = [transfer(images[k : k + 1], images[::-1][k : k + 1]) for k in range(40)]
    assert np.array_equal(transfer(images, images[::-1]), np.concatenate(one_by_one))
    assert np.array_equal(images, before)


def test_colours_are_the_donors_in_the_order_of_the_image() -> None:
    image = np.array([[10, 20, 30], [60, 50, 40]], np.uint8)
    donor = np.array([[7, 200, 7], [90, 8, 100]], np.uint8)
    given = colours(np.tile(image, (1, 3, 1, 1)), np.tile(donor, (1, 3, 1, 1)))
    assert given[0, 1].tolist() == [[7, 7, 8], [200, 100, 90]]
    images, donors = drawn(3, 1), drawn(3, 2, 60, 120)
    given = colours(images, donors)
    assert np.array_equal(np.sort(given.reshape(9, -1)), np.sort(donors.reshape(9, -1)))
    for before, after in zip(images.reshape(9, -1), given.reshape(9, -1), strict=True):
        shades = [after[before == level] for level in np.unique(before)]
        assert all(one.max() <= other.min() for one, other in pairwise(shades))


def test_in_an_even_background_the_levels_follow_what_is_near() -> None:
    images = np.zeros((1, 3, 9, 9), np.uint8)
    images[:, :, 4, 4] = 255
    donors = np.zeros_like(images)
    donors[:, :, 0, :6] = [10, 10, 10, 10, 40, 255]
    given = colours(images, donors)[0, 0]
    assert given[4, 4] == 255
    # The four next to it are equally near: one of them gets the 40, the others the tens.
    around = sorted(int(given[place]) for place in ((3, 4), (5, 4), (4, 3), (4, 5)))
    assert around == [10, 10, 10, 40]


@pytest.mark.parametrize("side", [16, 24, 21])
def test_sharpness_is_the_donors_energy_at_each_frequency(side: int) -> None:
    # Faint enough that nothing is cut off at 0 or 255.
    images, donors = drawn(2, 3, 110, 150, side), drawn(2, 4, 80, 160, side)
    donors = ndimage.gaussian_filter(donors, (0, 0, 0.8, 0.8))
    given = sharpness(images, donors)
    assert given.min() > 0
    assert given.max() < 255
    for k, channel in np.ndindex(2, 3):
        wanted, found = (ring_energies(some[k, channel]) for some in (donors, given))
        # Rounding adds a twelfth of a level to each of the frequencies of a ring, times the pixels.
        noise = (16 * side) ** 2 / 12
        assert np.abs(found[1:] - wanted[1:]).max() < 0.1 * wanted[1:].max()
        assert (np.abs(found[1:] - wanted[1:]) < 0.05 * wanted[1:] + noise).all()
        assert given[k, channel].mean() == pytest.approx(images[k, channel].mean(), abs=0.1)


def test_detail_is_the_donors_and_the_rest_stays() -> None:
    images = drawn(2, 5, 60, 200)
    rows = np.where(np.arange(16) % 2, 20, -20)[:, None]
    donors = np.asarray(images.astype(int) + rows, dtype=np.uint8)
    given = detail(images, donors)
    # Of the finest stripes, a Gaussian of one pixel leaves exp(-π²/2), less than a hundredth.
    assert np.abs(given.astype(int) - donors)[:, :, 4:-4].max() <= 1
    shifted = np.asarray(images + 30, dtype=np.uint8)
    assert np.abs(detail(images, shifted).astype(int) - images).max() <= 1


def test_everything_is_the_donors_colours_and_much_of_its_sharpness() -> None:
    images, donors = drawn(4, 6), drawn(4, 7, 80, 160)
    donors = ndimage.gaussian_filter(donors, (0, 0, 1.5, 1.5))
    given = everything(images, donors)
    assert np.array_equal(np.sort(given.reshape(12, -1)), np.sort(donors.reshape(12, -1)))

    def edges(some: ImageArray) -> float:
        return float(np.var(ndimage.laplace(some.astype(float), axes=(2, 3))))

    # The rounding of pale levels has edges of its own, and the levels that come last bring some back.
    assert edges(images) > 200 * edges(donors)
    assert edges(given) < 10 * edges(donors)
    assert edges(given) < edges(colours(images, donors))
