"""Results of an explanation, and the protocol of an explainer."""

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
    """Attribution maps of a batch, one target per image.

    Attributes:
        maps: float32, not normalised; (N, 3, H, W) for gradient-type maps, (N, 1, H, W) for class
            activation maps, upsampled bilinearly (``align_corners=False``).
        targets: (N,) int64, the class explained in each image.
        target_layer: dotted name, or None for a method without a target layer.
        explainer: the method that made ``maps``. It is ``"grad-cam"`` where the requested one is
            undefined for the model: a plain gradient is never labelled as a guided one.
        preflight: the verdict on the requested method.
        logits: (N, K) float32, of the same forward pass.
        precision: of the maps; ``"exact"`` where the requested one was not accurate enough, with
            the reason in ``preflight``.
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
    """Maps of a batch with several targets per image, from one forward pass.

    All tensors are on the CPU. The n pairs are in the requested order.

    Attributes:
        rows: (n,) int64, the image of each pair.
        targets: (n,) int64, the class of each pair.
        cams: (n, h, w) float32, Grad-CAM at the resolution of the target layer, not normalised.
        mass: (n,) float32, the sum of each Grad-CAM over its places: Σ_ij ReLU(Σ_k α_k A^k_ij).
            Its unit is that of the logit times places; it is comparable within one model and layer.
        maps: (n, 3, H, W) float32, the detail view.
        detail: the method of ``maps``: ``"guided-grad-cam"``, or ``"gradient"`` (signed) where
            guided backpropagation is undefined for the model.
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
    """A method: a frozen options model that computes maps from a recorded forward pass.

    Attributes:
        plugin_name: its name in the configuration.
        rule: its rule for ReLU-like activations; with any but ``"plain"``, it depends on them.
        needs_layer: whether the recording needs a target layer.
    """

    plugin_name: ClassVar[str]
    rule: ClassVar[Rule]
    needs_layer: ClassVar[bool]

    def attribute(
        self, recording: Recording, targets: Tensor, rows: Tensor | None = None
    ) -> Tensor:
        """Computes the maps of the targets.

        Args:
            recording: open, and with a target layer if ``needs_layer``.
            targets: (n,) int64, the class to explain in each row.
            rows: (n,) int64, which images, each at most once; None for all.

        Returns:
            (n, 3, H, W) or (n, 1, H, W) in the recording's dtype, not normalised.
        """
        ...
