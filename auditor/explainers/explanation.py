"""What explaining returns, and what an explainer has to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.autograd.graph import Rule
    from auditor.autograd.precision import Precision
    from auditor.autograd.preflight import Preflight
    from auditor.autograd.recording import Recording


@dataclass(frozen=True, eq=False)
class Explanation:
    """Attribution maps of a batch, one target an image.

    Attributes:
        maps: float32, not normalised; (N, 3, H, W) for gradient-type maps, (N, 1, H, W) for class
            activation maps, upsampled bilinearly (``align_corners=False``).
        targets: (N,) int64, the class explained in each image.
        target_layer: dotted name, or None for a method that looks at no layer.
        explainer: the method that made ``maps``. It is ``"grad-cam"`` where the one asked for is
            undefined on this model: a plain gradient is never given out as a guided one.
        preflight: the verdict on the method that was asked for.
        logits: (N, K) float32, of the same forward.
        precision: what they were computed in: ``"exact"`` where what was asked for did not give the
            model's own values; ``preflight`` says why.
    """

    maps: Tensor
    targets: Tensor
    target_layer: str | None
    explainer: str
    preflight: Preflight
    logits: Tensor
    precision: Precision


@dataclass(frozen=True, eq=False)
class BatchExplanation:
    """All that an audit keeps of a batch: several targets an image, from one forward.

    Everything lies on the CPU. The n pairs keep the order in which they were asked for.

    Attributes:
        rows: (n,) int64, the image of each pair.
        targets: (n,) int64, the class of each pair.
        cams: (n, h, w) float32, Grad-CAM at the target layer's own resolution, not normalised.
        mass: (n,) float32, the sum of each Grad-CAM over its places: Σ_ij ReLU(Σ_k α_k A^k_ij).
            Its unit is that of the logit times places; numbers compare within one model and layer.
        maps: (n, 3, H, W) float32, the detail view.
        detail: what ``maps`` are: ``"guided-grad-cam"``, or ``"gradient"`` (signed) where guided
            backpropagation is undefined on this model.
        logits: (N, K) float32.
        preflight: the verdict on Guided Grad-CAM.
        precision: as in ``Explanation``.
    """

    rows: Tensor
    targets: Tensor
    cams: Tensor
    mass: Tensor
    maps: Tensor
    detail: str
    logits: Tensor
    preflight: Preflight
    precision: Precision


@runtime_checkable
class Explainer(Protocol):
    """A method: a frozen options model with what it does to one recorded forward.

    Attributes:
        plugin_name: how the configuration calls it.
        rule: what it does at rectifiers; anything but ``"plain"`` makes it depend on them.
        needs_layer: whether the forward has to be recorded with a target layer.
    """

    plugin_name: ClassVar[str]
    rule: ClassVar[Rule]
    needs_layer: ClassVar[bool]

    def attribute(
        self, recording: Recording, targets: Tensor, rows: Tensor | None = None
    ) -> Tensor:
        """Maps of the targets, from an open recording.

        Args:
            recording: with a target layer where ``needs_layer``.
            targets: (n,) int64, the class explained in each row.
            rows: (n,) int64, which images, each at most once; None for all.

        Returns:
            (n, 3, H, W) or (n, 1, H, W) in the recording's dtype, not normalised.
        """
        ...
