"""Classifiers of transformers, made on the spot and saved to a folder; nothing is downloaded."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import transformers as hf
from builders.adapter_audits import audit_with, image_folder
from PIL import Image
from torch import Tensor, nn

import auditor
from auditor.autograd.adapted_network import AdaptedNetwork
from auditor.autograd.target_layer import find_layer
from auditor.classifiers.huggingface import HuggingFaceClassifier
from auditor.classifiers.huggingface_processor import input_of, preprocess_of
from auditor.config import AuditConfig
from auditor.errors import ConfigError, MissingDependencyError, ModelError
from auditor.imaging import prepare

NAMES = {0: "cat", 1: "dog"}
VIT: dict[str, Any] = {
    "image_size": 32,
    "patch_size": 8,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}


def vit() -> Any:
    torch.manual_seed(0)
    config = hf.ViTConfig(**VIT, id2label=NAMES, label2id={"cat": 0, "dog": 1})
    model: Any = hf.ViTForImageClassification(config)
    return model.eval()


def resnet() -> Any:
    torch.manual_seed(0)
    config = hf.ResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 16],
        depths=[1, 1],
        layer_type="basic",
        id2label=NAMES,
        label2id={"cat": 0, "dog": 1},
    )
    model: Any = hf.ResNetForImageClassification(config)
    return model.eval()


def swin() -> Any:
    torch.manual_seed(0)
    config = hf.SwinConfig(
        image_size=64, patch_size=4, embed_dim=16, depths=[2, 1], num_heads=[2, 2], window_size=4
    )
    model: Any = hf.SwinForImageClassification(config)
    return model.eval()


def saved(folder: Path, model: Any, **options: Any) -> Path:
    model.save_pretrained(folder, **options)
    processor = hf.ViTImageProcessor(
        size={"height": 32, "width": 32}, image_mean=[0.4, 0.5, 0.6], image_std=[0.2, 0.3, 0.4]
    )
    processor.save_pretrained(folder)
    return folder


def test_folder_with_weights_in_several_files_loads_as_it_was_saved(tmp_path: Path) -> None:
    model = vit()
    folder = saved(tmp_path / "vit", model, max_shard_size="20KB")
    assert len(list(folder.glob("*.safetensors"))) > 1
    found = HuggingFaceClassifier(folder=folder).load()
    assert found.classes == ("cat", "dog")
    assert found.description == "transformers ViTForImageClassification, weights from vit"
    assert found.preprocess is not None
    assert found.preprocess.mean == (0.4, 0.5, 0.6)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(found.module(images).logits, model(images).logits)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_weights_are_computed_in_float32(tmp_path: Path, dtype: torch.dtype) -> None:
    found = HuggingFaceClassifier(folder=saved(tmp_path / "m", resnet().to(dtype))).load()
    assert {one.dtype for one in found.module.parameters()} == {torch.float32}


@pytest.mark.parametrize("make", [vit, resnet], ids=["vit", "resnet"])
def test_audit_of_a_saved_model_runs_to_the_end(tmp_path: Path, make: Callable[[], Any]) -> None:
    folder = saved(tmp_path / "model", make())
    result = audit_with(tmp_path, {"adapter": "huggingface", "folder": "model"})
    assert result.provenance.model.adapter == "huggingface"
    assert [one.name for one in result.classes] == ["cat", "dog"]
    assert result.explanations is not None
    assert result.explanations.failures
    assert folder.name in (result.provenance.model.description or "")


PROCESSORS: dict[str, Any] = {
    "ViT": hf.ViTImageProcessor(),
    "ViT, not square": hf.ViTImageProcessor(size={"height": 96, "width": 160}),
    "ViT, not normalised": hf.ViTImageProcessor(do_normalize=False),
    "ConvNeXt at 224": hf.ConvNextImageProcessor(size={"shortest_edge": 224}),
    "ConvNeXt at 384": hf.ConvNextImageProcessor(),
    "CLIP": hf.CLIPImageProcessor(),
    "DeiT": hf.DeiTImageProcessor(),
    "MobileNet": hf.MobileNetV2ImageProcessor(),
    "MobileViT, BGR": hf.MobileViTImageProcessor(),
    "LeViT": hf.LevitImageProcessor(),
    "EfficientNet, -1 to 1": hf.EfficientNetImageProcessor(
        rescale_factor=1 / 127.5, rescale_offset=True, include_top=False
    ),
    "EfficientNet, divided twice": hf.EfficientNetImageProcessor(image_std=[0.47, 0.47, 0.47]),
}


@pytest.mark.parametrize("processor", PROCESSORS.values(), ids=PROCESSORS.keys())
def test_preprocess_equals_the_output_of_the_processor(processor: Any) -> None:
    preprocess, note = preprocess_of(processor)
    assert preprocess is not None, note
    # Another image than the one on which the settings are checked: a coarse random one, enlarged.
    noise = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    image = Image.fromarray(noise).resize((500, 375), Image.Resampling.BICUBIC)
    theirs = np.asarray(processor(images=image, return_tensors="np")["pixel_values"][0])
    pixels = prepare(image, preprocess.resize, preprocess.crop, preprocess.interpolation)
    ours = input_of(pixels, preprocess)
    assert ours.shape == theirs.shape
    grey_levels = np.array(preprocess.std).reshape(3, 1, 1) * preprocess.scale
    assert np.abs((ours - theirs) * grey_levels).mean() < 3


def test_processor_that_does_something_else_must_be_configured() -> None:
    class Inverting(hf.ViTImageProcessor):
        def rescale_and_normalize(self, *args: Any, **options: Any) -> Tensor:
            result: Tensor = -super().rescale_and_normalize(*args, **options)
            return result

    preprocess, note = preprocess_of(Inverting())
    assert preprocess is None
    assert note == " (set `preprocess`: what Inverting does has no equivalent)"


def layer_of(model: nn.Module, size: int) -> Any:
    return find_layer(AdaptedNetwork(model), torch.randn(1, 3, size, size))


def test_target_layer_of_a_vision_transformer_is_the_input_of_its_last_attention() -> None:
    layer = layer_of(vit(), 32)
    assert (layer.name, layer.layout) == ("vit.layers.1.layernorm_before", "tokens")
    assert (layer.height, layer.width) == (4, 4)
    assert layer.tokens.tolist() == list(range(1, 17))  # token 0 is the class token


def test_target_layer_of_swin_is_after_its_last_merging_of_patches() -> None:
    layer = layer_of(swin(), 64)
    assert layer.name == "swin.layernorm"
    assert (layer.height, layer.width) == (8, 8)  # 64 / 4 patches, merged once
    assert layer.tokens.tolist() == list(range(64))  # row by row


def test_target_layer_of_a_transformers_resnet_is_its_last_stage() -> None:
    layer = layer_of(resnet(), 64)
    assert (layer.name, layer.layout) == ("resnet.encoder.stages.1", "NCHW")


def test_grad_cam_of_a_vision_transformer_equals_a_plain_rewrite() -> None:
    model, images = vit(), torch.randn(2, 3, 32, 32)
    found = auditor.explain(model, images, [0, 1], "grad-cam")
    kept: list[Tensor] = []

    def keep(_: nn.Module, __: object, output: Tensor) -> None:
        output.retain_grad()
        kept.append(output)

    handle = model.vit.layers[1].layernorm_before.register_forward_hook(keep)
    logits = model(images).logits
    handle.remove()
    (logits[0, 0] + logits[1, 1]).backward()
    (tokens,) = kept
    assert tokens.grad is not None
    for k in range(2):
        grid = np.zeros((4, 4))
        weights = tokens.grad[k, 1:].mean(0)  # spatial mean of the gradient, equation 1
        for place in range(16):
            activation = tokens[k, 1 + place].detach()
            grid[place // 4, place % 4] = max(0.0, float((weights * activation).sum()))
        wide = nn.functional.interpolate(
            torch.tensor(grid)[None, None].float(), (32, 32), mode="bilinear", align_corners=False
        )
        torch.testing.assert_close(found.maps[k : k + 1], wide, rtol=1e-3, atol=1e-6)


def test_name_that_is_not_on_disk_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=r"nothing is downloaded unless .*--allow-download"):
        HuggingFaceClassifier(name="owner/no-such-model").load()
    with pytest.raises(ModelError, match="a name such as owner/model"):
        HuggingFaceClassifier(name="a/b/c").load()


def test_folder_without_safetensors_is_refused_with_the_way_to_convert(tmp_path: Path) -> None:
    folder = saved(tmp_path / "old", resnet())
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"it has pytorch_model.bin: .*save_pretrained\(folder\)"):
        HuggingFaceClassifier(folder=folder).load()


def test_model_without_a_trained_head_is_refused(tmp_path: Path) -> None:
    saved(tmp_path / "backbone", resnet().resnet)
    with pytest.raises(ModelError, match=r"classifier.1.bias, classifier.1.weight are missing"):
        HuggingFaceClassifier(folder=tmp_path / "backbone").load()


def test_single_output_in_0_to_1_is_a_logit(tmp_path: Path) -> None:
    config = hf.ViTConfig(**VIT, id2label={0: "dog"}, label2id={"dog": 0})
    model: Any = hf.ViTForImageClassification(config)
    with torch.no_grad():
        model.classifier.weight.mul_(1e-3)
        model.classifier.bias.fill_(0.5)  # all outputs are close to 0.5
    saved(tmp_path / "model", model)
    result = audit_with(
        tmp_path,
        {"adapter": "huggingface", "folder": "model", "classes": ["cat", "dog"]},
        task="binary",
        decision={"positive": "dog"},
    )
    # The sigmoid of 0.5 is 0.62; read as a probability, it would be 0.5.
    confidence = pd.read_parquet(tmp_path / "run" / "predictions.parquet")["p:dog"]
    assert confidence.between(0.61, 0.64).all()
    assert result.provenance.model.adapter == "huggingface"


def remove_part(folder: Path) -> None:
    sorted(folder.glob("*.safetensors"))[1].unlink()


def truncate_part(folder: Path) -> None:
    part = sorted(folder.glob("*.safetensors"))[1]
    part.write_bytes(part.read_bytes()[:-10])


def leave_pointer(folder: Path) -> None:
    min(folder.glob("*.safetensors")).write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    )


def remove_index(folder: Path) -> None:
    (folder / "model.safetensors.index.json").unlink()


def break_index(folder: Path) -> None:
    (folder / "model.safetensors.index.json").write_text("[")


def state_more_classes(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {"0": "cat", "1": "dog", "2": "owl"}
    config["label2id"] = {"cat": 0, "dog": 1, "owl": 2}
    (folder / "config.json").write_text(json.dumps(config))


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing part": (remove_part, r"model-00002-of-\d+.safetensors is missing: copy the rest"),
    "truncated part": (truncate_part, r"model-00002-of-\d+.safetensors; the file is damaged"),
    "Git LFS pointer": (leave_pointer, "it is a Git LFS pointer: run `git lfs pull`"),
    "missing index": (remove_index, "copy model.safetensors.index.json into this folder"),
    "damaged index": (break_index, "it can't be read: copy it again"),
    "other classes": (
        state_more_classes,
        r"classifier.weight: \(3, 16\) in the model, \(2, 16\) in the file",
    ),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE.keys())
def test_damaged_folder_is_refused_with_the_fix(
    tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    folder = saved(tmp_path / "model", vit(), max_shard_size="20KB")
    damage(folder)
    with pytest.raises(ModelError, match=message):
        HuggingFaceClassifier(folder=folder).load()


def test_code_in_the_folder_is_never_run(tmp_path: Path) -> None:
    folder = saved(tmp_path / "model", resnet())
    config = json.loads((folder / "config.json").read_text())
    config["model_type"] = "my-own"
    config["auto_map"] = {
        "AutoConfig": "mine.Config",
        "AutoModelForImageClassification": "mine.Model",
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "mine.py").write_text("raise SystemExit('ran')")
    with pytest.raises(ModelError, match="code"):
        HuggingFaceClassifier(folder=folder).load()


@pytest.mark.parametrize(
    "options", [{}, {"folder": Path("a"), "name": "b/c"}], ids=["none", "both"]
)
def test_one_source_is_required(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="either `folder` or `name`"):
        HuggingFaceClassifier(**options)


def test_missing_library_names_the_install_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    line = r"pip install 'classifier-auditor\[huggingface\]'"
    with pytest.raises(MissingDependencyError, match=line):
        HuggingFaceClassifier(folder=tmp_path).load()


def test_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config.json.*there is none"):
        HuggingFaceClassifier(folder=tmp_path).load()


def test_unknown_key_of_the_adapter_is_refused(tmp_path: Path) -> None:
    raw = {"adapter": "huggingface", "foldr": "model"}
    data = {"adapter": "folder", "path": str(image_folder(tmp_path))}
    with pytest.raises(ConfigError, match="did you mean 'folder'"):
        AuditConfig.parse({"name": "x", "model": raw, "data": data}, tmp_path)
