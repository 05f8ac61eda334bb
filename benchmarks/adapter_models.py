"""One small classifier for each adapter, saved as its library saves it. All weights are random."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

SIDE = 64
"""Height and width of the images in pixels."""


@dataclass(frozen=True)
class Made:
    """A saved classifier.

    Attributes:
        name: in the table.
        model: section ``model`` of the configuration, without the class names.
        preprocess: section ``preprocess``.
    """

    name: str
    model: dict[str, Any]
    preprocess: dict[str, Any] = field(default_factory=lambda: {"resize": [SIDE, SIDE]})


def network() -> nn.Sequential:
    """A small convolutional network."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, 2),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 2),
    ).eval()


class _Mish(nn.Module):
    """An activation that onnx2torch does not convert."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.mish(x)


def _python(folder: Path) -> Made:
    torch.save({"state_dict": network().state_dict()}, folder / "weights.pt")
    options = {"factory": "benchmarks.adapter_models:network", "checkpoint": "weights.pt"}
    return Made("python", {"adapter": "python", **options})


def _torchvision(folder: Path) -> Made:
    from torchvision.models import resnet18

    torch.manual_seed(0)
    torch.save(resnet18(weights=None, num_classes=2).state_dict(), folder / "resnet18.pt")
    options = {"architecture": "resnet18", "checkpoint": "resnet18.pt", "num_classes": 2}
    return Made("torchvision", {"adapter": "torchvision", **options})


def _timm(folder: Path) -> Made:
    import timm

    torch.manual_seed(0)
    model = timm.create_model("test_resnet", num_classes=2)
    timm.models.save_for_hf(model, str(folder / "timm"), safe_serialization=True)
    return Made("timm", {"adapter": "timm", "folder": "timm"})


def _resnet(folder: Path) -> Made:
    import transformers

    torch.manual_seed(0)
    config = transformers.ResNetConfig(
        embedding_size=16,
        hidden_sizes=[16, 32],
        depths=[1, 1],
        layer_type="basic",
        id2label={0: "cat", 1: "dog"},
    )
    transformers.ResNetForImageClassification(config).save_pretrained(folder / "resnet")
    return Made("huggingface (ResNet)", {"adapter": "huggingface", "folder": "resnet"})


def _vit(folder: Path) -> Made:
    import transformers

    torch.manual_seed(0)
    config = transformers.ViTConfig(
        image_size=SIDE,
        patch_size=8,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        id2label={0: "cat", 1: "dog"},
    )
    transformers.ViTForImageClassification(config).save_pretrained(folder / "vit")
    return Made("huggingface (ViT)", {"adapter": "huggingface", "folder": "vit"})


def _keras(folder: Path) -> Made:
    from auditor.autograd.keras_network import without_numpy_warning
    from auditor.classifiers.keras import keras_on_torch

    keras = keras_on_torch()
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(16, 3, 2, activation="relu"),
            layers.Conv2D(16, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )
    with without_numpy_warning():
        model.save(folder / "model.keras")
    preprocess = {"resize": [SIDE, SIDE], "scale": 1}
    return Made("keras", {"adapter": "keras", "file": "model.keras"}, preprocess)


def _onnx(folder: Path, last: nn.Module, name: str, file: str) -> Made:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    parts = network()
    kernel, head = parts[0], parts[7]
    assert isinstance(kernel, nn.Conv2d)
    assert isinstance(head, nn.Linear)
    tensors = {
        "kernel": kernel.weight,
        "bias": kernel.bias,
        "head": head.weight,
        "offset": head.bias,
    }
    activation = "Relu" if isinstance(last, nn.ReLU) else "Mish"
    nodes = [
        helper.make_node("Conv", ["images", "kernel", "bias"], ["maps"], strides=[2, 2]),
        helper.make_node(activation, ["maps"], ["active"]),
        helper.make_node("GlobalAveragePool", ["active"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        helper.make_node("Gemm", ["features", "head", "offset"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])],
        [
            numpy_helper.from_array(one.detach().numpy(), key)
            for key, one in tensors.items()
            if one is not None
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, folder / file)
    return Made(name, {"adapter": "onnx", "file": file})


def _converted(folder: Path) -> Made:
    return _onnx(folder, nn.ReLU(), "onnx (converted)", "relu.onnx")


def _runtime(folder: Path) -> Made:
    return _onnx(folder, _Mish(), "onnx (ONNX Runtime)", "mish.onnx")


def _exported(folder: Path) -> Made:
    shapes = ({0: torch.export.Dim("n", min=1, max=1024)},)
    images = (torch.rand(2, 3, SIDE, SIDE),)
    program = torch.export.export(network(), images, dynamic_shapes=shapes)
    torch.export.save(program, folder / "model.pt2")
    return Made("exported (torch.export)", {"adapter": "exported", "file": "model.pt2"})


def _scripted(folder: Path) -> Made:
    images = torch.rand(2, 3, SIDE, SIDE)
    program: Any = torch.jit.trace(network(), images)  # type: ignore[no-untyped-call]
    program.save(str(folder / "model.pt"))
    return Made("exported (TorchScript)", {"adapter": "exported", "file": "model.pt"})


MAKERS: tuple[Callable[[Path], Made], ...] = (
    _python,
    _torchvision,
    _timm,
    _resnet,
    _vit,
    _keras,
    _converted,
    _runtime,
    _exported,
    _scripted,
)


@contextmanager
def quiet() -> Iterator[None]:
    """Hides what libraries say while they save."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
