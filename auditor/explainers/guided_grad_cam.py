"""Guided Grad-CAM: guided backpropagation, restricted to the evidence of Grad-CAM."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from auditor.explainers.grad_cam import class_evidence, upsample
from auditor.registry import Options, plugin

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.autograd.graph import Rule
    from auditor.autograd.recording import Recording


@plugin("explainer", "guided-grad-cam")
class GuidedGradCam(Options):
    """Fine detail at the places with evidence for a class: Grad-CAM times guided backpropagation.

    It is for viewing, not for measurements, because guided backpropagation fails the randomization
    test. All numbers come from Grad-CAM.

    Reference:
        Selvaraju et al. 2017, section 3.2: the element-wise product of guided backpropagation and
        the bilinearly upsampled Grad-CAM. Departure: no normalisation per image.
    """

    rule: ClassVar[Rule] = "guided"
    needs_layer: ClassVar[bool] = True

    def attribute(
        self, recording: Recording, targets: Tensor, rows: Tensor | None = None
    ) -> Tensor:
        """(n, 3, H, W), signed; see ``Explainer.attribute``."""
        cams = class_evidence(recording, targets, rows).clamp(min=0)
        return upsample(cams, recording.images) * recording.input_gradient(targets, "guided", rows)
