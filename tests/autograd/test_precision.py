"""Accelerated copies: close to the model, checked, and not used where they are inaccurate."""

from __future__ import annotations

import pytest
import torch
import torchvision
from autograd.test_model_state import same, state
from builders.networks import Residual, learn, random_images
from torch import Tensor, nn
from torch.nn import functional

from auditor.autograd import precision
from auditor.autograd.batch_norm_folding import Folded, fold
from auditor.errors import ModelError
from auditor.explainers import explain, explain_batch


def cosine(maps: Tensor, others: Tensor) -> float:
    return float(functional.cosine_similarity(maps.flatten(1), others.flatten(1)).min())


def learn_from(model: nn.Module, images: Tensor) -> None:
    """Sets weights of batch normalisation as after training, and statistics of the images."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            learn(module)
            module.momentum = 1.0
    model.train()(images)
    model.eval()


@pytest.mark.parametrize(
    ("name", "count"), [("resnet18", 20), ("mobilenet_v2", 52), ("densenet121", 59)]
)
def test_fast_copy_has_the_maps_of_the_model(name: str, count: int) -> None:
    # DenseNet: only norms after a convolution can be folded, one in each of 58 layers and one in
    # the stem; those after a concatenation can't.
    torch.manual_seed(0)
    model = torchvision.models.get_model(name).eval()
    learn_from(model, random_images(8, 64, seed=1))
    before = state(model)
    images = random_images(3, 64)
    exact = explain(model, images)
    fast = explain(model, images, exact.targets, precision="fast")
    assert same(before, state(model))
    assert (exact.precision, fast.precision) == ("exact", "fast")
    assert f"({count} batch normalisations folded)" in fast.preflight.reason
    assert cosine(fast.maps, exact.maps) >= 0.999
    torch.testing.assert_close(fast.logits, exact.logits, rtol=1e-3, atol=1e-3)


class Norms(nn.Module):
    """Seven convolutions with one norm each; only the first and the last two can be folded."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(3, 3, 3, padding=1) for _ in range(7))
        self.norms = nn.ModuleList(nn.BatchNorm2d(3) for _ in range(7))
        for norm in self.norms:
            learn(norm)  # type: ignore[arg-type]
        self.convolutions[6].weight = self.convolutions[5].weight
        self.head = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        c, n = self.convolutions, self.norms
        x = n[0](c[0](x)).relu()
        read_twice = c[1](x)
        x = (n[1](read_twice) + read_twice).relu()
        x = n[2](c[2](x).relu_())
        x = n[3](c[3](x)) + n[3](x)
        x = n[4](c[4](c[4](x))).relu()
        x = n[5](c[5](x)) + n[6](c[6](x))
        logits: Tensor = self.head(x.relu().mean((2, 3)))
        return logits


def test_fold_with_shared_or_reread_outputs_leaves_them_alone() -> None:
    torch.manual_seed(0)
    model = Norms().eval()
    images = random_images(2)
    expected = model(images)
    assert fold(model, images[:1]) == 3
    assert [k for k, norm in enumerate(model.norms) if isinstance(norm, Folded)] == [0, 5, 6]
    torch.testing.assert_close(model(images), expected)


def test_fast_copy_does_not_fold_into_the_target_layer() -> None:
    torch.manual_seed(0)
    model = Residual().eval()
    layered = explain(model, random_images(), explainer="grad-cam", target_layer="stem")
    fast = explain(model, random_images(), None, "grad-cam", "stem", "fast")
    assert "(0 batch normalisations folded)" in fast.preflight.reason
    torch.testing.assert_close(fast.maps, layered.maps)


def test_explain_batch_reports_its_precision() -> None:
    torch.manual_seed(0)
    model = Residual().eval()
    pairs = [(0, 1), (18, 2), (0, 3)]
    exact = explain_batch(model, random_images(19), pairs, "layer")
    fast = explain_batch(model, random_images(19), pairs, "layer", "fast")
    assert (exact.precision, fast.precision) == ("exact", "fast")
    assert "(1 batch normalisations folded)" in fast.preflight.reason
    assert cosine(fast.maps, exact.maps) >= 0.999


class Stubborn(nn.Module):
    """Computes other values in a copy."""

    def __init__(self, error: type[Exception] | None) -> None:
        super().__init__()
        self.inner = Residual()
        self.factor = 1.0
        self.error = error

    def __deepcopy__(self, memo: dict[int, object]) -> Stubborn:
        if self.error is not None:
            raise self.error("no copy")
        copied = Stubborn(None).eval()
        copied.load_state_dict(self.state_dict())
        copied.factor = 1.01
        return copied

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.inner(x) * self.factor
        return logits


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (None, "logits of the copy differ by 0.01"),
        (TypeError, "no copy"),
        (RuntimeError, "no copy"),
    ],
)
def test_inaccurate_copy_falls_back_to_exact(error: type[Exception] | None, reason: str) -> None:
    torch.manual_seed(0)
    model = Stubborn(error).eval()
    found = explain(model, random_images(), precision="fast")
    assert found.precision == "exact"
    assert "fast is not used" in found.preflight.reason
    assert reason in found.preflight.reason
    assert torch.equal(found.maps, explain(model, random_images()).maps)


def test_bf16_copy_is_close_and_falls_back_to_fast_after_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(precision, "_computes_in_bf16", lambda _: True)
    torch.manual_seed(0)
    model = Residual().eval()
    exact = explain(model, random_images(), target_layer="layer")
    short = explain(model, random_images(), exact.targets, target_layer="layer", precision="bf16")
    assert short.precision == "bf16"
    assert short.maps.dtype == short.logits.dtype == torch.float32
    assert 0.9 <= cosine(short.maps, exact.maps) < 0.999999
    model.drop = nn.Bilinear(1, 1, 1)  # type: ignore[assignment]
    model.drop.forward = lambda x: x @ torch.eye(8)  # type: ignore[method-assign, assignment]
    back = explain(model, random_images(), target_layer="layer", precision="bf16")
    assert back.precision == "fast"
    assert "bf16 is not used: the copy does not run" in back.preflight.reason


def test_bf16_without_hardware_support_falls_back_to_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_computes_in_bf16", lambda _: False)
    found = explain(Residual().eval(), random_images(), target_layer="layer", precision="bf16")
    assert found.precision == "fast"
    assert "this processor does not compute in bfloat16" in found.preflight.reason


def test_unknown_precision_raises() -> None:
    with pytest.raises(ModelError, match="'half'"):
        explain(Residual().eval(), random_images(), precision="half")  # type: ignore[arg-type]
