"""Agreement of a map with another method: rank correlation, occlusion, HiResCAM."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor, nn
from torch.nn import functional

from auditor.autograd.recording import Recording
from auditor.explainers.api import explain
from auditor.explainers.grad_cam import class_evidence
from auditor.explainers.hirescam import local_evidence
from auditor.explainers.occlusion import Occlusion


def rank_correlation(one: Tensor, other: Tensor) -> NDArray[np.float64]:
    """Spearman's rank correlation of two maps, image by image.

    Args:
        one: (n, …), any real dtype.
        other: (n, …), as many values per image.

    Returns:
        (n,), −1 to 1; NaN where a map is constant.
    """
    result: NDArray[np.float64] = (_unit_ranks(one) * _unit_ranks(other)).sum(1)
    return result


def all_rank_correlations(one: Tensor, other: Tensor) -> NDArray[np.float64]:
    """Spearman's rank correlation of every map with every other.

    Args:
        one: (n, …), any real dtype.
        other: (m, …), as many values per image.

    Returns:
        (n, m), −1 to 1; NaN where a map is constant.
    """
    result: NDArray[np.float64] = _unit_ranks(one) @ _unit_ranks(other).T
    return result


def _unit_ranks(maps: Tensor) -> NDArray[np.float64]:
    """Centred ranks (n, values) of norm 1, so that products are correlations; NaN if constant."""
    ranks = rankdata(maps.detach().cpu().double().flatten(1).numpy(), axis=1)
    centred = ranks - ranks.mean(1, keepdims=True)
    norm = np.sqrt((centred**2).sum(1, keepdims=True))
    result: NDArray[np.float64] = np.full(centred.shape, np.nan)
    np.divide(centred, norm, out=result, where=norm > 0)
    return result


def occlusion_agreement(
    model: nn.Module, images: Tensor, targets: Tensor, maps: Tensor, method: Occlusion
) -> NDArray[np.float64]:
    """Rank correlation of a map with the drop of the logit when a region is occluded.

    Both maps are averaged over squares of the occluding size first: occlusion can't resolve finer
    differences.

    Args:
        model: a classifier; left unchanged.
        images: (n, 3, H, W), preprocessed.
        targets: (n,) int64.
        maps: (n, 1 or 3, H, W); three channels are summed.
        method: how to occlude; it determines the cost.

    Returns:
        (n,), −1 to 1; NaN where a map is constant.
    """
    drops = explain(model, images, targets, method).maps
    side = max(1, round(method.window * min(images.shape[-2:])))
    height, width = images.shape[-2:]
    grid = (max(2, height // side), max(2, width // side))
    coarse = [
        functional.adaptive_avg_pool2d(values.sum(1, keepdim=True), grid)
        for values in (maps.to(drops), drops)
    ]
    return rank_correlation(*coarse)


def hirescam_disagreement(recording: Recording, targets: Tensor) -> NDArray[np.float64]:
    """Share of Grad-CAM's mass that lies elsewhere than HiResCAM's.

    Args:
        recording: of n images, with a target layer.
        targets: (n,) int64.

    Returns:
        (n,), from 0 (identical, as with average pooling and a linear head) to 1 (disjoint): half
        the absolute difference of the two maps, each clipped at 0 and scaled to mass 1; NaN where
        one of them is empty.

    Reference:
        Draelos and Carin 2020, "Use HiResCAM instead of Grad-CAM for faithful explanations of
        convolutional neural networks", section 4.
    """
    both = [
        evidence(recording, targets.to(recording.logits.device)).clamp(min=0).flatten(1)
        for evidence in (class_evidence, local_evidence)
    ]
    one, other = (maps / maps.sum(1, keepdim=True) for maps in both)  # 0 / 0 is NaN, as documented
    result: NDArray[np.float64] = ((one - other).abs().sum(1) / 2).cpu().double().numpy()
    return result
