"""``explain`` and ``explain_batch``: results, shapes and errors."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
import torchvision
from builders.networks import Residual, Written, random_images, relative
from captum.attr import GuidedGradCam as CaptumGuidedGradCam
from reference import bilinear, grad_cam_map, input_map
from torch import Tensor, nn
from torch.nn import functional

from auditor.errors import ConfigError, ModelError
from auditor.explainers import explain, explain_batch, find_layer

TARGETS = [0, 3, 1]


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    model: nn.Module = Residual().eval()
    return model


def test_grad_cam_equals_the_papers_equations(model: nn.Module) -> None:
    # An in-place ReLU follows the target layer: the map must be a copy.
    images = random_images(3, 13)
    found = explain(model, images, TARGETS, "grad-cam", "layer")
    small = grad_cam_map(
        model, images, torch.tensor(TARGETS), find_layer(model, images, "layer")
    ).numpy()
    expected = torch.from_numpy(np.stack([bilinear(one, 13, 13) for one in small]))
    assert found.maps.shape == (3, 1, 13, 13)
    assert found.maps.dtype == torch.float32
    assert relative(found.maps[:, 0], expected) < 1e-5


def test_guided_grad_cam_is_the_product_of_both_maps(model: nn.Module) -> None:
    images = random_images()
    found = explain(model, images, TARGETS, target_layer="layer")
    cam = explain(model, images, TARGETS, "grad-cam", "layer").maps
    guided = input_map(model, images, torch.tensor(TARGETS), "guided")
    assert found.maps.shape == (3, 3, 12, 12)
    assert relative(found.maps, cam * guided) < 1e-5


@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU activations")
def test_guided_grad_cam_of_resnet18_equals_captums() -> None:
    torch.manual_seed(0)
    model = torchvision.models.resnet18().eval()
    images = random_images(3, 64)
    expected = CaptumGuidedGradCam(model, model.layer4).attribute(
        images.clone().requires_grad_(),
        target=torch.tensor(TARGETS),
        interpolate_mode="bilinear",
        attribute_to_layer_input=False,
    )
    found = explain(model, images, TARGETS)
    assert found.target_layer == "layer4"
    assert relative(found.maps, expected.detach()) < 1e-5


def test_explain_without_targets_explains_the_predicted_classes(model: nn.Module) -> None:
    found = explain(model, random_images(), explainer="grad-cam")
    assert torch.equal(found.targets, found.logits.argmax(1))
    same = explain(model, random_images(), 2, "grad-cam")
    assert same.targets.tolist() == [2, 2, 2]
    tensor = explain(model, random_images(), torch.tensor([2, 2, 2]), "grad-cam")
    assert torch.equal(tensor.maps, same.maps)


def test_explain_batch_equals_single_explanations(model: nn.Module) -> None:
    images = random_images()
    pairs = [(0, 1), (2, 4), (0, 3), (1, 0), (0, 0), (2, 1)]
    layer = find_layer(model, images)
    batch = explain_batch(model, images, pairs, layer)
    assert batch.detail == "guided-grad-cam"
    assert batch.cams.shape == (6, layer.height, layer.width)
    for k, (row, target) in enumerate(pairs):
        alone = explain(model, images[row : row + 1], target, target_layer=layer)
        assert (int(batch.rows[k]), int(batch.targets[k])) == (row, target)
        assert relative(batch.maps[k], alone.maps[0]) < 1e-5
        cam = grad_cam_map(model, images[row : row + 1], torch.tensor([target]), layer)
        assert relative(batch.cams[k], cam[0]) < 1e-5
        assert float(batch.mass[k]) == pytest.approx(float(cam.sum()), rel=1e-5)


def test_explain_of_a_model_without_relu_falls_back_to_grad_cam() -> None:
    torch.manual_seed(0)
    model = Written(functional.gelu)
    found = explain(model, random_images(), TARGETS)
    assert found.preflight.status == "undefined"
    assert "2 × gelu" in found.preflight.reason
    assert found.explainer == "grad-cam"
    assert torch.equal(found.maps, explain(model, random_images(), TARGETS, "grad-cam").maps)
    batch = explain_batch(model, random_images(), [(0, 0), (1, 3), (2, 1)])
    assert batch.detail == "gradient"
    plain = input_map(model, random_images(), torch.tensor(TARGETS), "plain")
    assert relative(batch.maps, plain) < 1e-5


def test_preflight_of_mixed_activations_is_partial() -> None:
    uses: list[int] = []

    def alternate(x: Tensor) -> Tensor:
        uses.append(1)
        return torch.relu(x) if len(uses) % 2 else torch.sigmoid(x)

    found = explain(Written(alternate), random_images())
    assert found.preflight.status == "partial"
    assert found.preflight.share_of_others == 0.5
    assert found.explainer == "guided-grad-cam"


def by_where(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, torch.zeros_like(x))


def on_a_slice(x: Tensor) -> Tensor:
    x[:, :3].relu_()
    return x


@pytest.mark.parametrize(
    "hidden",
    [
        by_where,
        on_a_slice,
        lambda x: x * (x > 0),
        lambda x: x.masked_fill(x < 0, 0),
        lambda x: x.clamp(1),
    ],
)
def test_unrecognised_relu_counts_as_another_activation(hidden: object) -> None:
    found = explain(Written(hidden), random_images())  # type: ignore[arg-type]
    assert found.preflight.status == "undefined"
    assert sum(found.preflight.others.values()) == 2


def test_explain_of_a_model_in_training_mode_uses_evaluation_mode(model: nn.Module) -> None:
    expected = explain(model, random_images()).maps
    assert torch.equal(explain(model.train(), random_images()).maps, expected)
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize("targets", [5, -1, [0, 1, 5]])
def test_explain_with_a_target_out_of_range_raises(
    model: nn.Module, targets: int | list[int]
) -> None:
    with pytest.raises(ModelError, match="between 0 and 4"):
        explain(model, random_images(), targets)


def test_explain_with_too_few_targets_raises(model: nn.Module) -> None:
    with pytest.raises(ModelError, match="or 3 of them; got 2"):
        explain(model, random_images(), [0, 1])


def test_large_batch_in_pieces_keeps_the_order_of_images_and_pairs(model: nn.Module) -> None:
    images, targets = random_images(35), [k % 5 for k in range(35)]
    found = explain(model, images, targets, target_layer="layer")
    assert found.targets.tolist() == targets
    assert found.logits.shape == (35, 5)
    cams = grad_cam_map(
        model, images, torch.tensor(targets), find_layer(model, images, "layer")
    ).numpy()
    upsampled = torch.from_numpy(np.stack([bilinear(one, 12, 12) for one in cams]))
    guided = input_map(model, images, torch.tensor(targets), "guided")
    assert relative(found.maps, upsampled[:, None] * guided) < 1e-5
    pairs = [(34, 1), (15, 3), (0, 4), (16, 1), (34, 4)]
    batch = explain_batch(model, images, pairs, "layer")
    assert list(zip(batch.rows.tolist(), batch.targets.tolist(), strict=True)) == pairs
    assert relative(batch.maps[4], found.maps[34]) < 1e-5
    assert relative(batch.maps[3], found.maps[16]) < 1e-5


@pytest.mark.parametrize("pair", [(3, 0), (-1, 0), (0, 5), (0, -1)])
def test_explain_batch_with_pairs_out_of_range_raises(
    model: nn.Module, pair: tuple[int, int]
) -> None:
    with pytest.raises(ModelError, match=re.escape(f"got the pair {pair}")):
        explain_batch(model, random_images(), [pair])


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 8 bytes"),
        torch.OutOfMemoryError("CUDA out of memory"),
    ],
)
def test_explain_batch_without_enough_memory_halves_the_batch(
    model: nn.Module, error: RuntimeError
) -> None:
    images = random_images(5)
    layer = find_layer(model, images)
    pairs = [(4, 1), (0, 2), (3, 3), (0, 0), (2, 1), (4, 4)]
    expected = explain_batch(model, images, pairs, layer)
    sizes: list[int] = []

    def runs_out(_: nn.Module, args: tuple[Tensor, ...]) -> None:
        sizes.append(len(args[0]))
        if sizes[-1] > 1:
            raise error

    model.register_forward_pre_hook(runs_out)
    found = explain_batch(model, images, pairs, layer)
    assert sizes == [5, 2, 1, 1, 1, 1, 1]
    sizes.clear()
    explain_batch(model, images, pairs, layer)
    assert sizes == [1, 1, 1, 1, 1]
    for name in ("rows", "targets", "cams", "mass", "maps", "logits"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name))


def test_explain_batch_with_another_runtime_error_raises_a_model_error(model: nn.Module) -> None:
    images = random_images()
    layer = find_layer(model, images)

    def fails(*_: object) -> None:
        raise RuntimeError("something else")

    model.register_forward_pre_hook(fails)
    with pytest.raises(ModelError, match=r"raised RuntimeError .*something else"):
        explain_batch(model, images, [(0, 0)], layer)


def test_explain_with_unfit_images_or_models_raises(model: nn.Module) -> None:
    with pytest.raises(ModelError, match="uint8"):
        explain(model, random_images().to(torch.uint8))
    with pytest.raises(ModelError, match=r"\(3, 12, 12\)"):
        explain(model, random_images()[0])
    with pytest.raises(ModelError, match="logits of shape"):
        explain(nn.Conv2d(3, 4, 3), random_images(), explainer="guided-backprop")
    frozen = nn.Sequential(nn.Flatten(), nn.Linear(432, 2))
    frozen.register_forward_hook(lambda *args: args[-1].detach())
    with pytest.raises(ModelError, match="detaches"):
        explain(frozen, random_images(), explainer="guided-backprop")
    with pytest.raises(ConfigError, match="guided-grad-cam"):
        explain(model, random_images(), explainer="guided-gradcam")
