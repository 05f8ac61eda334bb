"""All metrics of the maps on a few images, as mean values.

None of them proves a map right; each can show one to be wrong.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from auditor.autograd.target_layer import TargetLayer
from auditor.explainers.api import explain, explain_or_grad_cam
from auditor.explainers.occlusion import Occlusion
from auditor.map_metrics.agreement import (
    hirescam_disagreement,
    occlusion_agreement,
    rank_correlation,
)
from auditor.map_metrics.edges import edges
from auditor.map_metrics.faithfulness import deletion, insertion
from auditor.map_metrics.randomization import parameter_randomization


def mean_map_metrics(
    model: nn.Module, images: Tensor, layer: TargetLayer, *, seed: int = 0
) -> dict[str, float]:
    """Mean of every metric over a few images, for the predicted classes.

    Args:
        model: a classifier; left unchanged.
        images: (n, 3, H, W), preprocessed; the cost is about 110 forward passes of them.
        layer: the target layer.
        seed: of the randomization and of the random order of pixels.

    Returns:
        Means over the images, unrounded, and ``n_samples``, their number. A metric that is NaN on
        every image is left out.
    """
    cam = explain(model, images, None, "grad-cam", layer)
    images = images.to(cam.maps.device)
    generator = torch.Generator().manual_seed(seed)
    random_order = torch.rand(
        cam.maps.shape, generator=generator, dtype=torch.float32, device="cpu"
    ).to(cam.maps.device)
    values: dict[str, NDArray[np.float64] | float] = {
        "deletion_area": deletion(model, images, cam.targets, cam.maps).area,
        "deletion_area_random": deletion(model, images, cam.targets, random_order).area,
        "insertion_area": insertion(model, images, cam.targets, cam.maps).area,
        "insertion_area_random": insertion(model, images, cam.targets, random_order).area,
        "occlusion_rank_correlation": occlusion_agreement(
            model, images, cam.targets, cam.maps, Occlusion()
        ),
        "hirescam_disagreement": hirescam_disagreement(model, images, cam.targets, layer),
        "randomization_grad_cam": parameter_randomization(
            model, images, cam.targets, layer, "grad-cam", seed=seed
        ).correlations[-1],
    }
    guided = explain_or_grad_cam(model, images, cam.targets, "guided-backprop", layer)
    if guided.explainer == "guided-backprop":
        values["randomization_guided_backprop"] = parameter_randomization(
            model, images, cam.targets, layer, "guided-backprop", seed=seed
        ).correlations[-1]
        strength = guided.maps.abs().sum(1, keepdim=True)
        values["edge_rank_correlation"] = rank_correlation(strength, edges(images))
    means = {
        name: float(np.nanmean(value))
        for name, value in values.items()
        if not np.isnan(value).all()
    }
    return {"n_samples": float(len(images)), **means}
