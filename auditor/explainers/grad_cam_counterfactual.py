"""Counterfactual Grad-CAM: the evidence against a class."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from auditor.explainers.grad_cam import class_evidence, upsample
from auditor.registry import Options, plugin

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.autograd.graph import Rule
    from auditor.autograd.recording import Recording


@plugin("explainer", "grad-cam-counterfactual")
class GradCamCounterfactual(Options):
    """Places whose removal would raise the confidence in the class.

    Reference:
        Selvaraju et al. 2017, section 3.3: Grad-CAM with α_k = 1/Z Σ_ij −∂y/∂A^k_ij.
    """

    rule: ClassVar[Rule] = "plain"
    needs_layer: ClassVar[bool] = True

    def attribute(
        self, recording: Recording, targets: Tensor, rows: Tensor | None = None
    ) -> Tensor:
        """(n, 1, H, W), at least 0, upsampled bilinearly; see ``Explainer.attribute``."""
        against = (-class_evidence(recording, targets, rows)).clamp(min=0)
        return upsample(against, recording.images)
