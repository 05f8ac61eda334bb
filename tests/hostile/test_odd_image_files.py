"""Damaged metadata, several frames, files that are two things at once: an image, or a row with a reason."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from auditor.errors import UnreadableImageError
from auditor.imaging import image_size, open_image

WIDTH, HEIGHT = 12, 8
RAMP = np.arange(WIDTH * HEIGHT, dtype=np.uint8).reshape(HEIGHT, WIDTH)
FIRST = Image.merge("RGB", [Image.fromarray(RAMP)] * 3)
KINDS = ("PNG", "JPEG", "TIFF", "WEBP")


def stored(kind: str, image: Image.Image = FIRST, **options: object) -> bytes:
    stream = io.BytesIO()
    lossless = {"lossless": True} if kind == "WEBP" else {}
    image.save(stream, kind, **lossless | options)
    return stream.getvalue()


def decoded(data: bytes, folder: Path) -> np.ndarray:
    (folder / "a.bin").write_bytes(data)
    found = open_image(folder / "a.bin").image
    assert found.mode == "RGB"
    return np.asarray(found)


def reason_for(data: bytes, folder: Path) -> str:
    """Why a file is no image; empty if it is one."""
    try:
        decoded(data, folder)
    except UnreadableImageError as error:
        return error.reason
    return ""


def is_first(pixels: np.ndarray) -> bool:
    """Whether it is the image above, which JPEG changes by a few levels."""
    same = pixels.shape == (HEIGHT, WIDTH, 3)
    return same and bool(np.abs(pixels[..., 0].astype(int) - RAMP).max() < 12)


def zip_file() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("run.class", b"\xca\xfe\xba\xbe" * 20)
    return stream.getvalue()


BROKEN_EXIF = {
    "cut": b"Exif\0\0II*\0\x08\0\0\0\xff\xff",
    "no TIFF": b"Exif\0\0garbage!",
    "offset past the end": b"Exif\0\0II*\0\xff\xff\xff\x7f",
    "loop": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0",
    "orientation 99": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0\0\0\0\0",
    "orientation as text": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x04\0\0\0abc\0\0\0\0\0",
    "4 billion values": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\xff\xff\xff\xff\x08\0\0\0\0\0\0\0",
    "empty": b"",
}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("exif", BROKEN_EXIF)
def test_broken_exif_does_not_change_the_pixels(exif: str, kind: str, tmp_path: Path) -> None:
    data = stored(kind, exif=BROKEN_EXIF[exif])
    assert is_first(decoded(data, tmp_path))
    assert image_size(tmp_path / "a.bin") == (WIDTH, HEIGHT)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("profile", ["garbage", "zeros", "empty", "cut"])
def test_broken_icc_profile_does_not_change_the_pixels(
    profile: str, kind: str, tmp_path: Path
) -> None:
    whole = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profiles = {"garbage": b"garbage", "zeros": b"\0" * 200, "empty": b"", "cut": whole[:100]}
    assert is_first(decoded(stored(kind, icc_profile=profiles[profile]), tmp_path))


def test_icc_profile_that_expands_without_end_is_a_reason(tmp_path: Path) -> None:
    profile = b"name\0\0" + zlib.compress(b"\0" * 100_000_000, 9)
    chunk = struct.pack(">I", len(profile)) + b"iCCP" + profile
    chunk += struct.pack(">I", zlib.crc32(b"iCCP" + profile))
    data = stored("PNG")
    assert reason_for(data[:33] + chunk + data[33:], tmp_path) == "unreadable"


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG"])
def test_first_of_several_frames_or_pages_is_read(kind: str, tmp_path: Path) -> None:
    others = [Image.new("RGB", FIRST.size, colour) for colour in ("red", "blue")]
    data = stored(kind, save_all=True, append_images=others)
    pixels = decoded(data, tmp_path)
    assert is_first(pixels) or (kind == "GIF" and pixels.shape == (HEIGHT, WIDTH, 3))
    assert pixels.std(axis=(0, 1)).min() > 1  # the others have one colour


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("behind", ["zip", "program", "zeros"])
def test_file_with_something_behind_the_image_is_the_image(
    behind: str, kind: str, tmp_path: Path
) -> None:
    more = {"zip": zip_file(), "program": b"\x7fELF" + b"\x90" * 500, "zeros": b"\0" * 5000}
    assert is_first(decoded(stored(kind) + more[behind], tmp_path))


@pytest.mark.parametrize(
    "start",
    [
        zip_file(),
        b"#!/bin/sh\nexit 0\n",
        b"%PDF-1.7\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    ],
    ids=["zip", "script", "pdf", "svg"],
)
def test_file_with_an_image_behind_something_else_is_no_image(start: bytes, tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match="not-an-image"):
        decoded(start + stored("PNG"), tmp_path)


def test_gif_that_is_a_program_is_decoded_as_gif(tmp_path: Path) -> None:
    # "GIF89a" followed by sizes that are also the start of a comment of JavaScript: "/*".
    data = bytearray(stored("GIF"))
    data[6:8] = b"/*"
    assert decoded(bytes(data) + b"*/=1;alert(1);", tmp_path).shape == (HEIGHT, 0x2A2F, 3)


@pytest.mark.parametrize("kind", [*KINDS, "GIF", "BMP", "PPM", "TGA", "SGI", "PCX", "ICO", "QOI"])
def test_truncated_file_is_an_image_or_has_a_reason(kind: str, tmp_path: Path) -> None:
    try:
        data = stored(kind)
    except (KeyError, OSError, ValueError):
        pytest.skip(f"Pillow can't write {kind} here")
    for length in {0, 1, 2, 8, 20, len(data) // 4, len(data) // 2, len(data) - 1}:
        reason = reason_for(data[:length], tmp_path)
        assert reason in {"", "empty", "truncated", "not-an-image", "unreadable"}, length
        assert reason or length == len(data) - 1, length


def test_side_of_65535_pixels_is_decoded(tmp_path: Path) -> None:
    assert decoded(stored("PNG", Image.new("L", (65_535, 2), 9)), tmp_path).shape == (2, 65_535, 3)
    with pytest.raises(UnreadableImageError, match="too-large"):
        decoded(stored("PNG", Image.new("L", (65_536, 2), 9)), tmp_path)
