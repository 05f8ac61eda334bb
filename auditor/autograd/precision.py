"""Precision: explains a faster copy of the network, with folded batch normalisation or in bfloat16.

``accelerate`` makes the copy and compares it with the model before it is used. Where the copy is not
accurate enough, the model itself is used and the reason is reported. The model is never changed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from auditor.autograd.batch_norm_folding import fold
from auditor.autograd.forward import device_of
from auditor.autograd.model_state import copy_of, unwrap
from auditor.autograd.preflight import Preflight
from auditor.autograd.recording import record
from auditor.autograd.target_layer import TargetLayer
from auditor.autograd.user_code import user_code
from auditor.errors import ModelError

Precision = Literal["exact", "fast", "bf16"]
"""``exact``: the model itself. ``fast``: a float32 copy with batch normalisation folded into the
convolutions. ``bf16``: that copy with convolutions and linear layers in bfloat16."""

_IMAGES = 4
"""Number of images on which the copy is compared."""


@dataclass(frozen=True, eq=False)
class Accelerated:
    """The network to explain.

    Attributes:
        module: the model itself, or a copy of it on the same device.
        precision: of ``module``; ``"exact"`` where no copy was accurate enough.
        cosine: smallest cosine between the guided gradients of copy and model.
        reason: one sentence for the report; empty where ``"exact"`` was requested.
    """

    module: nn.Module
    precision: Precision
    cosine: float
    reason: str

    def annotate(self, verdict: Preflight) -> Preflight:
        """Adds the reason for this precision to a verdict."""
        if not self.reason:
            return verdict
        return replace(verdict, reason=f"{verdict.reason}; {self.reason}")


def accelerate(
    model: nn.Module, images: Tensor, precision: Precision, layer: TargetLayer | None = None
) -> Accelerated:
    """Makes a copy of the model that is faster to explain, and checks it against the model.

    The copy is accurate enough if, on up to four images, its logits differ from those of the model
    by at most 1e-4 (``bf16``: 0.25) of their norm, and its guided gradients of the predicted class
    have a cosine of at least 0.999 (``bf16``: 0.9) with those of the model. Otherwise ``bf16`` falls
    back to ``fast``, and ``fast`` to ``exact``.

    Args:
        model: a classifier, (N, 3, H, W) → (N, K) logits; left unchanged.
        images: (N, 3, H, W), floating, preprocessed; the first four are used.
        precision: the requested precision.
        layer: the target layer, whose output must not change.

    Returns:
        The network to explain, to be used for all batches. It does not follow later changes of the
        model's weights.

    Raises:
        ModelError: the precision is unknown; the model or the images do not fit.
    """
    if precision not in ("exact", "fast", "bf16"):
        raise ModelError(f"precision: expected 'exact', 'fast' or 'bf16'; got {precision!r}")
    module = unwrap(model)
    if precision == "exact":
        return Accelerated(module, "exact", 1.0, "")
    few = images[:_IMAGES]
    reasons: list[str] = []
    if precision == "bf16":
        if _computes_in_bf16(device_of(module, images)):
            found = _checked_copy(module, few, layer, half=True)
            if isinstance(found, Accelerated):
                return found
            reasons.append(f"bf16 is not used: {found}")
        else:
            reasons.append("bf16 is not used: this processor does not compute in bfloat16")
    found = _checked_copy(module, few, layer, half=False)
    if isinstance(found, Accelerated):
        return replace(found, reason="; ".join([*reasons, found.reason]))
    reasons.append(f"fast is not used: {found}")
    return Accelerated(module, "exact", 1.0, "; ".join(reasons))


def _checked_copy(
    module: nn.Module, images: Tensor, layer: TargetLayer | None, *, half: bool
) -> Accelerated | str:
    """The copy if it is accurate enough, otherwise the reason why it is not."""
    try:
        faster = copy_of(module)
    except Exception as error:  # noqa: BLE001 - any part of a network may define __deepcopy__
        return f"the model can't be copied ({type(error).__name__}: {str(error).split('. ')[0]})"
    with user_code(module, images):
        folded = fold(faster, images[:1], () if layer is None else (layer.name,))
    if half:
        _convert_to_bfloat16(faster, images.dtype)
    faster.to(memory_format=torch.channels_last)
    logits, gradient = _guided(module, images, None)
    targets = logits.argmax(1)
    try:
        own_logits, own_gradient = _guided(faster, images, targets)
    except ModelError as error:  # for example, an operation of the model mixes the dtypes
        reason = str(error.__cause__ or error).splitlines()[0]
        return f"the copy does not run ({reason})"
    error_norm = float((own_logits - logits).norm() / logits.norm().clamp(min=1e-30))
    cosine = float(nn.functional.cosine_similarity(own_gradient, gradient).min())
    if not (error_norm <= (0.25 if half else 1e-4) and cosine >= (0.9 if half else 0.999)):
        return (
            f"on {len(images)} images, the logits of the copy differ by {error_norm:.2g} of their "
            f"norm, and the cosine of its guided gradient is {cosine:.4f}"
        )
    name: Precision = "bf16" if half else "fast"
    return Accelerated(
        faster,
        name,
        cosine,
        f"computed in precision {name} ({folded} batch normalisations folded); on {len(images)} "
        f"images, the cosine of the guided gradient with the exact one is at least {cosine:.4f}",
    )


def _guided(module: nn.Module, images: Tensor, targets: Tensor | None) -> tuple[Tensor, Tensor]:
    """Logits (n, K) and flattened guided gradients (n, 3 · H · W), float64."""
    with record(module, images) as recording:
        logits = recording.logits.double()
        chosen = logits.argmax(1) if targets is None else targets
        return logits, recording.input_gradient(chosen, "guided").double().flatten(1)


def _convert_to_bfloat16(faster: nn.Module, outside: torch.dtype) -> None:
    """Converts convolutions and linear layers to bfloat16; images and logits keep their dtype."""
    for module in faster.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.to(torch.bfloat16)

    def to_bfloat16(_: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        return (arguments[0].to(torch.bfloat16), *arguments[1:])

    def to_original(_: nn.Module, __: object, output: Any) -> Any:
        return output.to(outside) if isinstance(output, Tensor) else output

    faster.register_forward_pre_hook(to_bfloat16)
    faster.register_forward_hook(to_original)


def _computes_in_bf16(device: torch.device) -> bool:
    """Whether the processor computes in bfloat16 natively instead of emulating it."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    cpu_info = Path("/proc/cpuinfo")
    if device.type != "cpu" or not cpu_info.exists():
        return False
    flags = set(cpu_info.read_text(encoding="utf-8").split())
    return not flags.isdisjoint({"avx512_bf16", "amx_bf16", "bf16"})
