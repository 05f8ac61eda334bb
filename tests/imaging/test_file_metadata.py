from __future__ import annotations

from pathlib import Path

import pytest
from builders.photographs import photograph, saved
from PIL import ExifTags, Image

from auditor.imaging import open_image
from auditor.imaging.file_metadata import file_metadata


@pytest.mark.parametrize("quality", [5, 30, 49, 50, 75, 90, 95, 100])
def test_jpeg_quality_from_quantisation_table_is_the_saved_one(quality: int) -> None:
    assert file_metadata(saved(photograph(), quality=quality)) == {"jpeg_quality": quality}


def test_camera_repeating_its_maker_is_named_once() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Canon"
    exif[ExifTags.Base.Model] = "Canon EOS 5D"
    assert file_metadata(saved(photograph(), exif=exif))["camera"] == "Canon EOS 5D"
    exif[ExifTags.Base.Model] = "EOS 5D\0"
    assert file_metadata(saved(photograph(), exif=exif))["camera"] == "Canon EOS 5D"


def test_open_image_stores_the_metadata_of_the_file(tmp_path: Path) -> None:
    photograph().save(tmp_path / "one.jpg", quality=60)
    photograph().save(tmp_path / "one.png")
    assert open_image(tmp_path / "one.jpg").stored == {"jpeg_quality": 60}
    assert open_image(tmp_path / "one.png").stored == {}
