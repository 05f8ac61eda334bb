"""``auditor.explain``: images in every form give the same maps, and the result draws itself."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import auditor
from auditor.errors import ConfigError
from auditor.explainers import explain

PREPROCESS = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.3]}
PIXELS = np.random.default_rng(2).integers(0, 256, (2, 12, 10, 3), np.uint8)
MEAN, STD = (np.array(PREPROCESS[name]) for name in ("mean", "std"))
INPUTS = torch.tensor(((PIXELS / 255 - MEAN) / STD).transpose(0, 3, 1, 2), dtype=torch.float32)


def network(activation: nn.Module | None = None) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.ReLU() if activation is None else activation,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    ).eval()


def as_files(folder: Path) -> list[Path]:
    for k, pixels in enumerate(PIXELS):
        Image.fromarray(pixels).save(folder / f"{k}.png")
    return [folder / f"{k}.png" for k in range(len(PIXELS))]


@pytest.mark.parametrize(
    "images",
    [
        PIXELS,
        list(PIXELS),
        tuple(map(Image.fromarray, PIXELS)),
        torch.from_numpy(PIXELS.transpose(0, 3, 1, 2)),
        [PIXELS[0], Image.fromarray(PIXELS[1])],
        PIXELS / 255,
    ],
    ids=["array", "arrays", "PIL", "tensor", "mixed", "floats"],
)
def test_explain_original_images_gives_the_maps_of_the_preprocessed_tensor(images: Any) -> None:
    expected = explain(network(), INPUTS)
    found = auditor.explain(network(), images, preprocess=PREPROCESS)
    torch.testing.assert_close(found.maps, expected.maps)
    torch.testing.assert_close(found.logits, expected.logits)
    np.testing.assert_array_equal(found.images, PIXELS)


def test_explain_files_have_their_names(tmp_path: Path) -> None:
    files = as_files(tmp_path)
    found = auditor.explain(network(), files, preprocess=PREPROCESS)
    torch.testing.assert_close(found.maps, explain(network(), INPUTS).maps)
    assert found.names == ("0.png", "1.png")
    (one,) = auditor.explain(network(), str(files[1]), preprocess=PREPROCESS).names
    assert one == "1.png"


@pytest.mark.parametrize("images", [INPUTS[1], [INPUTS[1]]], ids=["one", "list"])
def test_explain_one_preprocessed_tensor_is_a_batch_of_one(images: Any) -> None:
    found = auditor.explain(network(), images)
    torch.testing.assert_close(found.maps, explain(network(), INPUTS[1:]).maps)
    # From the lowest to the highest value.
    assert (found.images.min(), found.images.max()) == (0, 255)


def test_explain_resizes_and_crops_as_torchvision() -> None:
    from torchvision.transforms import functional

    found = auditor.explain(network(), PIXELS, preprocess={"resize": 9, "crop": 8})
    expected = [
        np.asarray(functional.center_crop(functional.resize(Image.fromarray(one), [9]), [8, 8]))
        for one in PIXELS
    ]
    np.testing.assert_array_equal(found.images, expected)


def test_explain_blue_first_equals_the_network_with_reversed_channels() -> None:
    found = auditor.explain(network(), PIXELS, 0, preprocess={"channels": "bgr"})
    reversed_network = network()
    first = reversed_network[0]  # type: ignore[index]
    first.weight = nn.Parameter(first.weight.detach().flip(1))
    expected = auditor.explain(reversed_network, PIXELS, 0, preprocess={})
    torch.testing.assert_close(found.maps, expected.maps)
    np.testing.assert_array_equal(found.images, PIXELS)


def test_explain_entry_of_a_mapping_is_the_output() -> None:
    class Several(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = network()

        def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
            scores = self.inner(images)
            return {"a": scores, "b": scores + 1}

    found = auditor.explain(Several().eval(), INPUTS, output_key="a")
    torch.testing.assert_close(found.logits, explain(network(), INPUTS).logits)


def test_explain_targets_by_name_are_the_positions() -> None:
    classes = ["cat", "dog"]
    found = auditor.explain(network(), INPUTS, ["dog", "cat"], classes=classes)
    assert found.targets.tolist() == [1, 0]
    assert auditor.explain(network(), INPUTS, "dog", classes=classes).targets.tolist() == [1, 1]
    assert auditor.explain(network(), INPUTS, [0, "dog"], classes=classes).targets.tolist() == [
        0,
        1,
    ]


def test_figure_has_image_and_map_of_each_image(tmp_path: Path) -> None:
    found = auditor.explain(
        network(), as_files(tmp_path), "dog", preprocess=PREPROCESS, classes=["cat", "dog"]
    )
    axes = found.figure().axes
    assert len(axes) == 4
    assert [one.get_title() for one in axes[:2]] == [
        "0.png",
        "Guided Grad-CAM (detail view) for dog",
    ]
    np.testing.assert_array_equal(axes[0].images[0].get_array(), PIXELS[0])
    assert len(found.figure(rows=1).axes) == 2
    with pytest.raises(ConfigError, match="rows: expected a number of images of at least 1; got 0"):
        found.figure(rows=0)


def test_figure_of_an_undefined_method_says_so() -> None:
    found = auditor.explain(network(nn.GELU()), INPUTS)
    figure = found.figure()
    assert figure.axes[1].get_title().startswith("Grad-CAM for class ")
    assert "undefined here: " in figure.get_supxlabel()


def test_figure_of_an_empty_map_says_so() -> None:
    model = network()
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    found = auditor.explain(model, INPUTS, 0, explainer="grad-cam")
    assert found.figure().axes[1].get_title().endswith(": empty, nothing raises the output")


def test_notebook_shows_a_png_of_the_figure() -> None:
    found = auditor.explain(network(), PIXELS, preprocess={})
    image = Image.open(io.BytesIO(found._repr_png_()))
    assert image.format == "PNG"
    assert min(image.size) > 200
    assert repr(found).startswith("ExplainedImages(guided-grad-cam, maps 2×3×12×10, targets [")


def test_show_without_a_display_says_how_to_write_the_figure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from matplotlib import pyplot as plt

    plt.switch_backend("agg")
    found = auditor.explain(network(), PIXELS, preprocess={})
    with pytest.raises(ConfigError, match=r"'agg', which has no windows: .*savefig"):
        found.show()
    assert not plt.get_fignums()
