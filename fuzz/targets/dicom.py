"""DICOM files: pixels through the decoder, and tags of the header."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pydicom
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from auditor.datasets.dicom_tags import DicomOptions, with_tags
from auditor.datasets.images import FileImages
from auditor.errors import UnreadableImageError, UsageError
from auditor.imaging import image_size
from auditor.imaging.decode import decode_here
from auditor.records import Dataset
from fuzz.target import BrokenPromiseError, Reader, Target

_MOST_PIXELS = 1 << 20
_TAGS = DicomOptions(attributes=("PatientSex", "PatientAge", "Manufacturer"), group="PatientID")


def _open(folder: Path) -> Reader:
    Image.MAX_IMAGE_PIXELS = _MOST_PIXELS
    path = folder / "image.dcm"
    samples = pd.DataFrame({"path": [path.name], "label": ["a"]}, index=["image"])

    def read(data: bytes) -> None:
        path.write_bytes(data)
        images = FileImages.of(folder, [path.name])
        dataset = Dataset(samples=samples, images=images, attributes=(), adapter="manifest")
        with contextlib.suppress(UsageError):
            with_tags(dataset, images, _TAGS)
        with contextlib.suppress(UnreadableImageError):
            image_size(path)
        image = decode_here(data)
        if image.mode != "RGB" or image.width * image.height > _MOST_PIXELS:
            raise BrokenPromiseError(f"an image of mode {image.mode} and size {image.size}")

    return read


def _file(values: np.ndarray[Any, Any], syntax: Any, **elements: Any) -> bytes:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    file = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    bits = 8 * values.dtype.itemsize
    file.Rows, file.Columns = values.shape[:2]
    file.SamplesPerPixel = 3 if values.ndim == 3 else 1
    file.PhotometricInterpretation = "RGB" if values.ndim == 3 else "MONOCHROME2"
    if values.ndim == 3:
        file.PlanarConfiguration = 0
    file.BitsAllocated = file.BitsStored = bits
    file.HighBit, file.PixelRepresentation = bits - 1, 0
    file.PatientSex, file.PatientAge, file.PatientID = "F", "042Y", "p1"
    for name, value in elements.items():
        setattr(file, name, value)
    file.PixelData = values.tobytes()
    stream = io.BytesIO()
    file.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _seeds() -> Iterator[bytes]:
    rng = np.random.default_rng(0)
    grey, deep = (rng.integers(0, 256, (4, 4)).astype(kind) for kind in (np.uint8, np.uint16))
    yield _file(grey, ExplicitVRLittleEndian)
    yield _file(deep, ImplicitVRLittleEndian, WindowCenter=100, WindowWidth=50)
    yield _file(deep, ExplicitVRLittleEndian, RescaleSlope=2.5, RescaleIntercept=-1024)
    yield _file(
        deep, ExplicitVRLittleEndian, VOILUTFunction="SIGMOID", WindowCenter=1, WindowWidth=9
    )
    yield _file(
        deep, ExplicitVRLittleEndian, PhotometricInterpretation="MONOCHROME1", BitsStored=12
    )
    yield _file(rng.integers(0, 256, (4, 4, 3)).astype(np.uint8), ExplicitVRLittleEndian)
    yield _file(
        np.stack([grey, grey]).reshape(8, 4), ExplicitVRLittleEndian, NumberOfFrames=2, Rows=4
    )


TARGET = Target(
    name="dicom",
    about="a DICOM file → `decode_here`, `image_size`, tags of the header",
    open=_open,
    seeds=_seeds,
    allowed=(UnreadableImageError,),
    longest=4096,
    megabytes=120,
)
