"""Image files that fuzzing found."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import ExifTags, Image

from auditor.datasets.dicom_tags import DicomOptions, with_tags
from auditor.datasets.images import FileImages
from auditor.errors import UnreadableImageError
from auditor.imaging import image_size, open_image
from auditor.records import Dataset


@pytest.mark.parametrize("kind", ["TIFF", "JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_size_of_a_rotated_image_is_that_of_its_upright_pixels(
    kind: str, orientation: int, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.new("RGB", (9, 7)).save(tmp_path / "image", kind, exif=exif)
    size = (7, 9) if orientation >= 5 else (9, 7)
    assert image_size(tmp_path / "image") == open_image(tmp_path / "image").image.size == size


def _damaged_dicom() -> bytes:
    """A file whose first element, the length of the header, has 3 bytes instead of 4."""
    return b"\0" * 128 + b"DICM" + b"\x02\0\0\0UL\x03\0" + b"abc" + b"\x02\0\x10\0UI\x02\0" + b"1\0"


def _tags(folder: Path) -> pd.Series[Any]:
    """The tag ``PatientSex`` of the file ``a.dcm``."""
    samples = pd.DataFrame({"path": ["a.dcm"], "label": ["a"]}, index=["a"])
    images = FileImages.of(folder, ["a.dcm"])
    data = Dataset(samples=samples, images=images, attributes=(), adapter="manifest")
    return with_tags(data, images, DicomOptions(attributes=("PatientSex",))).samples["PatientSex"]


def test_dicom_element_of_a_wrong_length_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(_damaged_dicom())
    for read in (open_image, image_size):
        with pytest.raises(UnreadableImageError):
            read(tmp_path / "a.dcm")
    assert _tags(tmp_path).isna().all()


def test_pipe_does_not_stop_the_reading_of_tags(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.dcm")
    assert _tags(tmp_path).isna().all()
