"""Networks that can't be run on the images: one message with the network, the shape and a fix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from builders.audited_models import audited
from torch import Tensor, nn

from auditor.autograd.precision import accelerate
from auditor.autograd.user_code import require_runnable
from auditor.classifiers.preprocessing import compare_preprocessing
from auditor.config import Preprocess
from auditor.errors import ModelError
from auditor.explainers import explain


def _pooled(channels: int = 3) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    )


class _Wrapped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = _pooled()


class SecondArgument(_Wrapped):
    def forward(self, images: Tensor, age: Tensor) -> Tensor:
        logits: Tensor = self.inner(images) + age
        return logits


class HookOnTensor(_Wrapped):
    def forward(self, images: Tensor) -> Tensor:
        maps = self.inner[1](self.inner[0](images))
        maps.register_hook(lambda gradient: gradient)
        logits: Tensor = self.inner[4](self.inner[3](self.inner[2](maps)))
        return logits


class Raising(_Wrapped):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def forward(self, _: Tensor) -> Tensor:
        raise self.error


def _transformer() -> nn.Module:
    from torchvision.models import VisionTransformer

    network: nn.Module = VisionTransformer(
        image_size=8,
        patch_size=4,
        num_layers=1,
        num_heads=1,
        hidden_dim=8,
        mlp_dim=8,
        num_classes=3,
    )
    return network


def _timm_transformer() -> nn.Module:
    import timm

    network: nn.Module = timm.create_model("vit_tiny_patch16_224", num_classes=3, depth=1)
    return network


@dataclass(frozen=True)
class Case:
    """A network that can't be run, and what the message says."""

    build: Callable[[], nn.Module]
    name: str
    error: str
    fix: str


CASES = {
    "flattened head": Case(
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 30 * 30, 3)),
        "Sequential",
        "RuntimeError",
        "preprocess.resize and preprocess.crop",
    ),
    "vision transformer": Case(
        _transformer, "VisionTransformer", "AssertionError", "preprocess.resize"
    ),
    "vision transformer of timm": Case(
        _timm_transformer, "VisionTransformer", "AssertionError", "preprocess.resize"
    ),
    "one channel": Case(
        lambda: _pooled(1), "Sequential", "RuntimeError", "takes 1 channels, and the images have 3"
    ),
    "four channels": Case(
        lambda: _pooled(4), "Sequential", "RuntimeError", "takes 4 channels, and the images have 3"
    ),
    "second argument": Case(
        SecondArgument, "SecondArgument", "TypeError", "takes more than the images"
    ),
    "key error": Case(lambda: Raising(KeyError("x")), "Raising", "KeyError", "float32 tensor"),
    "stop iteration": Case(
        lambda: Raising(StopIteration()), "Raising", "StopIteration", "float32 tensor"
    ),
}
IMAGES = torch.zeros((2, 3, 12, 12), dtype=torch.uint8)


def _message(run: Callable[[], object]) -> str:
    with pytest.raises(ModelError) as caught:
        run()
    return str(caught.value)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_network_that_raises_is_a_model_error_wherever_it_runs(case: Case) -> None:
    network = case.build().eval()
    raw = IMAGES.numpy()
    messages = [
        _message(lambda: audited(network).logits(IMAGES)),
        _message(lambda: explain(network, IMAGES.float())),
        _message(lambda: explain(network, IMAGES.float(), explainer="gradient")),
        _message(lambda: accelerate(network, IMAGES.float(), "fast")),
        _message(lambda: compare_preprocessing(network, raw, np.zeros(2, np.int64), Preprocess())),
    ]
    for message in messages:
        assert message.startswith(f"model: {case.name} raised {case.error}")
        assert "(2, 3, 12, 12), float32" in message
        assert case.fix in message
        assert "\n" not in message


def test_error_names_the_line_of_the_users_code() -> None:
    message = _message(lambda: audited(Raising(ValueError("odd"))).logits(IMAGES))
    assert "raised ValueError (test_networks.py, line " in message


def test_hook_that_expects_a_gradient_is_a_model_error_with_its_fix() -> None:
    message = _message(lambda: audited(HookOnTensor()).logits(IMAGES))
    assert "HookOnTensor raised RuntimeError" in message
    assert "if tensor.requires_grad" in message


@pytest.mark.parametrize("where", ["layer", "input"])
def test_hook_that_raises_in_the_backward_pass_is_a_model_error(where: str) -> None:
    def fail(_: nn.Module, __: object, ___: object) -> None:
        raise LookupError("no gradient here")

    network = _pooled().eval()
    network[1].register_full_backward_hook(fail)
    name = {"layer": "grad-cam", "input": "gradient"}[where]
    message = _message(lambda: explain(network, IMAGES.float(), explainer=name))
    assert "Sequential raised LookupError" in message


def _lazy() -> nn.Module:
    return nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten())


def _scripted() -> nn.Module:
    with pytest.warns(FutureWarning, match="deprecated"):
        scripted: nn.Module = torch.jit.script(_pooled())
    return scripted


@pytest.mark.parametrize(
    ("build", "problem", "fix"),
    [
        (_lazy, "'0.weight' of Sequential gets its shape", "run it once on an image"),
        (lambda: _pooled().to("meta"), "'0.weight' of Sequential is on the device", "assign=True"),
        (_scripted, "got a TorchScript module", "load its Python class"),
    ],
)
def test_network_without_usable_weights_is_refused_before_it_runs(
    build: Callable[[], nn.Module], problem: str, fix: str
) -> None:
    network = build()
    for message in (
        _message(lambda: require_runnable(network)),
        _message(lambda: explain(network, torch.rand(2, 3, 12, 12))),
    ):
        assert problem in message
        assert fix in message
