"""Where no worker process can be ended, a process of its own decodes what could go on for ever."""

from __future__ import annotations

import io
import signal
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image, features

from auditor.config import Preprocess
from auditor.datasets.images import FileImages
from auditor.errors import UnreadableImageError
from auditor.imaging import (
    decode_image,
    decode_limit,
    decoder_process,
    dicom,
    image_size,
    open_image,
    open_mask,
)
from auditor.imaging.decode import decode_here, needs_a_limit
from auditor.imaging.masks import mask_here
from auditor.input_pipeline import batches
from auditor.records import Dataset

pydicom = pytest.importorskip("pydicom")


@pytest.fixture(autouse=True, scope="module")
def _no_process_is_left() -> Iterator[None]:
    yield
    decoder_process.end()


@cache
def _tiff(side: int) -> bytes:
    stream = io.BytesIO()
    values = np.random.default_rng(0).integers(0, 256, (side, side)).astype(np.uint8)
    Image.fromarray(values).save(stream, "TIFF", compression="tiff_lzw")
    return stream.getvalue()


def _dicom(values: NDArray[np.generic], **elements: object) -> bytes:
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = elements.pop("syntax", pydicom.uid.ExplicitVRLittleEndian)
    meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = pydicom.uid.UID("1.2.3")
    file = pydicom.dataset.FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    file.Rows, file.Columns = values.shape
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated = file.BitsStored = 8
    file.HighBit, file.PixelRepresentation = 7, 0
    for name, value in elements.items():
        setattr(file, name, value)
    file.PixelData = values.tobytes()
    stream = io.BytesIO()
    file.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["TIFF", "WEBP", "AVIF", "JPEG2000", "DICOM", "PNG"])
def test_image_and_mask_are_those_of_this_process(kind: str, tmp_path: Path) -> None:
    if kind in {"WEBP", "AVIF"} and not features.check(kind.lower()):
        pytest.skip(f"Pillow was built without {kind}")
    values = np.random.default_rng(1).integers(0, 256, (9, 14)).astype(np.uint8)
    path = tmp_path / "image"
    if kind == "DICOM":
        path.write_bytes(_dicom(values, WindowCenter=100, WindowWidth=50))
    else:
        options = {"compression": "tiff_lzw"} if kind == "TIFF" else {}
        Image.fromarray(values).save(path, kind, **options)
    data = path.read_bytes()
    expected = np.asarray(decode_here(data))
    assert expected.shape == (9, 14, 3)
    assert np.array_equal(np.asarray(open_image(path).image), expected)
    assert np.array_equal(np.asarray(decode_image(data)), expected)
    assert np.array_equal(open_mask(path), mask_here(data))
    assert needs_a_limit(data) == (kind != "PNG")


def test_window_reaches_the_process(tmp_path: Path) -> None:
    path = tmp_path / "image.dcm"
    path.write_bytes(_dicom(np.arange(12, dtype=np.uint8).reshape(3, 4)))
    # Linear, PS3.3 C.11.2.1.2: values of at most c - 0.5 - (w - 1) / 2 are black, and above + … white.
    image = np.asarray(open_image(path, (6.0, 2.0)).image)[..., 0]
    assert image.ravel().tolist() == [0] * 6 + [255] * 6


