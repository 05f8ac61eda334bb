"""How far the maps of this model can be trusted: measured on a few samples in each audit.

Each measure is a pure function with a seed and a stated number of forwards. None of them proves a
map right; each can show one wrong.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.integrate import trapezoid
from scipy.stats import rankdata
from torch import Tensor, nn
from torch.nn import functional

from auditor.autograd.model_state import frozen_eval, unwrap
from auditor.autograd.recording import record
from auditor.autograd.target_layer import TargetLayer
from auditor.explainers.api import explain
from auditor.explainers.grad_cam import class_evidence
from auditor.explainers.hirescam import local_evidence
from auditor.explainers.occlusion import Occlusion


def rank_correlation(one: Tensor, other: Tensor) -> NDArray[np.float64]:
    """Spearman's rank correlation of two maps, image by image.

    Args:
        one: (n, …), any real dtype.
        other: (n, …), as many values an image.

    Returns:
        (n,), −1 to 1; NaN where a map is the same everywhere.
    """
    ranks = [
        rankdata(maps.detach().cpu().double().flatten(1).numpy(), axis=1) for maps in (one, other)
    ]
    first, second = (rank - rank.mean(1, keepdims=True) for rank in ranks)
    spread = np.sqrt((first**2).sum(1) * (second**2).sum(1))
    covariance = (first * second).sum(1)
    result: NDArray[np.float64] = np.full(len(first), np.nan)
    np.divide(covariance, spread, out=result, where=spread > 0)
    return result


@dataclass(frozen=True)
class Curves:
    """A target's probability while pixels go (or come) in the map's order.

    Attributes:
        shares: (s,), share of the pixels gone (or shown), 0 to 1.
        probabilities: (n, s).
        area: (n,), area under each curve, 0 to 1; low is good for deletion, high for insertion.
    """

    shares: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    area: NDArray[np.float64]


def deletion(
    model: nn.Module, images: Tensor, targets: Tensor, maps: Tensor, steps: int = 16
) -> Curves:
    """Covers the most relevant pixels first, with 0, the mean colour of centred images.

    Args:
        model: a classifier; left as it was.
        images: (n, 3, H, W), preprocessed.
        targets: (n,) int64.
        maps: (n, 1 or 3, H, W); three channels are summed by absolute value.
        steps: forwards of the batch after the first.

    Returns:
        The curves.

    Reference:
        Petsiuk et al. 2018, "RISE", section 4.3; Samek et al. 2017, "Evaluating the Visualization
        of What a Deep Neural Network Has Learned", equation 9.
    """
    return _curves(model, images, torch.zeros_like(images), targets, maps, steps)


def insertion(
    model: nn.Module, images: Tensor, targets: Tensor, maps: Tensor, steps: int = 16
) -> Curves:
    """Shows the most relevant pixels first, on the blurred image.

    Args:
        model: a classifier; left as it was.
        images: (n, 3, H, W), preprocessed.
        targets: (n,) int64.
        maps: (n, 1 or 3, H, W); three channels are summed by absolute value.
        steps: forwards of the batch after the first.

    Returns:
        The curves.

    Reference:
        Petsiuk et al. 2018, "RISE", section 4.3.
    """
    return _curves(model, blurred(images), images, targets, maps, steps)


def blurred(images: Tensor) -> Tensor:
    """Gaussian blur with a standard deviation of 1/22 of the shorter side (10 pixels of 224)."""
    sigma = min(images.shape[-2:]) / 22.4
    reach = max(1, min(round(3 * sigma), min(images.shape[-2:]) - 1))
    offsets = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).expand(images.shape[1], 1, -1)
    channels = images.shape[1]
    padded = functional.pad(images, (reach, reach, reach, reach), mode="reflect")
    across = functional.conv2d(padded, kernel[:, :, None], groups=channels)
    return functional.conv2d(across, kernel[..., None], groups=channels)


def _curves(
    model: nn.Module, start: Tensor, end: Tensor, targets: Tensor, maps: Tensor, steps: int
) -> Curves:
    """Replaces pixels of ``start`` by those of ``end``, the most relevant first."""
    relevance = maps.abs().sum(1) if maps.shape[1] > 1 else maps[:, 0]
    order = relevance.flatten(1).argsort(stable=True, dim=1, descending=True)
    place = torch.empty_like(order)  # each pixel's turn
    place.scatter_(1, order, torch.arange(order.shape[1], device=order.device).expand_as(order))
    turn = place.view(len(maps), 1, *maps.shape[-2:])
    shares = np.linspace(0, 1, steps + 1)
    module, columns = unwrap(model), []
    with frozen_eval(module), torch.no_grad():
        for share in shares:
            replaced = turn < round(float(share) * order.shape[1])
            chances = module(torch.where(replaced, end, start)).float().softmax(1)
            columns.append(chances.gather(1, targets[:, None])[:, 0].cpu().double().numpy())
    curve = np.stack(columns, 1)
    return Curves(shares, curve, trapezoid(curve, shares, axis=1))


@dataclass(frozen=True)
class Randomization:
    """How a map changes while the model is randomized from its head down.

    Attributes:
        layers: the lowest layer randomized so far, from the head down.
        correlations: mean rank correlation with the map of the whole model, −1 to 1; NaN where no
            map was left to compare.
    """

    layers: tuple[str, ...]
    correlations: tuple[float, ...]


def parameter_randomization(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    layer: TargetLayer,
    explainer: str = "grad-cam",
    depths: int = 4,
    seed: int = 0,
) -> Randomization:
    """Cascading randomization: a map that stays the same does not show what the model learned.

    Args:
        model: a classifier; a copy is randomized, it is left as it was.
        images: (n, 3, H, W), preprocessed.
        targets: (n,) int64.
        layer: the target layer.
        explainer: the method that is put to the test.
        depths: how many times the method runs again, evenly spread from the head to the first
            layer.
        seed: of the random weights.

    Returns:
        One correlation a depth; the last one is of a model without any learned weight.

    Reference:
        Adebayo et al. 2018, "Sanity Checks for Saliency Maps", section 3.1. Departure: weights are
        permuted within each tensor instead of drawn anew, so that their scale and thus the signals
        stay in range whatever the initialiser was.
    """
    module = unwrap(model)
    before = explain(module, images, targets, explainer, layer).maps
    randomized = deepcopy(module)
    generator = torch.Generator().manual_seed(seed)
    owners = _owners_from_the_head(randomized, images)
    stops = {round(stop) for stop in np.linspace(1, len(owners), min(depths, len(owners)))}
    layers: list[str] = []
    correlations: list[float] = []
    with torch.no_grad():
        for done, (name, part) in enumerate(owners, start=1):
            for parameter in part.parameters(recurse=False):
                values = parameter.flatten()
                shuffled = torch.randperm(len(values), generator=generator).to(values.device)
                parameter.copy_(values[shuffled].view_as(parameter))
            if done in stops:
                after = explain(randomized, images, targets, explainer, layer).maps
                known = rank_correlation(before, after)
                known = known[~np.isnan(known)]
                layers.append(name)
                correlations.append(float(known.mean()) if len(known) else float("nan"))
    return Randomization(tuple(layers), tuple(correlations))


def _owners_from_the_head(module: nn.Module, images: Tensor) -> list[tuple[str, nn.Module]]:
    """Modules with parameters of their own, the last one that runs first."""
    order: list[str] = []
    handles = [
        part.register_forward_hook(lambda *_, name=name: order.append(name))
        for name, part in module.named_modules()
        if any(True for _ in part.parameters(recurse=False))
    ]
    try:
        with frozen_eval(module), torch.no_grad():
            module(images[:1])
    finally:
        for handle in handles:
            handle.remove()
    last_first = list(dict.fromkeys(reversed(order)))
    return [(name, module.get_submodule(name)) for name in last_first]


def occlusion_agreement(
    model: nn.Module, images: Tensor, targets: Tensor, maps: Tensor, method: Occlusion
) -> NDArray[np.float64]:
    """Rank correlation of a map with how far the logit falls when a place is covered.

    Args:
        model: a classifier; left as it was.
        images: (n, 3, H, W), preprocessed.
        targets: (n,) int64.
        maps: (n, 1 or 3, H, W); three channels are summed.
        method: how to cover; it decides the cost.

    Returns:
        (n,), −1 to 1; NaN where a map is the same everywhere. Compared on squares as large as the
        occluding one, since finer differences are none that occlusion could show.
    """
    falls = explain(model, images, targets, method).maps
    side = max(1, round(method.window * min(images.shape[-2:])))
    height, width = images.shape[-2:]
    grid = (max(2, height // side), max(2, width // side))
    coarse = [
        functional.adaptive_avg_pool2d(values.sum(1, keepdim=True), grid)
        for values in (maps.to(falls), falls)
    ]
    return rank_correlation(*coarse)


def hirescam_disagreement(
    model: nn.Module, images: Tensor, targets: Tensor, layer: TargetLayer
) -> NDArray[np.float64]:
    """How much of Grad-CAM's mass lies elsewhere than HiResCAM's.

    Args:
        model: a classifier; left as it was.
        images: (n, 3, H, W), preprocessed.
        targets: (n,) int64.
        layer: the target layer.

    Returns:
        (n,), 0 (the same places; so it is with average pooling and a linear head) to 1 (no place in
        common): half the absolute difference of the two maps, each cut at 0 and scaled to mass 1;
        NaN where one of them is empty.

    Reference:
        Draelos and Carin 2020, section 4, on where Grad-CAM points at what the model did not use.
    """
    with record(model, images, layer) as recording:
        both = [
            evidence(recording, targets.to(recording.logits.device)).clamp(min=0).flatten(1)
            for evidence in (class_evidence, local_evidence)
        ]
    one, other = (maps / maps.sum(1, keepdim=True) for maps in both)  # 0 / 0 is NaN, as documented
    result: NDArray[np.float64] = ((one - other).abs().sum(1) / 2).cpu().double().numpy()
    return result


def edges(images: Tensor) -> Tensor:
    """Strength of edges, by Sobel's filters on the mean of the channels: sees no model at all.

    Args:
        images: (n, 3, H, W).

    Returns:
        (n, 1, H, W), at least 0. A detail view that ranks pixels like this panel says little about
        the model.

    Reference:
        Adebayo et al. 2018, section 5 and figure 1, on edge detectors beside saliency maps.
    """
    across = images.new_tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
    filters = torch.stack([across, across.T])[:, None]
    grey = functional.pad(images.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    return functional.conv2d(grey, filters).square().sum(1, keepdim=True).sqrt()


def measure_trust(
    model: nn.Module, images: Tensor, layer: TargetLayer, *, n_samples: int = 8, seed: int = 0
) -> dict[str, float]:
    """All measures on a few samples, for the predicted classes, as numbers for ``sanity``.

    Args:
        model: a classifier; left as it was.
        images: (N, 3, H, W), preprocessed; the first ``n_samples`` are used.
        layer: the target layer.
        n_samples: bounds the cost: about 110 forwards of so many images.
        seed: of the randomization and of the random order.

    Returns:
        Means over the samples, rounded by nobody; a measure that is NaN on every sample is left out.
        ``n_samples`` says on how many images.
    """
    images = images[:n_samples]
    cam = explain(model, images, None, "grad-cam", layer)
    images = images.to(cam.maps.device)
    guided = explain(model, images, cam.targets, "guided-grad-cam", layer)
    generator = torch.Generator().manual_seed(seed)
    chance = torch.rand(cam.maps.shape, generator=generator).to(cam.maps.device)
    measures: dict[str, NDArray[np.float64] | float] = {
        "deletion_area": deletion(model, images, cam.targets, cam.maps).area,
        "deletion_area_random": deletion(model, images, cam.targets, chance).area,
        "insertion_area": insertion(model, images, cam.targets, cam.maps).area,
        "insertion_area_random": insertion(model, images, cam.targets, chance).area,
        "occlusion_rank_correlation": occlusion_agreement(
            model, images, cam.targets, cam.maps, Occlusion()
        ),
        "hirescam_disagreement": hirescam_disagreement(model, images, cam.targets, layer),
        "randomization_grad_cam": parameter_randomization(
            model, images, cam.targets, layer, "grad-cam", seed=seed
        ).correlations[-1],
    }
    if guided.explainer == "guided-grad-cam":
        backprop = explain(model, images, cam.targets, "guided-backprop").maps
        measures["randomization_guided_backprop"] = parameter_randomization(
            model, images, cam.targets, layer, "guided-backprop", seed=seed
        ).correlations[-1]
        strength = backprop.abs().sum(1, keepdim=True)
        measures["edge_rank_correlation"] = rank_correlation(strength, edges(images))
    values = {name: np.atleast_1d(value) for name, value in measures.items()}
    means = {
        name: float(np.nanmean(value))
        for name, value in values.items()
        if not np.isnan(value).all()
    }
    return {"n_samples": float(len(images)), **means}
