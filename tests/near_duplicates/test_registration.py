"""Registration: transforms applied by scipy are recovered, and different images stay different."""

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
    """An image transformed by (scale - 1, rotation, shift right, shift down), by scipy."""
    scale, rotation, right, down = warp
    # scipy has rows first and the origin at the corner; here columns are first, the origin central.
    matrix = np.array([[1 + scale, rotation], [-rotation, 1 + scale]])
    middle = (SIDE - 1) / 2
    offset = middle + np.array([down, right]) * SIDE / 2 - matrix @ [middle, middle]
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
def test_planted_transform_is_recovered(warp: tuple[float, ...]) -> None:
    originals = np.stack([smooth(k) for k in range(6)])
    images = np.stack([200 - 0.5 * warped(one, warp) for one in originals])
    correlation, found = align(-images, originals, steps=12)
    assert (correlation > 0.995).all()
    assert found == pytest.approx(np.tile(np.array(warp), (6, 1)), abs=0.02)


def test_alignment_is_never_worse_than_the_start() -> None:
    one, other = (np.stack([smooth(k + shift) for k in range(20)]) for shift in (0, 50))
    unaligned, _ = align(one, other, steps=1)
    inner = slice(3, 29)  # places up to 0.8 of the half side
    slow = [
        np.corrcoef(a[inner, inner].ravel(), b[inner, inner].ravel())[0, 1]
        for a, b in zip(one, other, strict=True)
    ]
    assert unaligned == pytest.approx(np.array(slow), abs=1e-5)
    aligned, _ = align(one, other, steps=8)
    assert (aligned >= unaligned).all()
    assert (aligned < 0.95).all()  # they remain different images


def test_constant_images_have_correlation_zero() -> None:
    flat, other = np.full((1, SIDE, SIDE), 90, dtype=np.float32), smooth(1)[None]
    for one, two in ((flat, other), (other, flat), (flat, flat)):
        assert align(one, two)[0] == pytest.approx(0, abs=1e-6)
    assert len(align(flat[:0], flat[:0])[0]) == 0
