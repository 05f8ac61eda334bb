"""Guided backpropagation: fine detail that raises the logit of a class."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from auditor.registry import Options, plugin

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.autograd.graph import Rule
    from auditor.autograd.recording import Recording


@plugin("explainer", "guided-backprop")
class GuidedBackprop(Options):
    """Fine detail that raises the logit of a class; the map hardly depends on the class.

    A ReLU with input f passes the signal R back as (f > 0) · (R > 0) · R.

    Reference:
        Springenberg et al. 2015, "Striving for Simplicity: The All Convolutional Net", section 3.4.
        On its independence of the class and of the upper layers: Adebayo et al. 2018, "Sanity
        Checks for Saliency Maps".
    """

    rule: ClassVar[Rule] = "guided"
    needs_layer: ClassVar[bool] = False

    def attribute(
        self, recording: Recording, targets: Tensor, rows: Tensor | None = None
    ) -> Tensor:
        """(n, 3, H, W), signed; see ``Explainer.attribute``."""
        return recording.input_gradient(targets, "guided", rows)
