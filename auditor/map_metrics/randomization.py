"""Cascading parameter randomization: does a map depend on what the model has learned?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from auditor.autograd.model_state import copy_of, frozen_eval, unwrap
from auditor.autograd.target_layer import TargetLayer
from auditor.autograd.user_code import user_code
from auditor.explainers.api import explain
from auditor.map_metrics.agreement import rank_correlation


@dataclass(frozen=True)
class Randomization:
    """Correlation of a map with that of the intact model, layer by layer.

    Attributes:
        layers: the lowest layer randomized so far, starting at the head.
        correlations: mean rank correlation with the map of the intact model, −1 to 1; NaN where no
            map could be compared.
    """

    layers: tuple[str, ...]
    correlations: tuple[float, ...]


def parameter_randomization(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    layer: TargetLayer,
    explainer: str = "grad-cam",
    *,
    depths: int = 4,
    seed: int = 0,
) -> Randomization:
    """Randomizes the model from its head down and compares the maps with the original ones.

    A map that stays the same does not show what the model has learned.

    Args:
        model: a classifier; a copy is randomized, the model itself is left unchanged.
        images: (n, 3, H, W), preprocessed.
        targets: (n,) int64.
        layer: the target layer.
        explainer: the method under test.
        depths: how many times the maps are computed again, evenly spread from the head to the
            first layer.
        seed: of the random weights.

    Returns:
        One correlation per depth; the last one belongs to a model without any learned weight.

    Reference:
        Adebayo et al. 2018, "Sanity Checks for Saliency Maps", section 3.1. Departure: the weights
        of each tensor are permuted instead of drawn from the initialiser, so that the scale of the
        signals is preserved whatever the initialiser was.
    """
    module = unwrap(model)
    before = explain(module, images, targets, explainer, layer).maps
    with user_code(module, images, memory=True):  # a network may define its own copying
        randomized = copy_of(module)
    generator = torch.Generator().manual_seed(seed)
    owners = _owners_from_the_head(randomized, images)
    stops = {round(stop) for stop in np.linspace(1, len(owners), min(depths, len(owners)))}
    layers: list[str] = []
    correlations: list[float] = []
    for done, (name, owner) in enumerate(owners, start=1):
        _permute_parameters(owner, generator)
        if done in stops:
            after = explain(randomized, images, targets, explainer, layer).maps
            known = rank_correlation(before, after)
            known = known[~np.isnan(known)]
            layers.append(name)
            correlations.append(float(known.mean()) if len(known) else float("nan"))
    return Randomization(tuple(layers), tuple(correlations))


def _permute_parameters(owner: nn.Module, generator: torch.Generator) -> None:
    with torch.no_grad():
        for parameter in owner.parameters(recurse=False):
            values = parameter.flatten()
            shuffled = torch.randperm(len(values), generator=generator, device="cpu").to(
                values.device
            )
            parameter.copy_(values[shuffled].view_as(parameter))


def _owners_from_the_head(module: nn.Module, images: Tensor) -> list[tuple[str, nn.Module]]:
    """Modules with parameters of their own; the one that runs last comes first."""
    order: list[str] = []
    handles = [
        part.register_forward_hook(lambda *_, name=name: order.append(name))
        for name, part in module.named_modules()
        if any(True for _ in part.parameters(recurse=False))
    ]
    try:
        with frozen_eval(module), torch.no_grad(), user_code(module, images[:1], memory=True):
            module(images[:1])
    finally:
        for handle in handles:
            handle.remove()
    last_first = list(dict.fromkeys(reversed(order)))
    return [(name, module.get_submodule(name)) for name in last_first]
