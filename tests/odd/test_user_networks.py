"""Odd networks from Python, and settings of the process: right values, or one message."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import torch
from builders.python_audits import network, pairs, refused
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.utils.checkpoint import checkpoint

import auditor
from auditor.errors import UsageError
from auditor.report import documents

IMAGES = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(1))
Forward = Callable[[nn.Module, Tensor], object]


class Custom(nn.Module):
    """A network whose forward is given."""

    def __init__(self, call: Forward) -> None:
        super().__init__()
        self.inner = network()
        self.call = call

    def forward(self, images: Tensor) -> object:
        return self.call(self.inner, images)


def _exit(_: nn.Module, __: Tensor) -> object:
    sys.exit(0)


def _assert(_: nn.Module, images: Tensor) -> object:
    raise AssertionError


def _checkpointed(inner: nn.Module, images: Tensor) -> object:
    assert isinstance(inner, nn.Sequential)
    maps = checkpoint(inner[:2], images, use_reentrant=True)
    return inner[2:](maps)


NETWORKS: dict[str, tuple[Forward, str, str]] = {
    "complex": (
        lambda inner, images: torch.complex(inner(images), inner(images)),
        "expected real outputs; got torch.complex64: return their real part",
        "return real logits; got torch.complex64: return their real part",
    ),
    "transposed": (
        lambda inner, images: inner(images).T,
        "one row of outputs per image, 4; got .2, 4.: return the images along the first axis",
        r"returns \(classes, N\): return their transpose",
    ),
    "ends the program": (
        _exit,
        r"Custom raised SystemExit \(test_user_networks.py, line \d+\)",
        r"Custom raised SystemExit \(test_user_networks.py, line \d+\)",
    ),
    "raises without a message": (
        _assert,
        "raised AssertionError .*float32: no message: the error comes from the network",
        "raised AssertionError .*float32: no message: the error comes from the network",
    ),
}


@pytest.mark.parametrize(
    ("forward", "audited", "explained"), NETWORKS.values(), ids=NETWORKS.keys()
)
def test_network_that_cannot_be_run_is_refused(
    forward: Forward, audited: str, explained: str
) -> None:
    text = refused(model=Custom(forward))
    assert re.search(audited, text), text
    with pytest.raises(UsageError) as caught:
        auditor.explain(Custom(forward).eval(), IMAGES)
    assert re.search(explained, str(caught.value)), str(caught.value)


def test_network_that_drops_the_axis_of_a_single_image_is_refused_before_predicting(
    tmp_path: Path,
) -> None:
    # 33 images are two batches, of which the second has one image.
    model = Custom(lambda inner, images: inner(images).squeeze())
    message = r"for 1 image; got \(2,\): keep the axis of the images, such as with `flatten\(1\)`"
    with pytest.raises(UsageError, match=message):
        auditor.audit(
            model,
            pairs(labels=[0, 1, 1] * 11),
            classes=["cat", "dog"],
            preprocess={},
            out=tmp_path / "run",
        )
    assert not list(tmp_path.iterdir())


def test_network_with_checkpointing_is_told_to_switch_it_off() -> None:
    with pytest.raises(UsageError, match="hidden by gradient checkpointing; switch that off"):
        auditor.explain(Custom(_checkpointed).eval(), IMAGES)


def test_images_of_another_tensor_class_are_explained_like_plain_ones() -> None:
    class Other(Tensor):
        pass

    model = network().eval()
    found = auditor.explain(model, IMAGES.as_subclass(Other), 1, explainer="grad-cam").maps
    assert type(found) is Tensor
    torch.testing.assert_close(found, _slow_grad_cam(model, 1))


def test_binary_network_with_three_outputs_is_told_to_leave_the_task_out() -> None:
    model = nn.Sequential(network(), nn.Linear(2, 3))
    text = refused(model=model, task="binary", decision={"positive": "dog"})
    assert "name all 3 of them in model.classes, in the order of its outputs and leave task" in text


def _slow_grad_cam(model: nn.Sequential, target: int) -> Tensor:
    """Equations 1 and 2 of Selvaraju et al. 2017 at the ReLU, with the gradient by hand.

    The head is the mean over the places and a linear layer, so that the gradient of a logit with respect
    to a place of channel k is w_k / Z.
    """
    with torch.no_grad():
        maps = model[1](model[0](IMAGES))
        places = maps.shape[2] * maps.shape[3]
        weights = model[4].get_parameter("weight")[target] / places
        cam = (weights[None, :, None, None] * maps).sum(1, keepdim=True).clamp(min=0)
        return interpolate(cam, IMAGES.shape[-2:], mode="bilinear", align_corners=False)


@pytest.fixture
def _default_device_without_values() -> Iterator[None]:
    torch.set_default_device("meta")
    yield
    torch.set_default_device(None)


@pytest.mark.parametrize("explainer", ["grad-cam", "guided-grad-cam", "occlusion", "gradient"])
def test_maps_do_not_depend_on_the_default_device(explainer: str) -> None:
    model = network().eval()
    expected = auditor.explain(model, IMAGES, 1, explainer=explainer).maps
    with torch.device("meta"):
        found = auditor.explain(model, IMAGES, 1, explainer=explainer).maps
    assert torch.equal(found, expected)
    if explainer == "grad-cam":
        torch.testing.assert_close(found, _slow_grad_cam(model, 1))


def test_maps_do_not_depend_on_the_default_dtype() -> None:
    model = network().eval()
    torch.set_default_dtype(torch.float64)
    try:
        found = auditor.explain(model, IMAGES, 1, explainer="grad-cam").maps
    finally:
        torch.set_default_dtype(torch.float32)
    torch.testing.assert_close(found, _slow_grad_cam(model, 1))


@pytest.mark.usefixtures("_default_device_without_values")
def test_audit_does_not_depend_on_the_default_device(tmp_path: Path) -> None:
    with torch.device("cpu"):
        model = network().eval()
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (8, 8, 3), np.uint8) for _ in range(20)]
    with torch.no_grad():
        inputs = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2) / 255
        predicted = model(inputs).argmax(1).tolist()
    # Every fifth label is wrong: the accuracy is 16 / 20.
    labels = [1 - code if k % 5 == 0 else code for k, code in enumerate(predicted)]
    nothing = documents.RenderedDocuments((), ())
    with mock.patch.object(documents, "write", return_value=nothing):
        result = auditor.audit(
            model,
            list(zip(images, labels, strict=True)),
            classes=["cat", "dog"],
            preprocess={},
            out=tmp_path / "run",
        )
    assert result.summary.accuracy is not None
    assert result.summary.accuracy.value == pytest.approx(0.8)


def test_model_that_threads_share_is_explained_rightly_and_left_as_it_was() -> None:
    model = network().train()
    expected = [_slow_grad_cam(model, target) for target in (0, 1)]

    def explained(k: int) -> Tensor:
        return auditor.explain(model, IMAGES, k % 2, explainer="grad-cam").maps

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(explained, range(16)))
    for k, maps in enumerate(found):
        torch.testing.assert_close(maps, expected[k % 2])
    assert all(module.training for module in model.modules())
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("position", [1, 3])
def test_labels_that_change_between_two_reads_are_refused(position: int) -> None:
    class Random:
        reads = 0

        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int) -> object:
            self.reads += index == position
            return pairs()[index][0], self.reads % 2

    text = refused(dataset=Random())
    assert f"dataset: sample {position}: expected the same label whenever it is read" in text


def test_reference_images_in_another_order_than_the_reference_are_refused() -> None:
    table = pd.DataFrame({"label": ["dog", 1, "cat", 0]})
    text = refused(reference=table, reference_images=pairs(labels=[1, "dog", 1, "cat"]))
    assert "1 of 4 labels differ, first that of image 2, 1, from that of row 3, 'cat'" in text


def test_reference_images_that_are_no_images_are_refused_before_predicting() -> None:
    text = refused(reference=pd.DataFrame({"label": [0, 1]}), reference_images=[1, 2])
    assert text.startswith("reference_images: sample 0: expected a pair (image, label); got int")
