"""Units of the target layer: which channels carry the evidence for a class.

Grad-CAM is a sum over channels. With average pooling and a linear head, the part of a channel is
exactly what it adds to the logit.

Reference:
    Zhou et al. 2015, "Object detectors emerge in deep scene CNNs"; Zhou et al. 2016, "Learning Deep
    Features for Discriminative Localization", equation 1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from auditor.autograd.preflight import preflight
from auditor.autograd.recording import record
from auditor.autograd.target_layer import TargetLayer
from auditor.errors import ModelError


def unit_evidence(model: nn.Module, images: Tensor, targets: Tensor, layer: TargetLayer) -> Tensor:
    """What each channel adds to the evidence for a class.

    Args:
        model: a classifier; left unchanged.
        images: (n, 3, H, W), preprocessed.
        targets: (n,) int64, the class explained in each image.
        layer: the target layer.

    Returns:
        (n, C) float32 on the CPU, signed: Σ_ij α_k A^k_ij with Grad-CAM's weights α. The sum over
        channels equals the sum of the map before its ReLU.
    """
    with record(model, images, layer) as recording:
        weights = recording.layer_gradient(targets.to(recording.logits.device)).mean((2, 3))
        return (weights * recording.activations.sum((2, 3))).float().cpu()


def unit_maps(model: nn.Module, images: Tensor, layer: TargetLayer) -> Tensor:
    """Activations of the target layer.

    Args:
        model: a classifier; left unchanged.
        images: (n, 3, H, W), preprocessed.
        layer: the target layer.

    Returns:
        (n, C, h, w) float32 on the CPU.
    """
    with torch.enable_grad(), record(model, images, layer) as recording:
        return recording.activations.float().cpu()


def unit_detail(model: nn.Module, images: Tensor, layer: TargetLayer, channel: int) -> Tensor:
    """Guided backpropagation from the strongest unit of one channel to each image.

    Args:
        model: a classifier; left unchanged.
        images: (n, 3, H, W), preprocessed; best those that activate the channel most.
        layer: any layer with a spatial map, such as `find_layer(model, images, "conv6")` returns.
        channel: 0 to C - 1.

    Returns:
        (n, 3, H, W) float32 on the CPU, signed, not normalised.

    Raises:
        ModelError: the layer has no such channel, or the network has no ReLU-like activation, so
            that its guided gradient would be the plain one.

    Reference:
        Springenberg et al. 2015, "Striving for Simplicity", section 3.4 and figures 2 and 3 (units of
        conv6 and conv9 on the images that activate them most).
    """
    with record(model, images, layer) as recording:
        verdict = preflight(recording, "guided")
        if verdict.status == "undefined":
            raise ModelError(f"expected a network with ReLU-like activations; {verdict.reason}")
        return recording.unit_gradient(channel, "guided").float().cpu()
