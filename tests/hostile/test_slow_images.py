"""Small files that keep a decoder busy become a row with a reason."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from auditor.config import Preprocess
from auditor.datasets.images import FileImages
from auditor.errors import UnreadableImageError
from auditor.imaging import decode_limit
from auditor.imaging.decode import decode_image
from auditor.input_pipeline import batches
from auditor.records import Dataset


def _saved(kind: str, side: int, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (side, side), 77).save(stream, kind, **options)
    return stream.getvalue()


def scans(side: int, n: int) -> bytes:
    """A progressive JPEG whose last scan is repeated; each repetition takes time for all pixels."""
    data = _saved("JPEG", side, progressive=True)
    end = data.rindex(b"\xff\xd9")
    return data[:end] + data[data.rindex(b"\xff\xda") : end] * n + data[end:]


def comments(n: int) -> bytes:
    """A GIF with many comments before its image, which Pillow joins one by one."""
    data = _saved("GIF", 8)
    start = 13 + 3 * 2 ** ((data[10] & 7) + 1)
    return data[:start] + b"\x21\xfe\x01A\x00" * n + data[start:]


def chunks(n: int) -> bytes:
    """A PNG with many empty chunks before its image."""
    data, name = _saved("PNG", 8), b"abCd"
    chunk = struct.pack(">I", 0) + name + struct.pack(">I", zlib.crc32(name))
    return data[:33] + chunk * n + data[33:]


def numbers(side: int) -> bytes:
    """A PPM as text."""
    return b"P3 %d %d 255\n" % (side, side) + b"1 " * (side * side * 3)


def differences(side: int) -> bytes:
    """A QOI without runs; Pillow's decoder is written in Python."""
    head = b"qoif" + struct.pack(">II", side, side) + bytes([3, 0, 0xFE, 1, 2, 3])
    return head + b"\x00\x01" * (side * side // 2) + b"\0" * 7 + b"\1"


SLOW: dict[str, Callable[[], bytes]] = {
    "scans": lambda: scans(500, 12_000),
    "comments": lambda: comments(400_000),
    "chunks": lambda: chunks(100_000),
    "numbers": lambda: numbers(1200),
    "differences": lambda: differences(800),
}


@pytest.mark.parametrize("kind", SLOW)
def test_image_that_takes_too_long_is_too_slow(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = SLOW[kind]()
    monkeypatch.setattr(decode_limit, "SECONDS", 0.05)
    with pytest.raises(UnreadableImageError, match=r"too-slow: decoding takes more than 0\.05 s"):
        decode_image(data)


def test_usual_images_are_decoded_within_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_limit, "SECONDS", 5.0)
    for data in (scans(500, 3), comments(10), chunks(10), numbers(20), differences(20)):
        assert decode_image(data).mode == "RGB"


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGPROF")
def test_image_that_keeps_a_worker_busy_is_a_row_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode_limit, "SECONDS", 1e9)  # as if the decoder never read on
    monkeypatch.setattr(decode_limit, "END_AFTER", 0.3)
    monkeypatch.setattr("torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL", 0.2)
    names = [f"{k:02d}.jpg" for k in range(70)]
    for name in names:
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    for slow in (37, 61):
        (tmp_path / names[slow]).write_bytes(scans(3000, 300))
    images = FileImages.of(tmp_path, names)
    data = Dataset(pd.DataFrame({"path": names, "label": 0}, index=names), images, (), "t")
    found = list(batches(data, np.arange(70), Preprocess(resize=8), batch_size=10, workers=2))
    rows = np.concatenate([one.rows for one in found])
    status = [word for one in found for word in one.status]
    assert rows.tolist() == list(range(70))
    assert [row for row in range(70) if status[row] != "ok"] == [37, 61]
    assert {status[37], status[61]} == {"too-slow"}
    assert sum(len(one.images) for one in found) == 68
    assert not any(one.repeated for one in found)
