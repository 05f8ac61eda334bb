"""Properties: known images have known numbers, and a fingerprint outlives what is done to files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFilter
from scipy.fft import dctn
from scipy.ndimage import convolve

from auditor.imaging import open_image, properties
from auditor.records.image_properties import Properties


def photograph(
    seed: int = 0, size: tuple[int, int] = (300, 200), grain: float = 4.0
) -> Image.Image:
    """Smooth noise with some grain: the spectrum of a photograph, roughly."""
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(0, 256, (9, 12, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), dtype=np.float64)
    noisy = smooth + generator.normal(0, grain, smooth.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def measured(image: Image.Image) -> Properties:
    return properties.measure(image, {})[0]


def saved(image: Image.Image, **options: object) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", **options)
    return Image.open(stream)


def bits(word: str | None) -> NDArray[np.uint8]:
    assert word is not None
    return np.unpackbits(np.frombuffer(bytes.fromhex(word), dtype=np.uint8))


def test_one_shade_has_its_brightness_and_nothing_else() -> None:
    found, fingerprint = properties.measure(Image.new("RGB", (60, 40), (51, 51, 51)), {})
    assert found.brightness == pytest.approx(0.2)
    assert found.border_brightness == pytest.approx(0.2)
    assert (found.contrast, found.sharpness, found.colourfulness) == (0, 0, 0)
    assert (found.hue, found.border_hue) == ("grey", "grey")
    assert found.size == pytest.approx(np.sqrt(2400))
    assert found.aspect == pytest.approx(1.5)
    assert fingerprint is None


def test_contrast_of_half_black_half_white_is_one_half() -> None:
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
        ((200, 20, 60), "red"),  # 347 degrees: the sector of red lies on both sides of 0
        ((100, 100, 104), "grey"),
    ],
)
def test_hues_have_their_names(colour: tuple[int, int, int], name: str) -> None:
    assert measured(Image.new("RGB", (8, 8), colour)).hue == name


def test_the_border_is_told_from_the_middle() -> None:
    levels = np.full((64, 64, 3), 255, dtype=np.uint8)
    levels[4:-4, 4:-4] = (10, 10, 200)
    found = measured(Image.fromarray(levels))
    assert (found.border_hue, found.hue) == ("grey", "blue")
    assert found.border_brightness == pytest.approx(1)
    assert properties.border(64, 64).sum() == 64**2 - 56**2


def test_sharpness_is_the_variance_of_the_laplacian() -> None:
    luma = np.asarray(photograph(grain=20).convert("L"))
    kernel = [[0, 1, 0], [1, -4, 1], [0, 1, 0]]
    edges = convolve(luma.astype(np.float64), np.array(kernel))[1:-1, 1:-1]
    assert properties.sharpness(luma) == pytest.approx(edges.var(), rel=1e-4)


def test_colourfulness_follows_hasler_and_suesstrunk_by_hand() -> None:
    # One red and one blue pixel: rg = 255, 0; yb = 127.5, -255.
    pixels = np.array([[[255, 0]], [[0, 0]], [[0, 255]]], dtype=np.float32)
    spread = np.hypot(127.5, 191.25)
    centre = np.hypot(127.5, -63.75)
    assert properties.colourfulness(pixels) == pytest.approx(spread + 0.3 * centre)


def test_blur_lowers_sharpness_alone_whatever_the_size_of_the_image() -> None:
    sharp = photograph(grain=10)
    blurred = sharp.filter(ImageFilter.GaussianBlur(2))
    assert measured(blurred).sharpness < 0.1 * measured(sharp).sharpness
    assert measured(blurred).brightness == pytest.approx(measured(sharp).brightness, abs=0.01)
    twice = sharp.resize((600, 400), Image.Resampling.NEAREST)
    assert measured(twice).sharpness == pytest.approx(measured(sharp).sharpness, rel=0.1)


@pytest.mark.parametrize("quality", [5, 30, 49, 50, 75, 90, 95, 100])
def test_the_quality_of_a_jpeg_is_read_off_its_table(quality: int) -> None:
    assert properties.said_by_file(saved(photograph(), quality=quality)) == {
        "jpeg_quality": quality
    }


def test_a_camera_is_named_once() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Canon"
    exif[ExifTags.Base.Model] = "Canon EOS 5D"
    assert properties.said_by_file(saved(photograph(), exif=exif))["camera"] == "Canon EOS 5D"
    exif[ExifTags.Base.Model] = "EOS 5D\0"
    assert properties.said_by_file(saved(photograph(), exif=exif))["camera"] == "Canon EOS 5D"


def test_files_bring_what_they_say_and_others_nothing(tmp_path: Path) -> None:
    photograph().save(tmp_path / "one.jpg", quality=60)
    photograph().save(tmp_path / "one.png")
    assert open_image(tmp_path / "one.jpg").stored == {"jpeg_quality": 60}
    assert open_image(tmp_path / "one.png").stored == {}


def test_the_fingerprint_is_the_sign_of_low_cosine_waves() -> None:
    levels = np.asarray(photograph(size=(32, 32)).convert("L"), dtype=np.float64)
    waves = dctn(levels, type=2)[1:9, 1:9].ravel()
    # Orthogonal waves up to a factor that is the same for rows and columns 1 to 8.
    expected = (waves > np.median(waves)).astype(np.uint8)
    found = bits(properties.phash(photograph(size=(32, 32))))
    assert (found == expected).mean() > 0.98  # the two medians differ by rounding


def test_the_fingerprint_outlives_what_is_done_to_files_and_parts_images() -> None:
    distances, strangers = [], []
    for seed in range(20):
        image = photograph(seed)
        own = bits(properties.phash(image))
        changed = [
            saved(image, quality=50),
            image.resize((150, 100), Image.Resampling.BICUBIC),
            Image.eval(image, lambda level: round(0.9 * level)),
        ]
        distances += [int((bits(properties.phash(one)) != own).sum()) for one in changed]
        strangers.append(int((bits(properties.phash(photograph(seed + 100))) != own).sum()))
    assert max(distances) <= 6
    assert min(strangers) >= 14
