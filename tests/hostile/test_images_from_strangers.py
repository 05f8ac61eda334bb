"""Images that starve or stop a run: each is a row with its reason."""

from __future__ import annotations

import os
import resource
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auditor.errors import UnreadableImageError
from auditor.imaging import image_size, open_image


def _png(width: int, height: int, depth: int = 8) -> bytes:
    """A PNG of any stated size, with little data."""

    def chunk(name: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + checksum

    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 1000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("width", "height"),
    [(1, 89_000_000), (89_000_000, 1), (70_000, 3), (2**31 - 1, 2**31 - 1), (40_000, 40_000)],
)
def test_image_of_extreme_size_is_too_large(width: int, height: int, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(_png(width, height))
    with pytest.raises(UnreadableImageError, match="too-large"):
        open_image(tmp_path / "a.png")


def test_file_of_extreme_size_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.png").open("wb") as stream:
        stream.truncate(8 << 30)  # sparse
    for read in (open_image, image_size):
        with pytest.raises(UnreadableImageError, match=r"too-large: .* bytes"):
            read(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["/proc/kmsg", "/proc/self/environ", "/dev/zero", "/dev/null"])
def test_file_of_the_kernel_is_not_read(name: str, tmp_path: Path) -> None:
    if not Path(name).exists():
        pytest.skip(f"there is no {name}")
    (tmp_path / "a.png").symlink_to(name)
    with pytest.raises(UnreadableImageError, match=r"empty|unreadable"):
        open_image(tmp_path / "a.png")


def test_pipe_does_not_stop_a_run(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(UnreadableImageError, match="not a file"):
        open_image(tmp_path / "a.png")


@pytest.mark.parametrize("shape", [(3000, 700), (1, 5), (2500, 2500)])
def test_16_bit_image_is_scaled_alike_in_parts(shape: tuple[int, int], tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 65536, shape).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    expected = np.rint(values.astype(np.float64) * (255.0 / 65535.0)).astype(np.uint8)
    assert np.array_equal(np.asarray(open_image(tmp_path / "a.png").image)[..., 0], expected)


@pytest.mark.slow
def test_16_bit_image_of_the_largest_size_takes_bounded_memory(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((9400, 9400), np.uint16)).save(tmp_path / "a.png", compress_level=1)
    code = (
        "import resource, sys; from pathlib import Path; from auditor.imaging import open_image\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "open_image(Path(sys.argv[1]))\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.png")],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
    )
    # 88 million pixels: 168 MB as 16 bit, 84 MB as 8 bit, and 252 MB in RGB; before, 2.1 GB.
    assert float(done.stdout) < 900


def test_formats_without_a_bounded_decoder_are_not_read(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16)).save(tmp_path / "a.png", format="ICNS")
    with pytest.raises(UnreadableImageError, match="not-an-image"):
        open_image(tmp_path / "a.png")
