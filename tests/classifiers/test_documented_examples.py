"""Every configuration of docs/classifiers.md runs on a model that is made here."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from builders.adapter_audits import N_IMAGES, audit_with
from torch import nn

PAGE = Path(__file__).parents[2] / "docs" / "classifiers.md"
EXAMPLES: list[dict[str, Any]] = [
    yaml.safe_load(text)
    for text in re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
]
CODE = """
from torch import nn

def build():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
"""


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    ).eval()


def make_python(folder: Path) -> None:
    (folder / "my_models.py").write_text(CODE)
    state = {f"model.{name}": one for name, one in network().state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3}, folder / "last.ckpt")


def make_huggingface(folder: Path) -> None:
    import transformers

    torch.manual_seed(0)
    names = {0: "cat", 1: "dog"}
    config = transformers.ViTConfig(
        image_size=32,
        patch_size=8,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        id2label=names,
    )
    transformers.ViTForImageClassification(config).save_pretrained(folder / "vit")
    processor = transformers.ViTImageProcessor(size={"height": 32, "width": 32})
    processor.save_pretrained(folder / "vit")


def make_timm(folder: Path) -> None:
    import safetensors.torch
    import timm

    model = timm.create_model("test_resnet", num_classes=2)
    safetensors.torch.save_model(model, str(folder / "timm.safetensors"))
    timm.models.save_for_hf(model, str(folder / "timm_model"), safe_serialization=True)


def make_torchvision(folder: Path) -> None:
    from torchvision.models import squeezenet1_1

    torch.save(squeezenet1_1(weights=None, num_classes=2).state_dict(), folder / "squeezenet.pt")


def make_keras(folder: Path) -> None:
    from auditor.autograd.keras_network import without_numpy_warning
    from auditor.classifiers.keras import keras_on_torch

    layers = keras_on_torch().layers
    model = keras_on_torch().Sequential(
        [
            keras_on_torch().Input((32, 32, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )
    with without_numpy_warning():
        model.save(folder / "model.keras")


def make_onnx(folder: Path) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    state = network().state_dict()
    nodes = [
        helper.make_node("Conv", ["images", "0.weight", "0.bias"], ["maps"]),
        helper.make_node("Relu", ["maps"], ["active"]),
        helper.make_node("GlobalAveragePool", ["active"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        helper.make_node("Gemm", ["features", "4.weight", "4.bias"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, 32, 32])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(one.numpy(), name) for name, one in state.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, folder / "model.onnx")


def make_exported(folder: Path) -> None:
    shapes = ({0: torch.export.Dim("n", min=1, max=64)},)
    program = torch.export.export(network(), (torch.rand(2, 3, 32, 32),), dynamic_shapes=shapes)
    torch.export.save(program, folder / "model.pt2")


MAKERS: dict[str, Callable[[Path], None]] = {
    "python": make_python,
    "huggingface": make_huggingface,
    "timm": make_timm,
    "torchvision": make_torchvision,
    "keras": make_keras,
    "onnx": make_onnx,
    "exported": make_exported,
}


def test_every_adapter_has_an_example() -> None:
    assert {one["model"]["adapter"] for one in EXAMPLES} == set(MAKERS)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*", "ignore::FutureWarning:torch.*")
@pytest.mark.parametrize(
    "example", EXAMPLES, ids=[f"{k}-{one['model']['adapter']}" for k, one in enumerate(EXAMPLES)]
)
def test_documented_example_runs(tmp_path: Path, example: dict[str, Any]) -> None:
    adapter = example["model"]["adapter"]
    MAKERS[adapter](tmp_path)
    settings = {key: value for key, value in example.items() if key != "model"}
    result = audit_with(tmp_path, example["model"], **settings)
    assert result.provenance.model.adapter == adapter
    assert result.summary.n_samples == N_IMAGES
