"""Units as detectors: which channels of the target layer carry a class's evidence.

Grad-CAM is a sum over channels; so is the evidence it maps. With average pooling and a linear head a
channel's part is exactly what it adds to the logit.

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
        model: a classifier; left as it was.
        images: (n, 3, H, W), preprocessed.
        targets: (n,) int64, the class explained in each image.
        layer: the target layer.

    Returns:
        (n, C) float32 on the CPU, signed: Σ_ij α_k A^k_ij with Grad-CAM's weights α; their sum over
        channels is that of the map before its ReLU.
    """
    with record(model, images, layer) as recording:
        weights = recording.layer_gradient(targets.to(recording.logits.device)).mean((2, 3))
        return (weights * recording.activations.sum((2, 3))).float().cpu()


def unit_maps(model: nn.Module, images: Tensor, layer: TargetLayer) -> Tensor:
    """The target layer's activations.

    Args:
        model: a classifier; left as it was.
        images: (n, 3, H, W), preprocessed.
        layer: the target layer.

    Returns:
        (n, C, h, w) float32 on the CPU.
    """
    with torch.enable_grad(), record(model, images, layer) as recording:
        return recording.activations.float().cpu()


def unit_detail(model: nn.Module, images: Tensor, layer: TargetLayer, channel: int) -> Tensor:
    """What in each image excites one channel's strongest unit, by guided backpropagation.

    Args:
        model: a classifier; left as it was.
        images: (n, 3, H, W), preprocessed; best those that excite the channel most.
        layer: any layer with a spatial map, such as `find_layer(model, images, "conv6")` returns.
        channel: 0 to C - 1.

    Returns:
        (n, 3, H, W) float32 on the CPU, signed, not normalised.

    Raises:
        ModelError: the layer has no such channel, or the network passes no rectifier: its plain
            gradient would not be a guided one.

    Reference:
        Springenberg et al. 2015, "Striving for Simplicity", section 3.4 and figures 2 and 3 (units of
        conv6 and conv9 on the images that excite them most).
    """
    with record(model, images, layer) as recording:
        verdict = preflight(recording, "guided")
        if verdict.status == "undefined":
            raise ModelError(f"expected a network with rectifiers; {verdict.reason}")
        return recording.unit_gradient(channel, "guided").float().cpu()
