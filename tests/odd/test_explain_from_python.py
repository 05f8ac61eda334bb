"""``auditor.explain``: arguments of wrong types and models that must stay as they were."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import auditor
from auditor.errors import UsageError
from auditor.explainers.grad_cam import GradCam


def _network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(4, 3),
    )


NETWORK = _network().eval()
SMOOTH = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
IMAGES = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(1))
PIXELS = np.random.default_rng(2).integers(0, 256, (12, 12, 3), np.uint8)

REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "guided backpropagation": (
        lambda: auditor.explain(SMOOTH, IMAGES, explainer="guided-backprop"),
        "explainer: guided-backprop is undefined for Sequential: .*1 × gelu.*'grad-cam'",
    ),
    "guided grad-cam": (
        lambda: auditor.explain(SMOOTH, IMAGES, explainer="guided-grad-cam"),
        "explainer: guided-grad-cam is undefined for Sequential",
    ),
    "deconvnet": (
        lambda: auditor.explain(SMOOTH, IMAGES, explainer="deconvnet"),
        "explainer: deconvnet is undefined for Sequential",
    ),
    "model as its class": (
        lambda: auditor.explain(nn.Sequential, IMAGES),  # type: ignore[arg-type]
        "model: expected a torch.nn.Module; got the class Sequential: create it",
    ),
    "model as its weights": (
        lambda: auditor.explain(NETWORK.state_dict(), IMAGES),  # type: ignore[arg-type]
        "model: .*got OrderedDict: load its weights into a network",
    ),
    "model as its name": (
        lambda: auditor.explain("resnet18", IMAGES),  # type: ignore[arg-type]
        "model: .*got str: load it first",
    ),
    "model as a function": (
        lambda: auditor.explain(lambda images: images, IMAGES),  # type: ignore[arg-type]
        "model: .*got function: wrap it in a torch.nn.Module",
    ),
    "images as an array": (
        lambda: auditor.explain(NETWORK, IMAGES.numpy()),
        "preprocess: expected how the images become .*`preprocess={}` .*torch.from_numpy",
    ),
    "bytes": (
        lambda: auditor.explain(NETWORK, (IMAGES * 255).byte()),
        "preprocess: expected how the images become the model's input",
    ),
    "preprocessed images with a preprocessing": (
        lambda: auditor.explain(NETWORK, IMAGES, preprocess={}),
        "preprocess: expected original images; a floating tensor is taken to be preprocessed",
    ),
    "unknown preprocessing": (
        lambda: auditor.explain(NETWORK, PIXELS, preprocess={"resise": 8}),
        "preprocess.resise: unknown key; did you mean 'resize'",
    ),
    "no list": (lambda: auditor.explain(NETWORK, [], preprocess={}), "pass at least one image"),
    "missing file": (
        lambda: auditor.explain(NETWORK, "nowhere.png", preprocess={}),
        "nowhere.png: expected an image; the file does not exist: correct the path",
    ),
    "another object": (
        lambda: auditor.explain(NETWORK, {"image": PIXELS}, preprocess={}),  # type: ignore[arg-type]
        "images: image 0: expected the path of a file, a PIL image, an array or a tensor; got dict",
    ),
    "array of another shape": (
        lambda: auditor.explain(NETWORK, PIXELS[:, :, :2], preprocess={}),
        r"images: image 0: expected an image \(H, W\), .*got the shape \(12, 12, 2\)",
    ),
    "images of two sizes": (
        lambda: auditor.explain(NETWORK, [PIXELS, PIXELS[:8]], preprocess={}),
        "image 0 becomes 12 × 12 pixels and image 1 8 × 12: set `resize` and `crop`",
    ),
    "tensors of two sizes": (
        lambda: auditor.explain(NETWORK, [IMAGES[0], IMAGES[0, :, :8]]),
        "images: expected tensors .* of one size",
    ),
    "both kinds": (
        lambda: auditor.explain(NETWORK, [IMAGES[0], PIXELS], preprocess={}),
        "images: expected either floating tensors, .*got both",
    ),
    "unknown class": (
        lambda: auditor.explain(NETWORK, IMAGES, "dof", classes=["cat", "dog", "cow"]),
        "targets: expected one of the classes cat, dog.*got 'dof': did you mean 'dog'",
    ),
    "too few classes": (
        lambda: auditor.explain(NETWORK, IMAGES, classes=["cat", "dog"]),
        "classes: expected one name per output of the model, 3; got 2",
    ),
    "no image": (lambda: auditor.explain(NETWORK, IMAGES[:0]), "images: .*pass at least one image"),
    "images in half precision": (
        lambda: auditor.explain(NETWORK, IMAGES.half()),
        r"model: Sequential raised .*float16: .*usually float32 \(`images.float\(\)`\)",
    ),
    "target as a name": (
        lambda: auditor.explain(NETWORK, IMAGES, "cat"),
        "targets: expected a class index, .*got 'cat': .*classes.index",
    ),
    "targets as names": (
        lambda: auditor.explain(NETWORK, IMAGES, ["cat", "dog"]),
        "targets: expected a class index, .*got list",
    ),
    "targets one-hot": (
        lambda: auditor.explain(NETWORK, IMAGES, torch.eye(3)[:2]),
        r"targets: .*got \(2, 3\) of torch.float32",
    ),
    "target between two": (
        lambda: auditor.explain(NETWORK, IMAGES, 0.5),  # type: ignore[arg-type]
        "targets: .*got float",
    ),
    "target as a boolean": (
        lambda: auditor.explain(NETWORK, IMAGES, True),
        "targets: .*got bool",
    ),
    "target out of range": (
        lambda: auditor.explain(NETWORK, IMAGES, 3),
        "expected a target between 0 and 2, the index of a class; got 3",
    ),
    "target beyond 64 bits": (
        lambda: auditor.explain(NETWORK, IMAGES, 2**70),
        r"between 0 and 2, the index of a class; got 1180591620717411303424",
    ),
    "targets as bytes": (
        lambda: auditor.explain(NETWORK, IMAGES, b"\0\1"),
        "targets: expected a class index, .*got bytes",
    ),
    "sparse targets": (
        lambda: auditor.explain(NETWORK, IMAGES, torch.tensor([0, 1]).to_sparse()),
        r"targets: .*got \(2,\) of torch.int64",
    ),
    "targets without values": (
        lambda: auditor.explain(NETWORK, IMAGES, torch.tensor([0, 1], device="meta")),
        r"targets: .*got \(2,\) of torch.int64",
    ),
    "one image with NaN": (
        lambda: auditor.explain(NETWORK, torch.cat([IMAGES[:1], IMAGES[1:] / 0])),
        "images: expected finite values; 1 of 2 images have NaN or infinite ones, first image 1",
    ),
    "sparse images": (
        lambda: auditor.explain(NETWORK, IMAGES.to_sparse()),
        r"images: expected a dense tensor .*layout torch.sparse_coo: .*`.to_dense\(\)`",
    ),
    "images without values": (
        lambda: auditor.explain(NETWORK, IMAGES.to("meta")),
        "images: expected a dense tensor with values; got one on the device 'meta'",
    ),
    "grey images": (
        lambda: auditor.explain(NETWORK, IMAGES[:, :1]),
        "but got 1 channels instead: pass images with 3 channels, as many as its first layer takes",
    ),
    "too few targets": (
        lambda: auditor.explain(NETWORK, IMAGES, [0]),
        "expected one target for all images or 2 of them; got 1",
    ),
    "explainer as a number": (
        lambda: auditor.explain(NETWORK, IMAGES, explainer=5),  # type: ignore[arg-type]
        "explainer: expected the name of a plug-in, .*got int",
    ),
    "explainer as its class": (
        lambda: auditor.explain(NETWORK, IMAGES, explainer=GradCam),  # type: ignore[arg-type]
        r"explainer: .*got the class GradCam: create it, as in `GradCam\(\)`",
    ),
    "unknown explainer": (
        lambda: auditor.explain(NETWORK, IMAGES, explainer="gradcam"),
        "got 'gradcam'; did you mean 'grad-cam'",
    ),
    "layer as a module": (
        lambda: auditor.explain(NETWORK, IMAGES, target_layer=NETWORK[2]),  # type: ignore[arg-type]
        "target_layer: expected the dotted name .*got ReLU: pass '2'",
    ),
    "layers as a list": (
        lambda: auditor.explain(NETWORK, IMAGES, target_layer=[NETWORK[2]]),  # type: ignore[arg-type]
        "target_layer: .*got list: print its names",
    ),
}


@pytest.mark.parametrize(("call", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_explain_refuses_with_one_message(call: Callable[[], object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        call()
    assert re.search(message, str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "targets",
    [
        2,
        np.int64(2),
        torch.tensor(2),
        torch.tensor([2, 2]),
        np.array([2, 2]),
        np.array([2.0, 2.0]),
        [np.int32(2), torch.tensor(2)],
        (2, 2),
    ],
    ids=repr,
)
def test_explain_accepts_a_target_in_every_form(targets: Any) -> None:
    found = auditor.explain(NETWORK, IMAGES, targets, explainer="grad-cam")
    assert found.targets.tolist() == [2, 2]


def test_explain_without_a_named_method_chooses_one_and_names_it() -> None:
    assert auditor.explain(NETWORK, IMAGES).explainer == "guided-grad-cam"
    assert auditor.explain(SMOOTH, IMAGES).explainer == "grad-cam"


class Counting(nn.Module):
    """Changes a buffer in every forward pass, and its parts when its mode changes."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = _network()
        self.register_buffer("calls", torch.zeros(()))
        self.calls: Tensor
        self.merged = False
        self.limit = 10**9

    def train(self, mode: bool = True) -> Counting:
        super().train(mode)
        self.merged = not mode
        return self

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        if self.calls > self.limit:
            raise LookupError("enough")
        logits: Tensor = self.inner(images)
        return logits


