"""Guided backpropagation: which fine detail drives the evidence for a class up."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from auditor.registry import Options, plugin

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.autograd.graph import Rule
    from auditor.autograd.recording import Recording


@plugin("explainer", "guided-backprop")
class GuidedBackprop(Options):
    """Fine detail that raises a class's logit; looks much the same for every class.

    At a rectifier with input f and signal R from above, what goes on is (f > 0) · (R > 0) · R.

    Reference:
        Springenberg et al. 2015, "Striving for Simplicity: The All Convolutional Net", section 3.4.
        That it hardly depends on the class or on the upper layers: Adebayo et al. 2018, "Sanity
        Checks for Saliency Maps".
    """

    rule: ClassVar[Rule] = "guided"
    needs_layer: ClassVar[bool] = False

    def attribute(
        self, recording: Recording, targets: Tensor, rows: Tensor | None = None
    ) -> Tensor:
        """(n, 3, H, W), signed; see ``Explainer.attribute``."""
        return recording.input_gradient(targets, "guided", rows)
