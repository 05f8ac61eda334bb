"""Programs of torch.export and TorchScript, written on the spot."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from builders.adapter_audits import audit_with
from torch import Tensor, nn

import auditor
from auditor.autograd.adapted_network import AdaptedNetwork
from auditor.classifiers.exported import ExportedClassifier
from auditor.errors import ModelError

IMAGES = torch.rand(2, 3, 16, 20, generator=torch.Generator().manual_seed(0))


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    ).eval()


class OneImage(nn.Module):
    """Runs only in the batch size for which it was exported."""

    def __init__(self) -> None:
        super().__init__()
        self.net = network()

    def forward(self, images: Tensor) -> Tensor:
        maps = self.net[2](self.net[1](self.net[0](images)))
        logits: Tensor = self.net[5](maps.mean((2, 3)).view(1, 4))
        return logits


def exported(path: Path, model: nn.Module, *, dynamic: bool = True) -> Path:
    shapes = ({0: torch.export.Dim("n", min=1, max=64)},) if dynamic else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(
            model, (IMAGES[: 2 if dynamic else 1],), dynamic_shapes=shapes
        )
        torch.export.save(program, path)
    return path


def scripted(path: Path, model: nn.Module | None = None) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program: Any = torch.jit.trace(model or network(), IMAGES)  # type: ignore[no-untyped-call]
        program.save(str(path))
    return path


@pytest.mark.parametrize("dynamic", [True, False], ids=["dynamic", "one image"])
def test_maps_of_an_exported_program_equal_those_of_the_network(
    tmp_path: Path, dynamic: bool
) -> None:
    found = ExportedClassifier(file=exported(tmp_path / "m.pt2", network(), dynamic=dynamic)).load()
    assert found.description == "exported program m.pt2"
    for explainer in ("grad-cam", "guided-grad-cam"):
        ours = auditor.explain(found.module, IMAGES, 1, explainer)
        plain = auditor.explain(network(), IMAGES, 1, explainer)
        torch.testing.assert_close(ours.logits, plain.logits)
        torch.testing.assert_close(ours.maps, plain.maps)


def test_program_for_one_image_predicts_and_says_that_maps_are_occlusion_maps(
    tmp_path: Path,
) -> None:
    path = exported(tmp_path / "m.pt2", OneImage().eval(), dynamic=False)
    found = ExportedClassifier(file=path).load()
    assert found.description.startswith("exported program m.pt2; maps are occlusion maps")
    assert "batch size of 1: export it with a dynamic one" in found.description
    with torch.no_grad():
        torch.testing.assert_close(found.module(IMAGES), network()(IMAGES))


def test_torchscript_predicts_and_says_that_maps_are_occlusion_maps(tmp_path: Path) -> None:
    found = ExportedClassifier(file=scripted(tmp_path / "m.pt")).load()
    assert found.description.startswith("TorchScript m.pt; maps are occlusion maps, 7×7 places")
    with torch.no_grad():
        torch.testing.assert_close(found.module(IMAGES), network()(IMAGES))


class TwoOutputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = network()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.net(images)
        return logits, torch.cat([logits, -logits], dim=1)


@pytest.mark.parametrize("kind", ["exported", "exported for one image", "torchscript"])
def test_one_of_two_outputs_is_chosen_by_its_position(tmp_path: Path, kind: str) -> None:
    if kind == "torchscript":
        path = scripted(tmp_path / "m.pt", TwoOutputs().eval())
    else:
        path = exported(tmp_path / "m.pt2", TwoOutputs().eval(), dynamic=kind == "exported")
    found = ExportedClassifier(file=path).load()
    logits = network()(IMAGES).detach()
    for key, expected in ((0, logits), (1, torch.cat([logits, -logits], dim=1))):
        with torch.no_grad():
            ours = AdaptedNetwork(found.module, output_key=key)(IMAGES)
        torch.testing.assert_close(ours, expected)


class ChannelsLast(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = network()

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.net(images.permute(0, 3, 1, 2))
        return logits


def test_exported_channels_last_input_is_handled(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batch = torch.export.Dim("n", min=1, max=64)
        images = IMAGES.permute(0, 2, 3, 1).contiguous()
        program = torch.export.export(
            ChannelsLast().eval(), (images,), dynamic_shapes=({0: batch},)
        )
        torch.export.save(program, tmp_path / "m.pt2")
    found = ExportedClassifier(file=tmp_path / "m.pt2").load()
    assert found.description == "exported program m.pt2"
    with torch.no_grad():
        torch.testing.assert_close(found.module(IMAGES), network()(IMAGES))


def test_exported_half_precision_has_maps(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batch = torch.export.Dim("n", min=1, max=64)
        program = torch.export.export(
            network().half(), (IMAGES.half(),), dynamic_shapes=({0: batch},)
        )
        torch.export.save(program, tmp_path / "m.pt2")
    found = ExportedClassifier(file=tmp_path / "m.pt2").load()
    assert found.description == "exported program m.pt2"
    with torch.no_grad():
        ours = found.module(IMAGES).float()
        torch.testing.assert_close(ours, network()(IMAGES), rtol=1e-2, atol=1e-2)


def test_torchscript_traced_for_one_image_predicts_several(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program: Any = torch.jit.trace(OneImage().eval(), IMAGES[:1])  # type: ignore[no-untyped-call]
        program.save(str(tmp_path / "m.pt"))
    found = ExportedClassifier(file=tmp_path / "m.pt").load()
    torch.testing.assert_close(found.module(IMAGES), network()(IMAGES).detach())


@pytest.mark.parametrize("kind", ["exported", "torchscript"])
def test_audit_of_a_program_runs_to_the_end(tmp_path: Path, kind: str) -> None:
    if kind == "exported":
        exported(tmp_path / "m.pt2", network())
    else:
        scripted(tmp_path / "m.pt2")
    model = {"adapter": "exported", "file": "m.pt2", "classes": ["cat", "dog"]}
    result = audit_with(tmp_path, model, preprocess={"resize": [16, 20]})
    assert result.explanations is not None
    assert result.explanations.failures
    expected = "program.layer_relu" if kind == "exported" else "occlusion"
    assert result.provenance.model.target_layer == expected


def test_fingerprints_of_two_programs_differ(tmp_path: Path) -> None:
    from auditor.classifiers.fingerprint import sha256_of

    first = ExportedClassifier(file=scripted(tmp_path / "a.pt")).load()
    other = network()
    with torch.no_grad():
        next(other.parameters()).neg_()
    scripted(tmp_path / "b.pt", other)
    second = ExportedClassifier(file=tmp_path / "b.pt").load()
    assert sha256_of(first.module) != sha256_of(second.module)


OTHERS: dict[str, tuple[bytes, str]] = {
    "pointer": (b"version https://git-lfs.github.com/spec/v1\n", "run `git lfs pull`"),
    "truncated": (b"PK\x03\x04 and no more", "another archive, or a damaged one"),
    "page": (b"<html></html>", "an HTML or XML page"),
    "text": (b"hello", "a text file"),
}


@pytest.mark.parametrize(("content", "message"), OTHERS.values(), ids=OTHERS.keys())
def test_other_file_is_refused_and_described(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "m.pt2").write_bytes(content)
    with pytest.raises(ModelError, match=message):
        ExportedClassifier(file=tmp_path / "m.pt2").load()


def test_weights_without_a_program_are_refused(tmp_path: Path) -> None:
    torch.save(network().state_dict(), tmp_path / "w.pt")
    with pytest.raises(ModelError, match=r"it is weights, .*: for weights without a program, use"):
        ExportedClassifier(file=tmp_path / "w.pt").load()
