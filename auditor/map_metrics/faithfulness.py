"""Faithfulness of a map by deletion and insertion of the pixels that it ranks highest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.integrate import trapezoid
from torch import Tensor, nn
from torch.nn import functional

from auditor.autograd.forward import in_best_layout
from auditor.autograd.model_state import frozen_eval, unwrap
from auditor.autograd.user_code import user_code


@dataclass(frozen=True)
class Curves:
    """Probability of the target while pixels are deleted or inserted in the order of the map.

    Attributes:
        shares: (s,), share of the pixels deleted or inserted, 0 to 1.
        probabilities: (n, s).
        area: (n,), area under each curve, 0 to 1. Low is good for deletion, high for insertion.
    """

    shares: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    area: NDArray[np.float64]


@dataclass(frozen=True)
class CurveEnds:
    """What every curve of some images starts or ends with; computed once.

    Attributes:
        image: (n,) probability of the target in the unchanged image.
        nothing: (n,) in an image of zeros.
        blurred: (n,) in the blurred image.
    """

    image: NDArray[np.float64]
    nothing: NDArray[np.float64]
    blurred: NDArray[np.float64]

    @classmethod
    def of(
        cls, model: nn.Module, images: Tensor, targets: Tensor, logits: Tensor | None = None
    ) -> CurveEnds:
        """Runs the blurred images and one image of zeros, and the images themselves unless they were run.

        Args:
            model: a classifier; left unchanged.
            images: (n, 3, H, W), preprocessed.
            targets: (n,) int64.
            logits: (n, K) of the images; None runs them.
        """
        zeros = torch.zeros_like(images[:1])
        own = _probabilities(model, images) if logits is None else _shares(logits)
        changed = _probabilities(model, torch.cat([blurred(images), zeros]))
        chosen = targets.cpu()
        place = torch.arange(len(images))
        return cls(
            own[place, chosen].numpy(), changed[-1][chosen].numpy(), changed[place, chosen].numpy()
        )


def deletion(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    maps: Tensor,
    steps: int = 5,
    ends: CurveEnds | None = None,
) -> Curves:
    """Replaces the most relevant pixels first, by 0, the mean colour of centred images.

    Args:
        model: a classifier; left unchanged.
        images: (n, 3, H, W), preprocessed.
        targets: (n,) int64.
        maps: (n, 1 or 3, H, W); the absolute values of three channels are summed.
        steps: number of steps after the first.
        ends: where the curves start and end; None computes it.

    Returns:
        One curve per image.

    Reference:
        Petsiuk et al. 2018, "RISE", section 4.3; Samek et al. 2017, "Evaluating the Visualization
        of What a Deep Neural Network Has Learned", equation 9.
    """
    known = ends or CurveEnds.of(model, images, targets)
    changes = _Changes(images, torch.zeros_like(images), known.image, known.nothing)
    return _curves(model, changes, targets, maps, steps)


def insertion(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    maps: Tensor,
    steps: int = 5,
    ends: CurveEnds | None = None,
) -> Curves:
    """Inserts the most relevant pixels first into the blurred image.

    Args:
        model: a classifier; left unchanged.
        images: (n, 3, H, W), preprocessed.
        targets: (n,) int64.
        maps: (n, 1 or 3, H, W); the absolute values of three channels are summed.
        steps: number of steps after the first.
        ends: where the curves start and end; None computes it.

    Returns:
        One curve per image.

    Reference:
        Petsiuk et al. 2018, "RISE", section 4.3.
    """
    known = ends or CurveEnds.of(model, images, targets)
    changes = _Changes(blurred(images), images, known.blurred, known.image)
    return _curves(model, changes, targets, maps, steps)


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


def shuffled(cells: Tensor, generator: torch.Generator) -> Tensor:
    """The maps with their cells in random order: what a map without information looks like.

    Cells instead of pixels: a random order of single pixels spoils an image in another way than a
    smooth map does, so that comparing with it would measure smoothness too.

    Args:
        cells: (n, h, w), maps at the resolution of the target layer.
        generator: on the CPU.

    Returns:
        (n, h, w), every map in an order of its own.

    Reference:
        Hooker et al. 2019, "A Benchmark for Interpretability Methods in Deep Neural Networks",
        section 4, compares with a random ranking. Departure: cells are ranked, not pixels.
    """
    flat = cells.flatten(1)
    order = (
        torch.rand(flat.shape, generator=generator, dtype=torch.float32, device="cpu")
        .argsort(1)
        .to(flat.device)
    )
    return flat.gather(1, order).view_as(cells)


@dataclass(frozen=True)
class _Changes:
    """Images (n, 3, H, W) before and after all pixels are replaced, and their probabilities (n,)."""

    start: Tensor
    end: Tensor
    at_start: NDArray[np.float64]
    at_end: NDArray[np.float64]


def _curves(
    model: nn.Module, changes: _Changes, targets: Tensor, maps: Tensor, steps: int
) -> Curves:
    """Replaces pixels of the first images by those of the second, the most relevant first."""
    relevance = maps.abs().sum(1) if maps.shape[1] > 1 else maps[:, 0]
    order = relevance.flatten(1).argsort(stable=True, dim=1, descending=True)
    rank = torch.empty_like(order)
    rank.scatter_(1, order, torch.arange(order.shape[1], device=order.device).expand_as(order))
    rank = rank.view(len(maps), 1, *maps.shape[-2:])
    shares = np.linspace(0, 1, steps + 1)
    columns = [changes.at_start]
    for share in shares[1:-1]:
        replaced = rank < round(float(share) * order.shape[1])
        changed = torch.where(replaced, changes.end, changes.start)
        probabilities = _probabilities(model, changed)
        columns.append(probabilities.gather(1, targets.cpu()[:, None])[:, 0].numpy())
    curve = np.stack([*columns, changes.at_end], 1)
    return Curves(shares, curve, trapezoid(curve, shares, axis=1))


def _probabilities(model: nn.Module, images: Tensor) -> Tensor:
    """(n, K) float64 on the CPU."""
    module = unwrap(model)

    def call(layout: torch.memory_format) -> Tensor:
        logits: Tensor = module(images.contiguous(memory_format=layout))
        return logits

    with frozen_eval(module), torch.no_grad(), user_code(module, images, memory=True):
        logits = in_best_layout(module, images.device, call)
    return _shares(logits)


def _shares(logits: Tensor) -> Tensor:
    """Probabilities (n, K), float64 on the CPU."""
    return logits.float().softmax(1).cpu().double()
