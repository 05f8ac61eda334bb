"""Deconvolutional network: a backward pass that ignores the signs of the forward pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from auditor.registry import Options, plugin

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.autograd.graph import Rule
    from auditor.autograd.recording import Recording


@plugin("explainer", "deconvnet")
class DeconvNet(Options):
    """Pattern that the upper layers associate with a class: a ReLU passes (R > 0) · R back.

    Pooling passes the signal R to the position of the maximum (the paper's switches), convolution
    and linear layers use their transpose. Departure: normalisation layers, which the paper does not
    have, use their derivative.

    Reference:
        Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 2.1;
        as a rule for gradients in Springenberg et al. 2015, figure 1.
    """

    rule: ClassVar[Rule] = "deconvnet"
    needs_layer: ClassVar[bool] = False

    def attribute(
        self, recording: Recording, targets: Tensor, rows: Tensor | None = None
    ) -> Tensor:
        """(n, 3, H, W), signed; see ``Explainer.attribute``."""
        return recording.input_gradient(targets, "deconvnet", rows)
