from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import v2 as transforms

from auditor.errors import UnreadableImageError
from auditor.imaging import (
    decode,
    guided_view,
    jpeg,
    open_image,
    overlay,
    prepare,
    resize_geometry,
    thumbnail,
    upright_rgb,
    upsample,
)


def _photo(width: int = 40, height: int = 30) -> Image.Image:
    ramp = np.linspace(0, 255, width)[None, :] * np.ones((height, 1))
    slope = np.linspace(0, 255, height)[:, None] * np.ones((1, width))
    return Image.fromarray(np.stack([ramp, slope, 255 - ramp], -1).astype(np.uint8))


def _bytes(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _array(image: Image.Image) -> np.ndarray:
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


# Images that can't be read ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.exists(), "missing"),
        (lambda path: path.mkdir(), "unreadable"),
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_text("<html>no image</html>"), "not-an-image"),
        (lambda path: path.write_bytes(_bytes(_photo(), "JPEG")[:600]), "truncated"),
        (lambda path: path.write_bytes(_bytes(_photo(), "JPEG")[:20]), "truncated"),
        (lambda path: path.write_bytes(_bytes(_photo(), "PNG")[:100]), "truncated"),
        (lambda path: path.write_bytes(_bytes(_photo(), "PNG")[:12]), "truncated"),
    ],
)
def test_a_broken_file_is_refused_with_its_reason(
    tmp_path: Path, make: Callable[[Path], object], reason: str
) -> None:
    path = tmp_path / "image.jpg"
    make(path)
    with pytest.raises(UnreadableImageError) as caught:
        open_image(path)
    assert caught.value.reason == reason


@pytest.mark.parametrize("side", [9_500, 14_000])  # above Pillow's limit, above twice that limit
@pytest.mark.parametrize("action", ["error", "ignore"])
def test_a_bomb_is_refused_whatever_the_warning_filters_say(side: int, action: str) -> None:
    data = _bytes(Image.new("1", (side, side)), "PNG")
    assert len(data) < 100_000
    with warnings.catch_warnings():
        warnings.simplefilter(action)  # type: ignore[arg-type]
        with pytest.raises(UnreadableImageError) as caught:
            decode(data)
    assert caught.value.reason == "too-large"


_ZOO = [
    _bytes(_photo(), "JPEG", exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x00\x00"),
    _bytes(_photo(), "PNG"),
    _bytes(_photo().convert("P"), "GIF"),
    _bytes(_photo(), "TIFF", compression="tiff_lzw"),
    _bytes(_photo(), "WEBP"),
    _bytes(_photo(), "BMP"),
]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(_ZOO),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8),
    st.floats(0.05, 1),
)
def test_damage_gives_a_image_or_a_reason_and_nothing_else(
    data: bytes, hits: list[tuple[float, int]], kept: float
) -> None:
    damaged = bytearray(data[: max(int(len(data) * kept), 1)])
    for place, value in hits:
        damaged[int(place * (len(damaged) - 1))] = value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reason = None
        try:
            assert decode(bytes(damaged)).mode == "RGB"
        except UnreadableImageError as error:
            reason = error.reason
    assert reason in {None, "truncated", "not-an-image", "too-large", "unreadable"}


# Kinds of images ----------------------------------------------------------------------------


def test_the_fingerprint_is_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(_bytes(_photo(), "PNG"))
    image = open_image(path)
    assert image.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert np.array_equal(_array(image.image), _array(_photo()))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_out_upright(kind: str, orientation: int) -> None:
    # What a camera stores when it is held so that `orientation` undoes it (EXIF 2.3, 4.6.4):
    # the inverse of each transposition.
    upright = Image.new("RGB", (48, 32), "white")
    upright.paste((200, 30, 30), (0, 0, 24, 16))
    upright.paste((30, 30, 200), (24, 0, 48, 16))
    stored_as = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }[orientation](np.asarray(upright))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = _bytes(Image.fromarray(np.ascontiguousarray(stored_as)), kind, exif=exif)
    read = decode(data)
    assert read.size == (48, 32)
    assert np.abs(_array(read) - _array(upright))[4:12, 4:20].max() <= 10
    assert np.abs(_array(read) - _array(upright))[4:12, 28:44].max() <= 10


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    values = np.array([[0, 128, 257, 32768, 65535]], np.uint16)
    read = decode(_bytes(Image.fromarray(values), "PNG"))
    assert _array(read)[0].tolist() == [[0] * 3, [0] * 3, [1] * 3, [128] * 3, [255] * 3]
    for other in (">u2", "<i4"):
        again = upright_rgb(Image.fromarray(values.astype(other)))
        assert np.array_equal(_array(again), _array(read))


