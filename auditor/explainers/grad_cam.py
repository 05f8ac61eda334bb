"""Grad-CAM: where in the target layer the evidence for a class is."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from auditor.registry import Options, plugin

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.autograd.graph import Rule
    from auditor.autograd.recording import Recording


@plugin("explainer", "grad-cam")
class GradCam(Options):
    """Coarse map of the evidence for a class in the target layer."""

    rule: ClassVar[Rule] = "plain"
    needs_layer: ClassVar[bool] = True

    def attribute(
        self, recording: Recording, targets: Tensor, rows: Tensor | None = None
    ) -> Tensor:
        """(n, 1, H, W), at least 0, upsampled bilinearly; see ``Explainer.attribute``."""
        return upsample(class_evidence(recording, targets, rows).clamp(min=0), recording.images)


def class_evidence(recording: Recording, targets: Tensor, rows: Tensor | None = None) -> Tensor:
    """Grad-CAM before its ReLU, at the resolution of the target layer.

    Args:
        recording: with a target layer.
        targets: (n,) int64, the class to explain in each row.
        rows: (n,) int64, which images, each at most once; None for all.

    Returns:
        (n, h, w), signed: Σ_k α_k A^k with α_k = 1/Z Σ_ij ∂y/∂A^k_ij, Z = h · w.

    Reference:
        Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
        Localization", equations 1 and 2, without the ReLU of equation 2.
    """
    weights = recording.layer_gradient(targets, rows).mean((2, 3))
    activations = recording.activations
    if rows is not None:
        activations = activations[rows]
    return (weights[:, :, None, None] * activations).sum(1)


def upsample(cams: Tensor, images: Tensor) -> Tensor:
    """Upsamples maps bilinearly to the size of the images, without aligned corners.

    Args:
        cams: (n, h, w).
        images: (N, 3, H, W).

    Returns:
        (n, 1, H, W).
    """
    from torch.nn.functional import interpolate

    return interpolate(cams[:, None], images.shape[-2:], mode="bilinear", align_corners=False)
