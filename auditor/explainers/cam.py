"""Class activation mapping: the maps weighted with the weights of the linear head."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from auditor.errors import ModelError
from auditor.explainers.grad_cam import upsample
from auditor.registry import Options, plugin

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.autograd.graph import Rule
    from auditor.autograd.recording import Recording


@plugin("explainer", "cam")
class Cam(Options):
    """Exact contribution of each place to a logit, for heads of average pooling and a linear layer."""

    rule: ClassVar[Rule] = "plain"
    needs_layer: ClassVar[bool] = True

    def attribute(
        self, recording: Recording, targets: Tensor, rows: Tensor | None = None
    ) -> Tensor:
        """(n, 1, H, W), signed, upsampled bilinearly; see ``Explainer.attribute``."""
        weights = head_weights(recording, targets, rows)
        activations = recording.activations
        if rows is not None:
            activations = activations[rows]
        return upsample((weights[:, :, None, None] * activations).sum(1), recording.images)


def head_weights(recording: Recording, targets: Tensor, rows: Tensor | None = None) -> Tensor:
    """Weights of the linear head, derived from the gradient.

    With y = b + Σ_k w_k · 1/Z Σ_ij A^k_ij, the gradient at the layer is w_k / Z at every place. Any
    other head is recognised by a non-linear operation, or by a gradient that differs between places.

    Args:
        recording: with a target layer.
        targets: (n,) int64, the class to explain in each row.
        rows: (n,) int64, which images, each at most once; None for all.

    Returns:
        (n, C): w_k of each target; Σ_k w_k A^k is the paper's M_c, whose mean is the logit minus
        its bias.

    Raises:
        ModelError: the layer is not followed by average pooling and a linear layer alone.

    Reference:
        Zhou et al. 2016, "Learning Deep Features for Discriminative Localization", equations 1
        and 2.
    """
    other = sorted(recording.operations_after_layer() - _LINEAR)
    if other:
        raise ModelError(
            "expected only average pooling and a linear layer after the target layer, as CAM "
            f"requires; found {', '.join(other)}: use grad-cam, which generalises CAM"
        )
    gradient = recording.layer_gradient(targets, rows)
    mean = gradient.mean((2, 3))
    uneven = (gradient - mean[:, :, None, None]).abs().max()
    if uneven > 1e-4 * gradient.abs().max():
        raise ModelError(
            "expected a head that averages over all places equally, as CAM requires; this one "
            "weights places differently (a linear layer on the flattened map?): use grad-cam or "
            "hirescam"
        )
    return mean * (gradient.shape[2] * gradient.shape[3])


_LINEAR = frozenset(
    {
        "AdaptiveAvgPool2D",
        "Addmm",
        "Alias",
        "AsStrided",
        "AvgPool2D",
        "Clone",
        "Mean",
        "MkldnnAdaptiveAvgPool2D",
        "Mm",
        "Permute",
        "ReshapeAlias",
        "Reshape",
        "Squeeze",
        "Sub",
        "Sum",
        "T",
        "Transpose",
        "UnsafeView",
        "View",
    }
)
"""Operations of average pooling, flattening and a linear layer in the graph."""
