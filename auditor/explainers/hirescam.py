"""HiResCAM: Grad-CAM without averaging the gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from auditor.explainers.grad_cam import upsample
from auditor.registry import Options, plugin

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.autograd.graph import Rule
    from auditor.autograd.recording import Recording


@plugin("explainer", "hirescam")
class HiResCam(Options):
    """Evidence in the target layer, each place weighted with its own gradient.

    Equal to Grad-CAM (up to the factor Z and the ReLU) if the head is a global average pooling and
    a linear layer. For other heads, only HiResCAM is guaranteed to show what the model used.
    """

    rule: ClassVar[Rule] = "plain"
    needs_layer: ClassVar[bool] = True

    def attribute(
        self, recording: Recording, targets: Tensor, rows: Tensor | None = None
    ) -> Tensor:
        """(n, 1, H, W), signed, upsampled bilinearly; see ``Explainer.attribute``."""
        return upsample(local_evidence(recording, targets, rows), recording.images)


def local_evidence(recording: Recording, targets: Tensor, rows: Tensor | None = None) -> Tensor:
    """HiResCAM at the resolution of the target layer.

    Args:
        recording: with a target layer.
        targets: (n,) int64, the class to explain in each row.
        rows: (n,) int64, which images, each at most once; None for all.

    Returns:
        (n, h, w), signed: Σ_k ∂y/∂A^k ⊙ A^k.

    Reference:
        Draelos and Carin 2020, "Use HiResCAM instead of Grad-CAM for faithful explanations of
        convolutional neural networks", equation 3.
    """
    activations = recording.activations
    if rows is not None:
        activations = activations[rows]
    return (recording.layer_gradient(targets, rows) * activations).sum(1)
