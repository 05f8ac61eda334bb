from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from auditor.imaging import guided_view, jpeg, overlay, upsample


@pytest.mark.parametrize(
    ("before", "after"), [((7, 7), (224, 224)), ((3, 5), (11, 8)), ((9, 1), (4, 6))]
)
def test_upsample_equals_torch_bilinear_interpolation(
    before: tuple[int, int], after: tuple[int, int]
) -> None:
    cam = np.random.default_rng(0).normal(size=before).astype(np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(cam)[None, None], size=after, mode="bilinear", align_corners=False
    )[0, 0]
    np.testing.assert_allclose(upsample(cam, *after), expected.numpy(), atol=1e-6)


def test_overlay_blends_in_proportion_to_the_value() -> None:
    image = np.full((1, 3, 3), 100, np.uint8)
    cam = np.array([[-1.0, 0.5, 1.0]])
    drawn = overlay(image, cam, opacity=0.6).astype(int)
    assert drawn[0, 0].tolist() == [100] * 3
    # viridis is (33, 145, 140) in its middle and (253, 231, 37) at its end (matplotlib's table).
    assert np.abs(drawn[0, 1] - (0.7 * 100 + 0.3 * np.array([33, 145, 140]))).max() <= 1.5
    assert np.abs(drawn[0, 2] - (0.4 * 100 + 0.6 * np.array([253, 231, 37]))).max() <= 1
    # With a common peak of 2, a value of 1 is drawn like half of the maximum.
    shared = overlay(image, cam, peak=2.0, opacity=0.6).astype(int)
    assert np.abs(shared[0, 2] - drawn[0, 1]).max() <= 1
    assert np.array_equal(overlay(image, -np.abs(cam)), image)


def test_guided_view_is_signed_and_grey_at_zero() -> None:
    relevance = np.zeros((3, 50, 60))
    relevance[0, :, 0] = 2.0
    relevance[1, :, 0] = -2.0
    relevance[2, 0, 0] = 1e6  # a single outlier must not leave the rest grey
    view = guided_view(relevance)
    assert view.shape == (50, 60, 3)
    assert view[10, 0].tolist() == [255, 1, 128]
    assert view[10, 10].tolist() == [128, 128, 128]
    assert set(guided_view(np.zeros((3, 4, 4))).ravel()) == {128}
    lone = np.zeros((3, 100, 100))
    lone[:, 5, 5] = 3.0
    assert guided_view(lone)[5, 5].tolist() == [255, 255, 255]


@pytest.mark.parametrize("shape", [(3, 2, 2), (3, 8, 9), (3, 64, 48), (1, 30, 30), (3, 130, 131)])
def test_guided_view_is_scaled_by_a_quantile_of_the_sorted_sizes(
    shape: tuple[int, int, int],
) -> None:
    relevance = np.random.default_rng(0).standard_normal(shape) ** 5
    # The smallest value that at least 99.9 % of the values do not exceed: Hyndman and Fan's first quantile.
    scale = np.quantile(np.abs(relevance), 0.999, method="inverted_cdf")
    levels = np.rint(128 + 127 * np.clip(relevance / scale, -1, 1))
    assert np.array_equal(guided_view(relevance), levels.transpose(1, 2, 0))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_drawing_non_finite_map_raises(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        overlay(np.zeros((4, 4, 3), np.uint8), np.array([[bad]]))
    with pytest.raises(ValueError, match="finite"):
        guided_view(np.full((3, 4, 4), bad))
    with pytest.raises(ValueError, match="opacity"):
        overlay(np.zeros((4, 4, 3), np.uint8), np.ones((1, 1)), opacity=2)


@pytest.mark.parametrize("shape", [(1, 1), (40, 31, 3), (500, 700, 3)])
def test_jpeg_has_the_bytes_of_pillows_encoder(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    expected = io.BytesIO()
    Image.fromarray(image).save(expected, "JPEG", quality=85)
    assert jpeg(image) == expected.getvalue()


def test_jpeg_decodes_to_nearly_the_same_image() -> None:
    ramp = np.linspace(0, 255, 100, dtype=np.uint8)
    image = np.stack(
        [np.tile(ramp, (75, 1)), np.tile(ramp[::-1], (75, 1)), np.full((75, 100), 90, np.uint8)], -1
    )
    again = np.asarray(Image.open(io.BytesIO(jpeg(image, 95))))
    assert np.abs(again.astype(int) - image).mean() < 3
