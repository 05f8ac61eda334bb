"""Each method against its definition."""

from __future__ import annotations

import pytest
import torch
import torchvision
from builders.networks import Residual, Written, random_images, relative
from captum.attr import Deconvolution, Saliency
from reference import input_map
from torch import Tensor, nn
from torch.nn.functional import interpolate

from auditor import registry
from auditor.errors import ModelError
from auditor.explainers import Explainer, explain
from auditor.explainers.api import explain_or_grad_cam
from auditor.explainers.occlusion import Occlusion

TARGETS = torch.tensor([0, 3, 1])


def up(cams: Tensor, size: int) -> Tensor:
    return interpolate(cams[:, None].float(), (size, size), mode="bilinear", align_corners=False)


@pytest.fixture(scope="module")
def resnet() -> nn.Module:
    torch.manual_seed(0)
    model: nn.Module = torchvision.models.resnet18(num_classes=4).eval()
    return model


def features(model: nn.Module, images: Tensor) -> Tensor:
    kept: list[Tensor] = []
    with model.get_submodule("layer4").register_forward_hook(lambda *args: kept.append(args[-1])):
        model(images)
    return kept[0].detach()


def test_every_explainer_plugin_fulfils_the_protocol() -> None:
    for name, options in registry.all_of("explainer").items():
        assert isinstance(options(), Explainer), name


def test_cam_weights_the_maps_with_the_weights_of_the_head(resnet: nn.Module) -> None:
    # Zhou et al., equation 2; the mean over places is the logit minus the bias.
    images = random_images(3, 96)
    found = explain(resnet, images, TARGETS, "cam")
    maps, head = features(resnet, images), resnet.get_submodule("fc")
    assert isinstance(head, nn.Linear)
    expected = torch.einsum("nk,nkij->nij", head.weight[TARGETS], maps)
    assert relative(found.maps, up(expected.detach(), 96)) < 1e-5
    logits = expected.mean((1, 2)) + head.bias[TARGETS]
    torch.testing.assert_close(logits, found.logits.gather(1, TARGETS[:, None])[:, 0])


def test_grad_cam_with_an_averaging_head_equals_cam(resnet: nn.Module) -> None:
    # Selvaraju et al., section 3.1: equal up to the factor Z and the ReLU.
    images = random_images(3, 96)
    cam = explain(resnet, images, TARGETS, "cam", "layer4.1")
    grad_cam = explain(resnet, images, TARGETS, "grad-cam", "layer4.1")
    opposite = explain(resnet, images, TARGETS, "grad-cam-counterfactual", "layer4.1")
    hirescam = explain(resnet, images, TARGETS, "hirescam", "layer4.1")
    assert relative(hirescam.maps * 9, cam.maps) < 1e-5
    small = interpolate(features(resnet, images), (3, 3))
    weights = resnet.get_submodule("fc").weight[TARGETS]  # type: ignore[index]
    signed = torch.einsum("nk,nkij->nij", weights, small).detach()
    assert relative(grad_cam.maps * 9, up(signed.clamp(min=0), 96)) < 1e-5
    assert relative(opposite.maps * 9, up((-signed).clamp(min=0), 96)) < 1e-5


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ([nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5), nn.ReLU()], "found Relu"),
        ([nn.Flatten(), nn.Linear(6 * 144, 5)], "weights places differently"),
    ],
)
def test_cam_with_another_head_raises(head: list[nn.Module], reason: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), *head)
    with pytest.raises(ModelError, match=reason):
        explain(model, random_images(), TARGETS, "cam")


@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU activations")
def test_deconvnet_and_gradient_equal_captums(resnet: nn.Module) -> None:
    images = random_images(3, 64)
    leaf = images.clone().requires_grad_()
    found = explain(resnet, images, TARGETS, "deconvnet").maps
    assert relative(found, Deconvolution(resnet).attribute(leaf, target=TARGETS)) < 1e-5
    plain = explain(resnet, images, TARGETS, "gradient").maps
    expected = Saliency(resnet).attribute(leaf, target=TARGETS, abs=False)
    assert relative(plain, expected) < 1e-5


def test_hirescam_weights_each_place_with_its_own_gradient() -> None:
    torch.manual_seed(0)
    model = Residual().double()
    images = random_images().double()
    found = explain(model, images, TARGETS, "hirescam", "norm")
    kept: list[Tensor] = []
    model.eval().norm.register_forward_hook(lambda *args: kept.append(args[-1]))
    logits = model(images)
    for row, target in enumerate(TARGETS.tolist()):
        (gradient,) = torch.autograd.grad(logits[row, target], kept[0], retain_graph=True)
        expected = (gradient[row] * kept[0][row]).sum(0)
        assert relative(found.maps[row, 0], expected) < 1e-5


def test_occlusion_is_the_drop_of_the_logit() -> None:
    torch.manual_seed(0)
    model, images = Written(torch.relu).eval(), random_images(3, 12)
    method = Occlusion(window=0.5, stride=1.0, value=0.3, batch_size=5)
    found = explain(model, images, TARGETS, method)
    assert found.maps.shape == (3, 1, 12, 12)
    with torch.no_grad():
        before = model(images)
        for top in (0, 6):
            for left in (0, 6):
                occluded = images.clone()
                occluded[:, :, top : top + 6, left : left + 6] = 0.3
                drop = (before - model(occluded)).gather(1, TARGETS[:, None])
                part = found.maps[:, 0, top : top + 6, left : left + 6]
                torch.testing.assert_close(part, drop[:, :, None].expand(3, 6, 6))


def test_occlusion_squares_cover_every_pixel() -> None:
    for height, width in [(7, 13), (224, 224), (5, 5), (1, 9)]:
        hit = torch.zeros(height, width)
        for top, bottom, left, right in Occlusion().squares(height, width):
            hit[top:bottom, left:right] += 1
        assert hit.min() >= 1


def test_deconvnet_of_a_model_without_relu_is_undefined() -> None:
    with pytest.raises(ModelError, match=r"deconvnet is undefined for Written: .* 2 × tanh"):
        explain(Written(torch.tanh), random_images(), TARGETS, "deconvnet")
    found = explain_or_grad_cam(Written(torch.tanh), random_images(), TARGETS, "deconvnet")
    assert (found.explainer, found.preflight.status) == ("grad-cam", "undefined")
    plain = explain(Written(torch.tanh), random_images(), TARGETS, "gradient")
    assert plain.preflight.status == "valid"


def test_unit_gradient_equals_the_guided_gradient_of_a_truncated_model() -> None:
    # The strongest unit of a channel, as in the All-CNN figures, is a logit of a truncated model.
    from auditor.autograd.recording import record
    from auditor.explainers import find_layer

    torch.manual_seed(0)
    model, images = Written(torch.relu), random_images()
    layer = find_layer(model, images, "second")
    with record(model, images, layer) as recording:
        found = recording.unit_gradient(2, "guided")

    class Truncated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.full = model

        def forward(self, x: Tensor) -> Tensor:
            x = self.full.second(torch.relu(self.full.first(x)))
            return x.flatten(2).amax(2)

    expected = input_map(Truncated(), images, torch.tensor([2, 2, 2]), "guided")
    assert relative(found, expected) < 1e-5
