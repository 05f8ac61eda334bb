"""Parameter randomization: does a map depend on what the model has learned?"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from auditor.autograd.model_state import copy_of, frozen_eval, unwrap
from auditor.autograd.user_code import user_code


def randomized_copy(model: nn.Module, images: Tensor, seed: int = 0) -> nn.Module:
    """A copy of the model without any learned weight.

    A map that stays the same does not show what the model has learned.

    Args:
        model: a classifier; left unchanged.
        images: (n, 3, H, W), preprocessed, at least one; the first shows which modules run.
        seed: of the random weights.

    Returns:
        The copy, in the mode of the model.

    Reference:
        Adebayo et al. 2018, "Sanity Checks for Saliency Maps", section 3.1, the last stage of the
        cascading randomization, at which every layer is random. Departure: the weights of each
        tensor are permuted instead of drawn from the initialiser, so that the scale of the signals
        is preserved whatever the initialiser was.
    """
    with user_code(unwrap(model), images, memory=True):  # a network may define its own copying
        randomized = copy_of(unwrap(model))
    generator = torch.Generator().manual_seed(seed)
    for owner in _owners_from_the_head(randomized, images):
        _permute_parameters(owner, generator)
    return randomized


def _permute_parameters(owner: nn.Module, generator: torch.Generator) -> None:
    with torch.no_grad():
        for parameter in _own_parameters(owner):
            values = parameter.flatten()
            shuffled = torch.randperm(len(values), generator=generator, device="cpu").to(
                values.device
            )
            parameter.copy_(values[shuffled].view_as(parameter))


def _own_parameters(module: nn.Module) -> list[nn.Parameter]:
    """The parameters of a module without its parts; those in a dict or list of parameters are its own."""
    holders = [
        part for part in module.children() if isinstance(part, nn.ParameterDict | nn.ParameterList)
    ]
    found = [one for part in (module, *holders) for one in part.parameters(recurse=False)]
    return list(dict.fromkeys(found))


def _owners_from_the_head(module: nn.Module, images: Tensor) -> list[nn.Module]:
    """Modules with parameters of their own; the one that runs last comes first."""
    order: list[str] = []
    handles = [
        part.register_forward_hook(lambda *_, name=name: order.append(name))
        for name, part in module.named_modules()
        if _own_parameters(part)
    ]
    try:
        with frozen_eval(module), torch.no_grad(), user_code(module, images[:1], memory=True):
            module(images[:1])
    finally:
        for handle in handles:
            handle.remove()
    return [module.get_submodule(name) for name in dict.fromkeys(reversed(order))]
