from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import v2 as transforms

from auditor.imaging import prepare, resize_geometry
from auditor.imaging.geometry import shrink


def _photo(width: int, height: int) -> Image.Image:
    ramp = np.linspace(0, 255, width)[None, :] * np.ones((height, 1))
    slope = np.linspace(0, 255, height)[:, None] * np.ones((1, width))
    return Image.fromarray(np.stack([ramp, slope, 255 - ramp], -1).astype(np.uint8))


_SIZES = st.one_of(st.none(), st.integers(1, 70), st.tuples(st.integers(1, 70), st.integers(1, 70)))


@settings(max_examples=150)
@given(
    st.integers(1, 80),
    st.integers(1, 80),
    _SIZES,
    _SIZES,
    st.sampled_from(["nearest", "bilinear", "bicubic", "lanczos"]),
)
def test_prepare_any_size_equals_torchvision(
    width: int,
    height: int,
    resize: int | tuple[int, int] | None,
    crop: int | tuple[int, int] | None,
    interpolation: str,
) -> None:
    if isinstance(resize, int) and min(resize * height // width, resize * width // height) < 1:
        resize = None  # torchvision fails on an empty side
    image = _photo(width, height)
    steps: list[torch.nn.Module] = []
    if resize is not None:
        size = [resize] if isinstance(resize, int) else list(resize)
        steps.append(transforms.Resize(size, InterpolationMode(interpolation), antialias=True))
    if crop is not None:
        steps.append(transforms.CenterCrop(crop))
    expected = image
    for step in steps:
        expected = step(expected)
    got = prepare(image, resize, crop, interpolation)  # type: ignore[arg-type]
    assert got.flags.c_contiguous
    assert np.array_equal(got, np.asarray(expected).transpose(2, 0, 1))


def test_box_after_resize_and_crop_encloses_its_object() -> None:
    image = Image.new("RGB", (200, 100))
    image.paste((255, 255, 255), (80, 40, 120, 60))
    view = resize_geometry(200, 100, 50, 40)  # halved to 100 × 50, 30 columns and 5 rows cut
    assert (view.resized, view.left, view.top) == ((100, 50), 30, 5)
    assert view.box((80, 40, 120, 60)) == (10, 15, 30, 25)
    white = np.argwhere(prepare(image, 50, 40)[0] > 127)
    assert white.min(0).tolist() == [15, 10]
    assert (white.max(0) + 1).tolist() == [25, 30]
    assert view.box((0, 0, 80, 100)) == (0, 0, 10, 40)
    assert view.box((0, 0, 40, 100)) is None
    assert resize_geometry(20, 10, None, 30).box((0, 0, 20, 10)) == (5, 10, 25, 20)


def test_shrink_keeps_proportions_and_small_images() -> None:
    assert shrink(_photo(400, 300), 100).size == (100, 75)
    assert shrink(_photo(500, 1), 100).size == (100, 1)
    small = _photo(40, 30)
    assert shrink(small, 100) is small
