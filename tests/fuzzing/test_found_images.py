"""Image files that fuzzing found."""

from __future__ import annotations

from pathlib import Path

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


def test_dicom_element_of_a_wrong_length_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(_damaged_dicom())
    for read in (open_image, image_size):
        with pytest.raises(UnreadableImageError):
            read(tmp_path / "a.dcm")
    samples = pd.DataFrame({"path": ["a.dcm"], "label": ["a"]}, index=["a"])
    images = FileImages.of(tmp_path, ["a.dcm"])
    data = Dataset(samples=samples, images=images, attributes=(), adapter="manifest")
    tagged = with_tags(data, images, DicomOptions(attributes=("PatientSex",)))
    assert tagged.samples["PatientSex"].isna().all()
