"""The plain gradient of a class's logit, signed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from auditor.registry import Options, plugin

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.autograd.graph import Rule
    from auditor.autograd.recording import Recording


@plugin("explainer", "gradient")
class Gradient(Options):
    """Derivative of the logit by each pixel, signed; defined for every differentiable model.

    Reference:
        Simonyan et al. 2013, "Deep Inside Convolutional Networks", section 3. Departure:
        without the absolute value and the maximum over channels.
    """

    rule: ClassVar[Rule] = "plain"
    needs_layer: ClassVar[bool] = False

    def attribute(
        self, recording: Recording, targets: Tensor, rows: Tensor | None = None
    ) -> Tensor:
        """(n, 3, H, W), signed; see ``Explainer.attribute``."""
        return recording.input_gradient(targets, "plain", rows)