def test_damaged_image_is_named_as_by_this_process(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    path.write_bytes(_tiff(40)[:-300])
    with pytest.raises(UnreadableImageError) as here:
        decode_here(path.read_bytes())
    with pytest.raises(UnreadableImageError) as apart:
        open_image(path)
    assert (apart.value.reason, apart.value.detail) == (here.value.reason, here.value.detail)


def _never_done(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    """Sets a limit so that a large image exceeds it, as if its decoder never ended."""
    monkeypatch.setattr(decode_limit, "SECONDS", 1e9)
    monkeypatch.setattr(decode_limit, limit, 0.05)


CPU = pytest.mark.skipif(not hasattr(signal, "SIGPROF"), reason="no limit of processor time")


@pytest.mark.parametrize("limit", [pytest.param("END_AFTER", marks=CPU), "WALL_SECONDS"])
def test_mask_that_never_ends_is_too_slow(
    limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, usual = tmp_path / "slow.tif", tmp_path / "usual.tif"
    slow.write_bytes(_tiff(4000))
    usual.write_bytes(_tiff(4))
    with monkeypatch.context() as patch:
        _never_done(patch, limit)
        with pytest.raises(UnreadableImageError, match="too-slow"):
            open_mask(slow)
    assert open_mask(usual).shape == (4, 4)


@CPU
def test_image_that_never_ends_is_a_row_without_worker_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{k}.tif" for k in range(4)]
    for name in names:
        (tmp_path / name).write_bytes(_tiff(4000 if name == "2.tif" else 8))
    images = FileImages.of(tmp_path, names)
    data = Dataset(pd.DataFrame({"path": names, "label": 0}, index=names), images, (), "t")
    _never_done(monkeypatch, "END_AFTER")
    (batch,) = batches(data, np.arange(4), Preprocess(resize=8), batch_size=4, workers=0)
    assert batch.status == ["ok", "ok", "too-slow", "ok"]


def test_process_that_died_is_started_again(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    path.write_bytes(_tiff(6))
    open_image(path)
    decoder_process._running[0].process.kill()
    decoder_process._running[0].process.wait()
    assert open_image(path).image.size == (6, 6)


def test_damaged_tiff_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    stream = io.BytesIO()
    Image.new("L", (60, 60), 7).save(stream, "TIFF", compression="tiff_adobe_deflate")
    data = bytearray(stream.getvalue())
    start = data.index(b"\x78\x9c")  # of what zlib has packed
    data[start + 4 : start + 12] = bytes(8)
    with pytest.raises(UnreadableImageError):
        decode_here(bytes(data))
    assert capfd.readouterr().err == ""


DEFLATED = "1.2.840.10008.1.2.1.99"


def test_deflated_file_that_becomes_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.zeros((600, 600), np.uint8)
    path = tmp_path / "image.dcm"
    path.write_bytes(_dicom(values, syntax=pydicom.uid.UID(DEFLATED)))
    assert decode_here(path.read_bytes()).size == (600, 600)
    monkeypatch.setattr(dicom, "_LARGEST_INFLATED", 300_000)
    for read in (lambda: decode_here(path.read_bytes()), lambda: image_size(path)):
        with pytest.raises(UnreadableImageError, match=r"too-large: .* MiB, inflated"):
            read()


def test_limit_of_inflation_counts_all_bytes() -> None:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packer.compress(bytes(5_000_000)) + packer.flush()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dicom, "_LARGEST_INFLATED", 5_000_000)
        dicom._require_bounded_inflation(packed)
        patch.setattr(dicom, "_LARGEST_INFLATED", 4_999_999)
        with pytest.raises(UnreadableImageError, match="too-large"):
            dicom._require_bounded_inflation(packed)


STATED: dict[str, tuple[dict[str, object], str]] = {
    "many samples": ({"SamplesPerPixel": 60_000}, "expected 1 to 4 samples"),
    "wide values": ({"BitsAllocated": 8000}, "expected 1 to 4 samples of up to 64 bits"),
    "large frame": (
        {"Rows": 9000, "Columns": 9000, "SamplesPerPixel": 4, "BitsAllocated": 64},
        "expected a frame of at most 512 MiB",
    ),
    "many pixels": ({"Rows": 60_000, "Columns": 60_000}, "expected at most 89478485 pixels"),
}


@pytest.mark.parametrize("kind", STATED)
def test_dicom_that_states_too_much_is_refused_before_its_pixels(kind: str) -> None:
    elements, message = STATED[kind]
    with pytest.raises(UnreadableImageError, match=message):
        decode_here(_dicom(np.zeros((3, 4), np.uint8), **elements))


def test_progressive_jpeg_is_read_in_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []
    original: Callable[..., bytes] = decode_limit.LimitedStream.read

    def read(stream: decode_limit.LimitedStream, size: int | None = -1) -> bytes:
        reads.append(size or 0)
        return original(stream, size)

    values = np.random.default_rng(0).integers(0, 256, (300, 300, 3)).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "JPEG", progressive=True, quality=95)
    monkeypatch.setattr(decode_limit.LimitedStream, "read", read)
    decode_here(stream.getvalue())
    assert max(reads) <= 4096