def prepared(network: Counting) -> Counting:
    """In training mode with one frozen part, gradients, a frozen weight and a hook."""
    network.train()
    network.inner[1].eval()
    network.inner[0].weight.requires_grad_(False)
    network.inner[6].weight.grad = torch.ones(3, 4)
    network.inner[2].register_forward_hook(lambda *_: None)
    return network


def state(network: nn.Module) -> dict[str, Any]:
    """Everything about a network that an audit could change."""
    return {
        "modes": {name: module.training for name, module in network.named_modules()},
        "hooks": {
            name: (
                list(module._forward_hooks.values()),
                list(module._forward_pre_hooks.values()),
                list(module._backward_hooks.values()),
            )
            for name, module in network.named_modules()
        },
        "parameters": {
            name: (
                id(one),
                one.data_ptr(),
                one.device,
                one.dtype,
                one.requires_grad,
                one.detach().tolist(),
                None if one.grad is None else (id(one.grad), one.grad.tolist()),
            )
            for name, one in network.named_parameters()
        },
        "buffers": {
            name: (id(one), one.device, one.dtype, one.tolist())
            for name, one in network.named_buffers()
        },
        "merged": getattr(network, "merged", None),
    }


@pytest.mark.parametrize("explainer", ["grad-cam", "guided-backprop", "occlusion"])
def test_explain_leaves_the_model_as_it_was(explainer: str) -> None:
    network = prepared(Counting())
    before = state(network)
    auditor.explain(network, IMAGES, explainer=explainer)
    assert state(network) == before


@pytest.mark.parametrize("limit", [0, 1])
def test_explain_that_fails_leaves_the_model_as_it_was(limit: int) -> None:
    network = prepared(Counting())
    network.limit = limit
    before = state(network)
    with pytest.raises(UsageError, match="Counting raised LookupError"):
        auditor.explain(network, IMAGES, explainer="guided-grad-cam")
    assert state(network) == before
