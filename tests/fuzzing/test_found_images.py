"""Image files that fuzzing found."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import ExifTags, Image

from auditor.imaging import image_size, open_image


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
