"""A model is left unchanged by explaining it, also after an exception."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from builders.networks import Residual, Written, random_images
from torch import Tensor, nn

from auditor.autograd.model_state import frozen_eval, unwrap
from auditor.autograd.recording import record
from auditor.errors import ModelError
from auditor.explainers import explain, explain_batch


def state(model: nn.Module) -> dict[str, Any]:
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "weights": {name: value.clone() for name, value in model.state_dict().items()},
        "modes": [module.training for module in model.modules()],
        "inplace": [getattr(module, "inplace", None) for module in model.modules()],
        "modules": [id(module) for module in model.modules()],
        "hooks": [list(getattr(module, hook)) for module in model.modules() for hook in hooks],
        "flags": [parameter.requires_grad for parameter in model.parameters()],
        "grads": [parameter.grad for parameter in model.parameters()],
        "versions": [parameter._version for parameter in model.parameters()],
    }


def same(before: dict[str, Any], after: dict[str, Any]) -> bool:
    torch.testing.assert_close(before.pop("weights"), after.pop("weights"), rtol=0, atol=0)
    return before == after


def mixed() -> nn.Module:
    """Some modules are in training mode, and one parameter is frozen."""
    torch.manual_seed(0)
    model = Residual().train()
    model.norm.eval()
    model.stem.weight.requires_grad_(False)
    return model


def test_explain_and_explain_batch_leave_the_model_unchanged() -> None:
    model = mixed()
    before = state(model)
    explain(model, random_images())
    explain(model, random_images(), explainer="guided-backprop")
    explain_batch(model, random_images(), [(0, 1), (0, 2), (2, 3)])
    assert same(before, state(model))


class BrokenError(RuntimeError):
    """Raised in the middle of an explanation."""


def test_exception_in_forward_leaves_the_model_unchanged() -> None:
    model = mixed()

    def fail(_: nn.Module, __: object, ___: object) -> None:
        raise BrokenError

    model.get_submodule("pool").register_forward_hook(fail)
    before = state(model)
    with pytest.raises(ModelError, match="raised BrokenError"):
        explain(model, random_images(), target_layer="layer")
    assert same(before, state(model))


def test_exception_in_backward_leaves_the_model_unchanged() -> None:
    class Fails(torch.autograd.Function):
        @staticmethod
        def forward(_ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(_ctx: Any, *_: Tensor) -> Tensor:
            raise BrokenError

    model = Written(lambda x: torch.relu(Fails.apply(x))).train()
    before = state(model)
    with pytest.raises(ModelError, match="raised BrokenError"):
        explain(model, random_images(), explainer="guided-backprop")
    assert same(before, state(model))


def test_exception_while_recording_leaves_the_model_unchanged() -> None:
    model = mixed()
    before = state(model)
    with pytest.raises(BrokenError), record(model, random_images()):
        raise BrokenError
    assert same(before, state(model))


def test_wrapped_model_has_the_maps_of_the_inner_model() -> None:
    model = mixed()
    expected = explain(deepcopy(model), random_images()).maps
    assert torch.equal(explain(nn.DataParallel(model), random_images()).maps, expected)
    layer = explain(nn.DataParallel(model), random_images(), target_layer="module.layer")
    assert layer.target_layer == "layer"
    compiled = torch.compile(model)
    assert unwrap(compiled) is model  # type: ignore[arg-type]


def test_frozen_eval_with_parameters_from_inference_mode_raises() -> None:
    with torch.inference_mode():
        model = Residual()
    with pytest.raises(ModelError, match="inference_mode"), frozen_eval(model):
        pass
