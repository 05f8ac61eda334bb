"""``auditor explain``: sheets that can be read on their own, and none that replaces another."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from builders.audited_models import audited
from PIL import Image
from torch import nn

from auditor import explain_images as command
from auditor.audited_model import AuditedModel
from auditor.autograd.target_layer import find_layer
from auditor.config import AuditConfig
from auditor.errors import ConfigError, DataError, ModelError
from auditor.imaging.sheet import Panel, for_display, sheet


def _model(activation: nn.Module, scale: float = 1.0) -> AuditedModel:
    torch.manual_seed(0)
    head = nn.Linear(4, 3)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), activation, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head
    ).eval()
    layer = find_layer(network, torch.rand(1, 3, 12, 16))
    with torch.no_grad():
        head.weight.mul_(scale)
    return audited(network, layer=layer)


def _image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 255, (12, 16, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def captions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Title, lines and captions of the sheets that are drawn."""
    drawn: list[str] = []

    def kept(title: str, lines: list[str], panels: list[Panel]) -> Image.Image:
        drawn.extend([title, *lines, *(panel.caption for panel in panels)])
        return sheet(title, lines, panels)

    monkeypatch.setattr(command, "sheet", kept)
    return drawn


@pytest.mark.parametrize(
    ("activation", "explainer", "detail", "caption"),
    [
        (nn.ReLU(), "guided-grad-cam", "guided-grad-cam", "Guided Grad-CAM (detail view) for b"),
        (nn.ReLU(), "guided-backprop", "guided-backprop", "Guided backpropagation for b"),
        (nn.ReLU(), "hirescam", "hirescam", "HiResCAM for b"),
        (nn.ReLU(), "grad-cam", None, None),
        (
            nn.GELU(),
            "guided-grad-cam",
            "gradient",
            "Gradient for b (guided-grad-cam is undefined here: the forward pass has no ReLU-like",
        ),
        (nn.GELU(), "guided-backprop", "gradient", "Gradient for b (guided-backprop is undefined"),
        (nn.GELU(), "deconvnet", "gradient", "Gradient for b (deconvnet is undefined here"),
        (nn.GELU(), "gradient", "gradient", "Gradient for b"),
    ],
)
def test_sheet_names_its_panels_and_shows_no_map_twice(
    activation: nn.Module,
    explainer: str,
    detail: str | None,
    caption: str | None,
    captions: list[str],
    tmp_path: Path,
) -> None:
    image = _image(tmp_path / "eye.png")
    names = command._Names(tmp_path)
    found = command._explain_one(_model(activation), image, "b", explainer, names)
    assert found.detail == detail
    title, line, *panels = captions
    assert title == str(image)
    assert line.startswith(f"Predicted: {found.predicted}. Explained class: b, confidence ")
    assert panels[0] == "Image as the network receives it, 12 × 16 pixels"
    assert panels[1].startswith("Grad-CAM for b, layer ")
    assert len(panels) == 2 + (caption is not None)
    assert caption is None or panels[2].startswith(caption)
    with Image.open(found.sheet) as drawn:
        assert drawn.width > 2 * 360
        assert drawn.height > 270


def test_map_that_is_not_finite_is_said_in_its_caption() -> None:
    view = np.zeros((360, 360, 3), np.uint8)
    cam = np.array([[1.0, np.nan]], np.float32)
    for panel in (
        command._cam_panel(view, cam, "Grad-CAM for b"),
        command._detail_panel(view, command._Detail("gradient", np.full((3, 4, 4), np.inf)), "b"),
    ):
        assert panel.caption.endswith(": no map, its values are not finite")
        assert (panel.image == 128).all()
    empty = command._cam_panel(view, np.zeros((2, 2), np.float32), "Grad-CAM for b")
    assert empty.caption.endswith(": empty, nothing in this layer raises the logit")


def test_outputs_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    image = _image(tmp_path / "eye.png")
    model = _model(nn.ReLU(), scale=float("nan"))
    with pytest.raises(ModelError, match=r"for .*eye.png the network returns NaN or infinity"):
        command._explain_one(model, image, "b", "grad-cam", command._Names(tmp_path))


@pytest.mark.parametrize(
    ("stems", "names"),
    [
        (["1-cat", "1-cat", "1-cat"], ["1-cat.png", "1-cat-2.png", "1-cat-3.png"]),
        (["a", "A", "b"], ["a.png", "A-2.png", "b.png"]),
        (["a", "a-2", "a"], ["a.png", "a-2.png", "a-3.png"]),
    ],
)
def test_sheets_of_one_call_have_different_names(stems: list[str], names: list[str]) -> None:
    given = command._Names(Path("sheets"))
    assert [given.new(stem).name for stem in stems] == names


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [
        (32, 32, (384, 384)),
        (360, 200, (360, 200)),
        (224, 100, (448, 200)),
        (1440, 720, (720, 360)),
        (1, 4000, (1, 720)),
        (1, 1, (360, 360)),
    ],
)
def test_panels_have_a_readable_size(height: int, width: int, size: tuple[int, int]) -> None:
    assert for_display(np.zeros((height, width, 3), np.uint8)).shape == (*size, 3)


@pytest.mark.parametrize(
    "title",
    ["a" * 500, "two words", "", "Größe_→_猫.png", "not UTF-8: \udcff.png", "line\nbreak"],
)
def test_sheet_of_an_odd_title_is_drawn(title: str) -> None:
    drawn = sheet(title, [title], [Panel(np.zeros((360, 20, 3), np.uint8), title)] * 2)
    assert drawn.width == 2 * 20 + 2 * 180 + 12


def test_image_that_cannot_be_read_or_an_unknown_target_is_refused_before_any_sheet(
    planted_inputs: Path, tmp_path: Path
) -> None:
    config = AuditConfig.load(planted_inputs)
    image = min((planted_inputs.parent / "images").iterdir())
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    with pytest.raises(
        DataError,
        match=r"broken.png: expected an image; the file has another format: save it as PNG or JPEG",
    ):
        command.explain_images(config, [image, broken], None, tmp_path / "out")
    with pytest.raises(ConfigError, match=r"--target: expected one of the classes .*; got 'eight'"):
        command.explain_images(config, [image], "eight", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_images_of_equal_names_get_a_sheet_each(planted_inputs: Path, tmp_path: Path) -> None:
    config = AuditConfig.load(planted_inputs)
    sources = sorted((planted_inputs.parent / "images").iterdir())[:2]
    images = [tmp_path / f"{k}" / "eye.png" for k in range(2)]
    for source, image in zip(sources, images, strict=True):
        image.parent.mkdir()
        shutil.copy(source, image)
    found = command.explain_images(config, images, "8", tmp_path / "out")
    assert [one.sheet.name for one in found] == ["eye-8.png", "eye-8-2.png"]
    assert [one.image for one in found] == images
    assert all(one.sheet.is_file() for one in found)
