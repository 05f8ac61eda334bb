"""Agreement of a map with another method: rank correlation, occlusion, HiResCAM."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor
from torch.nn import functional

from auditor.autograd.recording import Recording
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
    result: NDArray[np.float64] = (unit_ranks(one) * unit_ranks(other)).sum(1)
    return result


def unit_ranks(maps: Tensor) -> NDArray[np.float64]:
    """Ranks of the values of each map, so that the product of two maps is Spearman's rank correlation.

    Args:
        maps: (n, …), any real dtype.

    Returns:
        (n, values), each row of mean 0 and norm 1; NaN where a map is constant.
    """
    ranks = rankdata(maps.detach().cpu().double().flatten(1).numpy(), axis=1)
    centred = ranks - ranks.mean(1, keepdims=True)
    norm = np.sqrt((centred**2).sum(1, keepdims=True))
    result: NDArray[np.float64] = np.full(centred.shape, np.nan)
    np.divide(centred, norm, out=result, where=norm > 0)
    return result


def occlusion_agreement(drops: Tensor, maps: Tensor, method: Occlusion) -> NDArray[np.float64]:
    """Rank correlation of a map with the drop of the logit when a region is occluded.

    Both maps are averaged over squares of the occluding size first: occlusion can't resolve finer
    differences.

    Args:
        drops: (n, 1, H, W), what ``method`` returns.
        maps: (n, 1 or 3, H, W); three channels are summed.
        method: how regions were occluded.

    Returns:
        (n,), −1 to 1; NaN where a map is constant.
    """
    height, width = drops.shape[-2:]
    side = max(1, round(method.window * min(height, width)))
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
