"""Fitting one image to another: what was planted is found again, by another library's warp."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import affine_transform

from auditor.near_duplicates.registration import align

SIDE = 32


def smooth(seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    levels = np.random.default_rng(seed).integers(0, 256, (7, 7), dtype=np.uint8)
    found = Image.fromarray(levels).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(found, dtype=np.float32)


def warped(
    image: np.ndarray[tuple[int, int], np.dtype[np.float32]], warp: tuple[float, ...]
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """At each place, the image at the place moved by (scale, turn, right, below), by scipy."""
    scale, turn, right, below = warp
    # scipy counts rows first and from the corner, the fit columns first and from the middle.
    matrix = np.array([[1 + scale, turn], [-turn, 1 + scale]])
    middle = (SIDE - 1) / 2
    offset = middle + np.array([below, right]) * SIDE / 2 - matrix @ [middle, middle]
    found = affine_transform(image, matrix, offset, order=1, mode="nearest")
    return np.asarray(found, dtype=np.float32)


@pytest.mark.parametrize(
    "warp",
    [
        (0.0, 0.0, 0.1, -0.05),
        (-0.1, 0.0, 0.0, 0.0),
        (0.0, 0.09, 0.0, 0.0),
        (0.05, -0.05, 0.05, 0.0),
    ],
)
def test_a_planted_change_is_found_again(warp: tuple[float, ...]) -> None:
    originals = np.stack([smooth(k) for k in range(6)])
    images = np.stack([200 - 0.5 * warped(one, warp) for one in originals])
    likeness, found = align(-images, originals, steps=12)
    assert (likeness > 0.995).all()
    assert found == pytest.approx(np.tile(np.array(warp), (6, 1)), abs=0.02)


def test_the_best_place_on_the_way_counts_and_no_fit_is_worse_than_none() -> None:
    one, other = (np.stack([smooth(k + shift) for k in range(20)]) for shift in (0, 50))
    frozen_eval, _ = align(one, other, steps=1)
    inner = slice(3, 29)  # places up to 0.8 of the half side
    slow = [
        np.corrcoef(a[inner, inner].ravel(), b[inner, inner].ravel())[0, 1]
        for a, b in zip(one, other, strict=True)
    ]
    assert frozen_eval == pytest.approx(np.array(slow), abs=1e-5)
    fitted, _ = align(one, other, steps=8)
    assert (fitted >= frozen_eval).all()
    assert (fitted < 0.95).all()  # what is another image stays one


def test_images_of_one_shade_resemble_nothing() -> None:
    flat, other = np.full((1, SIDE, SIDE), 90, dtype=np.float32), smooth(1)[None]
    for one, two in ((flat, other), (other, flat), (flat, flat)):
        assert align(one, two)[0] == pytest.approx(0, abs=1e-6)
    assert len(align(flat[:0], flat[:0])[0]) == 0
