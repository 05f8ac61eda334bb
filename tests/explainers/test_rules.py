"""Rules of guided backpropagation and of the deconvolutional network, for any notation of ReLU."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
import torchvision
from builders.networks import RELUS, Residual, Written, random_images, relative
from captum.attr import GuidedBackprop as CaptumGuidedBackprop
from reference import guided_by_hand, input_map
from torch import Tensor, nn

from auditor.autograd.recording import record

TARGETS = torch.tensor([0, 3, 1])


def guided(model: nn.Module, images: Tensor, rule: str = "guided") -> Tensor:
    with record(model, images) as recording:
        return recording.input_gradient(TARGETS[: len(images)], rule)  # type: ignore[arg-type]


@pytest.mark.parametrize("rule", ["plain", "guided", "deconvnet"])
@pytest.mark.parametrize("written", RELUS)
def test_rule_with_any_notation_of_relu_equals_the_papers(written: str, rule: str) -> None:
    torch.manual_seed(1)
    model = Written(RELUS[written])
    expected = input_map(model, random_images(), TARGETS, rule)  # type: ignore[arg-type]
    assert relative(guided(model, random_images(), rule), expected) < 1e-5


@pytest.mark.parametrize("written", RELUS)
def test_guided_rule_at_an_input_of_exactly_zero_passes_nothing_on(written: str) -> None:
    # At 0, autograd's derivative of clamp is 1 and that of maximum 1/2; the rule requires f > 0.
    torch.manual_seed(1)
    model = Written(RELUS[written])
    nn.init.zeros_(model.first.bias)  # type: ignore[arg-type]
    black = torch.zeros_like(random_images())  # the input of the first ReLU is 0 everywhere
    assert guided(model, black).abs().max() == 0
    assert guided(model, black + 0.1).abs().max() > 0


def test_guided_rule_of_linear_layers_equals_a_numpy_calculation() -> None:
    rng = np.random.default_rng(0)
    sizes = [12, 20, 16, 4]
    weights = [rng.normal(size=(out, into)) for into, out in pairwise(sizes)]
    layers: list[nn.Module] = [nn.Flatten()]
    for weight in weights:
        layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=torch.float64)
        layer.weight.data.copy_(torch.from_numpy(weight))
        layers += [layer, nn.ReLU(inplace=True)]
    model = nn.Sequential(*layers[:-1])
    images = random_images(3, 2).double()
    expected = [
        guided_by_hand(weights, image.flatten().numpy(), int(target))
        for image, target in zip(images, TARGETS, strict=True)
    ]
    found = guided(model, images).flatten(1)
    np.testing.assert_allclose(found.numpy(), np.stack(expected), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rule", ["guided", "deconvnet"])
def test_rule_with_branches_and_a_reused_module_equals_the_papers(rule: str) -> None:
    torch.manual_seed(2)
    model = Residual()
    expected = input_map(model, random_images(), TARGETS, rule)  # type: ignore[arg-type]
    assert relative(guided(model, random_images(), rule), expected) < 1e-5


@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU activations")
@pytest.mark.parametrize("name", ["resnet18", "vgg11"])
def test_guided_rule_with_separate_relu_modules_equals_captums(name: str) -> None:
    torch.manual_seed(3)
    model = torchvision.models.get_model(name).eval()
    images = random_images(3, 32)
    leaf = images.clone().requires_grad_()
    expected = CaptumGuidedBackprop(model).attribute(leaf, target=TARGETS)
    assert relative(guided(model, images), expected) < 1e-5
    if name == "vgg11":  # without batch normalisation, even the last bit is equal
        with record(model, images, channels_last=False) as recording:
            assert torch.equal(recording.input_gradient(TARGETS, "guided"), expected)


def test_input_gradient_of_some_rows_equals_those_of_all() -> None:
    torch.manual_seed(4)
    model, images = Residual(), random_images()
    whole = guided(model, images)
    with record(model, images) as recording:
        part = recording.input_gradient(TARGETS[[2, 0]], "guided", torch.tensor([2, 0]))
        again = recording.input_gradient(TARGETS, "guided")
    assert relative(part, whole[[2, 0]]) < 1e-6
    assert torch.equal(again, whole)


def test_recording_a_model_that_works_in_place_keeps_the_images() -> None:
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(3 * 12 * 12, 4))
    images = random_images()
    before = images.clone()
    expected = input_map(model, images, TARGETS, "guided")
    assert relative(guided(model, images), expected) < 1e-5
    assert torch.equal(images, before)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_recording_with_gradients_switched_off_still_works(
    mode: type[torch.no_grad | torch.inference_mode],
) -> None:
    torch.manual_seed(4)
    model = Residual().requires_grad_(False)
    expected = input_map(model, random_images(), TARGETS, "guided")
    with mode():
        found = guided(model, random_images())
    assert relative(found, expected) < 1e-5