def test_values_without_an_agreed_range_are_refused() -> None:
    floats = np.array([[0, 0.5, 1]], np.float32)
    assert _array(upright_rgb(Image.fromarray(floats)))[0, :, 0].tolist() == [0, 128, 255]
    with pytest.raises(UnreadableImageError, match=r"expected pixel values of mode F in 0…1; got"):
        upright_rgb(Image.fromarray(floats * 300))
    with pytest.raises(UnreadableImageError, match="mode F"):
        upright_rgb(Image.fromarray(floats * np.float32(np.nan)))


def test_cmyk_is_converted() -> None:
    inks = Image.merge("CMYK", [Image.new("L", (16, 16), ink) for ink in (0, 255, 255, 0)])
    read = _array(decode(_bytes(inks, "JPEG", quality=95)))
    assert np.abs(read - [255, 0, 0]).max() <= 6  # magenta and yellow ink make red


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P", "L", "RGBa", "La"])
def test_what_is_transparent_becomes_white(mode: str) -> None:
    if mode in {"P", "L", "PA"}:  # one value of these is declared transparent
        image = Image.new(mode[0], (2, 1), 0)
        if mode != "L":
            image.putpalette([10, 20, 30, 0, 0, 0])
        image.putpixel((1, 0), 1)
        if mode == "PA":
            image = image.convert("PA")
            image.putpixel((0, 0), (0, 0))
        else:
            image = Image.open(io.BytesIO(_bytes(image, "PNG", transparency=0)))
    else:
        image = Image.new("RGBA", (2, 1), (0, 0, 0, 255))
        image.putpixel((0, 0), (10, 10, 10, 0))
        if mode in {"LA", "La"}:
            image = image.convert("LA")
        image = image.convert(mode)
    left, right = _array(upright_rgb(image))[0]
    assert left.tolist() == [255, 255, 255]
    assert right.max() <= 1


def test_half_transparent_red_over_white_is_pink() -> None:
    image = Image.new("RGBA", (1, 1), (255, 0, 0, 128))
    assert _array(upright_rgb(image))[0, 0].tolist() == [255, 127, 127]


@pytest.mark.parametrize("mode", ["1", "L", "P", "YCbCr", "HSV"])
def test_other_modes_become_rgb(mode: str) -> None:
    grey = Image.new("RGB", (4, 4), (255, 255, 255)).convert(mode)
    assert np.abs(_array(upright_rgb(grey)) - 255).max() <= 1


# To the network's input -----------------------------------------------------------------------

