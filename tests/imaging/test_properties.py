from __future__ import annotations

import numpy as np
import pytest
from builders.photographs import photograph
from PIL import Image, ImageFilter
from scipy.ndimage import convolve

from auditor.imaging import properties
from auditor.imaging.geometry import shrink
from auditor.imaging.perceptual_hash import phash
from auditor.records.image_properties import Properties


def measured(image: Image.Image) -> Properties:
    return properties.measure(image, {})[0]


def test_measure_single_shade_has_brightness_and_nothing_else() -> None:
    found, perceptual_hash = properties.measure(Image.new("RGB", (60, 40), (51, 51, 51)), {})
    assert found.brightness == pytest.approx(0.2)
    assert found.border_brightness == pytest.approx(0.2)
    assert (found.contrast, found.sharpness, found.colourfulness) == (0, 0, 0)
    assert (found.hue, found.border_hue) == ("grey", "grey")
    assert found.size == pytest.approx(np.sqrt(2400))
    assert found.aspect == pytest.approx(1.5)
    assert perceptual_hash is None


def test_contrast_half_black_half_white_is_one_half() -> None:
    levels = np.zeros((40, 40, 3), dtype=np.uint8)
    levels[:, 20:] = 255
    found = measured(Image.fromarray(levels))
    assert found.brightness == pytest.approx(0.5)
    assert found.contrast == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ((200, 20, 20), "red"),
        ((200, 190, 20), "yellow"),
        ((20, 200, 20), "green"),
        ((20, 200, 200), "cyan"),
        ((20, 20, 200), "blue"),
        ((200, 20, 200), "magenta"),
        ((200, 20, 60), "red"),  # 347 degrees: the red sector spans 330 to 30
        ((100, 100, 104), "grey"),
    ],
)
def test_hue_of_plain_colour_has_its_name(colour: tuple[int, int, int], name: str) -> None:
    assert measured(Image.new("RGB", (8, 8), colour)).hue == name


def test_border_properties_ignore_the_middle() -> None:
    levels = np.full((64, 64, 3), 255, dtype=np.uint8)
    levels[4:-4, 4:-4] = (10, 10, 200)
    found = measured(Image.fromarray(levels))
    assert (found.border_hue, found.hue) == ("grey", "blue")
    assert found.border_brightness == pytest.approx(1)
    assert properties.border(64, 64).sum() == 64**2 - 56**2


def test_sharpness_equals_scipy_variance_of_laplacian() -> None:
    luma = np.asarray(photograph(grain=20).convert("L"))
    kernel = [[0, 1, 0], [1, -4, 1], [0, 1, 0]]
    edges = convolve(luma.astype(np.float64), np.array(kernel))[1:-1, 1:-1]
    assert properties.sharpness(luma) == pytest.approx(edges.var(), rel=1e-4)


def test_colourfulness_two_pixels_equals_hand_calculation() -> None:
    # One red and one blue pixel: rg = 255, 0; yb = 127.5, -255.
    pixels = np.array([[[255, 0]], [[0, 0]], [[0, 255]]], dtype=np.float32)
    spread = np.hypot(127.5, 191.25)
    mean = np.hypot(127.5, -63.75)
    assert properties.colourfulness(pixels) == pytest.approx(spread + 0.3 * mean)


def test_sharpness_of_blurred_image_is_lower_at_any_size() -> None:
    sharp = photograph(grain=10)
    blurred = sharp.filter(ImageFilter.GaussianBlur(2))
    assert measured(blurred).sharpness < 0.1 * measured(sharp).sharpness
    assert measured(blurred).brightness == pytest.approx(measured(sharp).brightness, abs=0.01)
    twice = sharp.resize((600, 400), Image.Resampling.NEAREST)
    assert measured(twice).sharpness == pytest.approx(measured(sharp).sharpness, rel=0.1)


def test_grey_image_is_measured_as_its_three_equal_channels_would_be() -> None:
    levels = np.random.default_rng(0).integers(0, 256, (300, 700), dtype=np.uint8)
    image = Image.fromarray(levels).convert("RGB")
    found, fingerprint = properties.measure(image, {})
    small = shrink(image, 256)
    luma = np.asarray(small.convert("L"))
    assert small.mode == "RGB"
    assert found.sharpness == properties.sharpness(luma)
    assert found.brightness == pytest.approx(luma.mean() / 255)
    assert (found.hue, found.colourfulness) == ("grey", 0.0)
    assert fingerprint == phash(small)
