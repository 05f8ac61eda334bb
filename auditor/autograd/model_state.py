"""Holding a model still while it is explained, and handing it back as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import nn

from auditor.errors import ModelError


def unwrap(model: nn.Module) -> nn.Module:
    """The module itself, without ``torch.compile``, ``DataParallel`` or ``DistributedDataParallel``.

    Args:
        model: any module.

    Returns:
        The innermost wrapped module; ``model`` itself where nothing is wrapped.
    """
    while True:
        if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            model = model.module
        elif isinstance(inner := getattr(model, "_orig_mod", None), nn.Module):
            model = inner
        else:
            return model


@contextmanager
def frozen_eval(model: nn.Module) -> Iterator[None]:
    """Keeps ``model`` in evaluation mode and its parameters out of the graph inside the ``with``.

    Flags are set attribute by attribute instead of by ``model.eval()``, because a module may do
    more than set its flag there (freeze layers, merge adapters). With the parameters out of the
    graph, only what depends on the images is recorded: branches that depend on parameters alone
    (such as Swin-v2's position bias) can't be taken for activations of the image.

    Args:
        model: an unwrapped module.

    Raises:
        ModelError: a parameter was made under ``torch.inference_mode`` and can't be differentiated
            through.
    """
    for name, parameter in model.named_parameters():
        if parameter.is_inference():
            raise ModelError(
                f"expected parameters that autograd can pass through; {name!r} was made under "
                "torch.inference_mode(): build or load the model outside of it"
            )
    training = [module for module in model.modules() if module.training]
    tracked = [parameter for parameter in model.parameters() if parameter.requires_grad]
    with ExitStack() as stack:
        if any(getattr(m, "_compiled_call_impl", None) is not None for m in model.modules()):
            # Compiled parts run as one opaque node; run eagerly, they show their operations.
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(torch.inference_mode(mode=False))
        stack.enter_context(torch.enable_grad())
        try:
            for module in training:
                module.training = False
            for parameter in tracked:
                parameter.requires_grad_(False)
            yield
        finally:
            for module in training:
                module.training = True
            for parameter in tracked:
                parameter.requires_grad_(True)