_SIZES = st.one_of(st.none(), st.integers(1, 70), st.tuples(st.integers(1, 70), st.integers(1, 70)))


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 80),
    st.integers(1, 80),
    _SIZES,
    _SIZES,
    st.sampled_from(["nearest", "bilinear", "bicubic", "lanczos"]),
)
def test_prepare_does_what_torchvision_does(
    width: int,
    height: int,
    resize: int | tuple[int, int] | None,
    crop: int | tuple[int, int] | None,
    interpolation: str,
) -> None:
    if isinstance(resize, int) and min(resize * height // width, resize * width // height) < 1:
        resize = None  # torchvision fails on an empty side
    image = _photo(width, height)
    steps: list[torch.nn.Module] = []
    if resize is not None:
        size = [resize] if isinstance(resize, int) else list(resize)
        steps.append(transforms.Resize(size, InterpolationMode(interpolation), antialias=True))
    if crop is not None:
        steps.append(transforms.CenterCrop(crop))
    expected = image
    for step in steps:
        expected = step(expected)
    got = prepare(image, resize, crop, interpolation)  # type: ignore[arg-type]
    assert got.flags.c_contiguous
    assert np.array_equal(got, np.asarray(expected).transpose(2, 0, 1))


def test_a_box_follows_its_object_into_the_view() -> None:
    image = Image.new("RGB", (200, 100))
    image.paste((255, 255, 255), (80, 40, 120, 60))
    view = resize_geometry(200, 100, 50, 40)  # halved to 100 × 50, 30 columns and 5 rows cut
    assert (view.resized, view.left, view.top) == ((100, 50), 30, 5)
    assert view.box((80, 40, 120, 60)) == (10, 15, 30, 25)
    white = np.argwhere(prepare(image, 50, 40)[0] > 127)
    assert white.min(0).tolist() == [15, 10]
    assert (white.max(0) + 1).tolist() == [25, 30]
    assert view.box((0, 0, 80, 100)) == (0, 0, 10, 40)
    assert view.box((0, 0, 40, 100)) is None
    assert resize_geometry(20, 10, None, 30).box((0, 0, 20, 10)) == (5, 10, 25, 20)


# Drawing --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"), [((7, 7), (224, 224)), ((3, 5), (11, 8)), ((9, 1), (4, 6))]
)
def test_upsampling_is_torchs_bilinear(before: tuple[int, int], after: tuple[int, int]) -> None:
    cam = np.random.default_rng(0).normal(size=before).astype(np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(cam)[None, None], size=after, mode="bilinear", align_corners=False
    )[0, 0]
    np.testing.assert_allclose(upsample(cam, *after), expected.numpy(), atol=1e-6)


def test_an_overlay_blends_by_the_value() -> None:
    image = np.full((1, 3, 3), 100, np.uint8)
    cam = np.array([[-1.0, 0.5, 1.0]])
    drawn = overlay(image, cam, opacity=0.6).astype(int)
    assert drawn[0, 0].tolist() == [100] * 3
    # viridis is (33, 145, 140) in its middle and (253, 231, 37) at its end (matplotlib's table).
    assert np.abs(drawn[0, 1] - (0.7 * 100 + 0.3 * np.array([33, 145, 140]))).max() <= 1.5
    assert np.abs(drawn[0, 2] - (0.4 * 100 + 0.6 * np.array([253, 231, 37]))).max() <= 1
    # A common peak makes maps comparable: half of the peak is drawn as half.
    shared = overlay(image, cam, peak=2.0, opacity=0.6).astype(int)
    assert np.abs(shared[0, 2] - drawn[0, 1]).max() <= 1
    assert np.array_equal(overlay(image, -np.abs(cam)), image)


def test_the_guided_view_is_grey_at_zero_and_signed() -> None:
    relevance = np.zeros((3, 50, 60))
    relevance[0, :, 0] = 2.0
    relevance[1, :, 0] = -2.0
    relevance[2, 0, 0] = 1e6  # an outlier must not turn the rest grey
    view = guided_view(relevance)
    assert view.shape == (50, 60, 3)
    assert view[10, 0].tolist() == [255, 1, 128]
    assert view[10, 10].tolist() == [128, 128, 128]
    assert set(guided_view(np.zeros((3, 4, 4))).ravel()) == {128}
    lone = np.zeros((3, 100, 100))
    lone[:, 5, 5] = 3.0
    assert guided_view(lone)[5, 5].tolist() == [255, 255, 255]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_maps_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        overlay(np.zeros((4, 4, 3), np.uint8), np.array([[bad]]))
    with pytest.raises(ValueError, match="finite"):
        guided_view(np.full((3, 4, 4), bad))
    with pytest.raises(ValueError, match="opacity"):
        overlay(np.zeros((4, 4, 3), np.uint8), np.ones((1, 1)), opacity=2)


def test_images_for_the_report() -> None:
    small = thumbnail(_photo(400, 300), 100)
    assert small.shape == (75, 100, 3)
    assert thumbnail(_photo(40, 30), 100).shape == (30, 40, 3)
    assert thumbnail(_photo(500, 1), 100).shape == (1, 100, 3)
    again = np.asarray(Image.open(io.BytesIO(jpeg(small, 95))))
    assert np.abs(again.astype(int) - small).mean() < 3
