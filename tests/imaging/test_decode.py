from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from auditor.errors import UnreadableImageError
from auditor.imaging import decode_image, open_image, upright_rgb


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


# Unreadable files --------------------------------------------------------------------------


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
def test_open_image_broken_file_raises_with_reason(
    tmp_path: Path, make: Callable[[Path], object], reason: str
) -> None:
    path = tmp_path / "image.jpg"
    make(path)
    with pytest.raises(UnreadableImageError) as caught:
        open_image(path)
    assert caught.value.reason == reason


@pytest.mark.parametrize("side", [9_500, 14_000])  # above Pillow's limit, above twice that limit
@pytest.mark.parametrize("action", ["error", "ignore"])
def test_decode_image_decompression_bomb_raises_under_any_warning_filter(
    side: int, action: str
) -> None:
    data = _bytes(Image.new("1", (side, side)), "PNG")
    assert len(data) < 100_000
    with warnings.catch_warnings():
        warnings.simplefilter(action)  # type: ignore[arg-type]
        with pytest.raises(UnreadableImageError) as caught:
            decode_image(data)
    assert caught.value.reason == "too-large"


_FILES = [
    _bytes(_photo(), "JPEG", exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x00\x00"),
    _bytes(_photo(), "PNG"),
    _bytes(_photo().convert("P"), "GIF"),
    _bytes(_photo(), "TIFF", compression="tiff_lzw"),
    _bytes(_photo(), "WEBP"),
    _bytes(_photo(), "BMP"),
]


@settings(max_examples=300)
@given(
    st.sampled_from(_FILES),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8),
    st.floats(0.05, 1),
)
def test_decode_image_damaged_bytes_gives_image_or_reason(
    data: bytes, hits: list[tuple[float, int]], kept: float
) -> None:
    damaged = bytearray(data[: max(int(len(data) * kept), 1)])
    for place, value in hits:
        damaged[int(place * (len(damaged) - 1))] = value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reason = None
        try:
            assert decode_image(bytes(damaged)).mode == "RGB"
        except UnreadableImageError as error:
            reason = error.reason
    assert reason in {None, "truncated", "not-an-image", "too-large", "unreadable"}


# Formats and modes ---------------------------------------------------------------------------


def test_open_image_sha256_is_of_the_file_bytes(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(_bytes(_photo(), "PNG"))
    image = open_image(path)
    assert image.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert np.array_equal(_array(image.image), _array(_photo()))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_decode_image_any_exif_orientation_is_upright(kind: str, orientation: int) -> None:
    # The stored pixels are the inverse of the operation that EXIF 2.3, section 4.6.4, assigns to each
    # value of the tag.
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
    read = decode_image(data)
    assert read.size == (48, 32)
    assert np.abs(_array(read) - _array(upright))[4:12, 4:20].max() <= 10
    assert np.abs(_array(read) - _array(upright))[4:12, 28:44].max() <= 10


def test_decode_image_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    values = np.array([[0, 128, 257, 32768, 65535]], np.uint16)
    read = decode_image(_bytes(Image.fromarray(values), "PNG"))
    assert _array(read)[0].tolist() == [[0] * 3, [0] * 3, [1] * 3, [128] * 3, [255] * 3]
    for other in (">u2", "<i4"):
        again = upright_rgb(Image.fromarray(values.astype(other)))
        assert np.array_equal(_array(again), _array(read))


def test_upright_rgb_unknown_range_raises() -> None:
    floats = np.array([[0, 0.5, 1]], np.float32)
    assert _array(upright_rgb(Image.fromarray(floats)))[0, :, 0].tolist() == [0, 128, 255]
    with pytest.raises(UnreadableImageError, match=r"expected pixel values of mode F in 0…1; got"):
        upright_rgb(Image.fromarray(floats * 300))
    with pytest.raises(UnreadableImageError, match="mode F"):
        upright_rgb(Image.fromarray(floats * np.float32(np.nan)))


def test_decode_image_cmyk_becomes_rgb() -> None:
    inks = Image.merge("CMYK", [Image.new("L", (16, 16), ink) for ink in (0, 255, 255, 0)])
    read = _array(decode_image(_bytes(inks, "JPEG", quality=95)))
    assert np.abs(read - [255, 0, 0]).max() <= 6  # magenta and yellow ink make red


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P", "L", "RGBa", "La"])
def test_upright_rgb_transparent_pixels_become_white(mode: str) -> None:
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


def test_upright_rgb_half_transparent_red_becomes_pink() -> None:
    image = Image.new("RGBA", (1, 1), (255, 0, 0, 128))
    assert _array(upright_rgb(image))[0, 0].tolist() == [255, 127, 127]


@pytest.mark.parametrize("mode", ["1", "L", "P", "YCbCr", "HSV"])
def test_upright_rgb_other_modes_become_rgb(mode: str) -> None:
    grey = Image.new("RGB", (4, 4), (255, 255, 255)).convert(mode)
    assert np.abs(_array(upright_rgb(grey)) - 255).max() <= 1


def test_png_with_damaged_pixels_is_no_half_image(tmp_path: Path) -> None:
    """Pillow decodes a PNG to look for EXIF; the error of the first decoding is the one that counts."""
    pixels = np.random.default_rng(0).integers(0, 256, (96, 80, 3), dtype=np.uint8)
    path = tmp_path / "damaged.png"
    Image.fromarray(pixels).save(path)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    path.write_bytes(bytes(data))
    with pytest.raises(UnreadableImageError):
        open_image(path)
