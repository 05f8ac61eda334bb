"""The same network, quicker: batch normalisation folded away, or half the digits.

``quicken`` makes a copy for speed and compares it with the model itself before anything is made with
it; what it can't do, it does not do, and says why. The model is never touched.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from auditor.autograd.batch_norm_folding import fold
from auditor.autograd.forward import device_of
from auditor.autograd.model_state import unwrap
from auditor.autograd.preflight import Preflight
from auditor.autograd.recording import record
from auditor.autograd.target_layer import TargetLayer
from auditor.errors import ModelError

Precision = Literal["exact", "fast", "bf16"]
"""``exact``: the model itself. ``fast``: a float32 copy with batch normalisation folded into the
convolutions. ``bf16``: that copy with convolutions and linear layers in bfloat16."""

_IMAGES = 4
"""How many of the first images the copy is compared on."""


@dataclass(frozen=True, eq=False)
class Accelerated:
    """A network to explain with.

    Attributes:
        module: the model itself, or a copy of it on the same device.
        precision: what ``module`` is; ``"exact"`` where the copy that was asked for failed.
        cosine: of the guided gradients of copy and model on the first images, the smallest.
        reason: one sentence for the report; empty where exact was asked for.
    """

    module: nn.Module
    precision: Precision
    cosine: float
    reason: str

    def remark(self, verdict: Preflight) -> Preflight:
        """The verdict with this precision's reason added to its own."""
        if not self.reason:
            return verdict
        return replace(verdict, reason=f"{verdict.reason}; {self.reason}")


def accelerate(
    model: nn.Module, images: Tensor, precision: Precision, layer: TargetLayer | None = None
) -> Accelerated:
    """A copy of the model that is quicker to explain, checked against the model.

    The copy counts as right where, on up to four images, its logits are those of the model within
    1e-4 (``bf16``: 0.25) of their norm, and its guided gradient of the predicted class has a cosine
    of at least 0.999 (``bf16``: 0.9). What fails falls back, ``bf16`` to ``fast``, ``fast`` to
    ``exact``.

    Args:
        model: a classifier, (N, 3, H, W) → (N, K) logits; left as it was.
        images: (N, 3, H, W), floating, preprocessed; the first four are used.
        precision: what is asked for.
        layer: the target layer, whose output keeps its values.

    Returns:
        What to explain with. Make it once and use it for all batches; it does not follow later
        changes of the model's weights.

    Raises:
        ModelError: there is no such precision; the model or the images do not fit.
    """
    if precision not in ("exact", "fast", "bf16"):
        raise ModelError(
            f"expected a precision of 'exact', 'fast' or 'bf16'; got {precision!r}: choose one"
        )
    module = unwrap(model)
    if precision == "exact":
        return Accelerated(module, "exact", 1.0, "")
    few = images[:_IMAGES]
    refusals: list[str] = []
    if precision == "bf16":
        if _computes_in_bf16(device_of(module, images)):
            found = _checked(module, few, layer, half=True)
            if isinstance(found, Accelerated):
                return found
            refusals.append(f"bf16 is not used: {found}")
        else:
            refusals.append("bf16 is not used: this processor does not compute in bfloat16")
    found = _checked(module, few, layer, half=False)
    if isinstance(found, Accelerated):
        return Accelerated(found.module, "fast", found.cosine, "; ".join([*refusals, found.reason]))
    refusals.append(f"fast is not used: {found}")
    return Accelerated(module, "exact", 1.0, "; ".join(refusals))


def _checked(
    module: nn.Module, images: Tensor, layer: TargetLayer | None, *, half: bool
) -> Accelerated | str:
    """The copy where it is right, the reason why not elsewhere."""
    try:
        twin = copy.deepcopy(module)
    except (RuntimeError, TypeError) as error:
        return f"the model can't be copied ({error})"
    folded = fold(twin, images[:1], () if layer is None else (layer.name,))
    if half:
        _halve(twin, images.dtype)
    twin.to(memory_format=torch.channels_last)
    logits, gradient = _guided(module, images, None)
    targets = logits.argmax(1)
    try:
        own_logits, own_gradient = _guided(twin, images, targets)
    except RuntimeError as error:  # such as bfloat16 met by float32 in the model's own operations
        return f"the copy does not run ({str(error).splitlines()[0]})"
    off = float((own_logits - logits).norm() / logits.norm().clamp(min=1e-30))
    cosine = float(nn.functional.cosine_similarity(own_gradient, gradient).min())
    if not (off <= (0.25 if half else 1e-4) and cosine >= (0.9 if half else 0.999)):
        return (
            f"on {len(images)} images the copy's logits are off by {off:.2g} of their norm and "
            f"the cosine of its guided gradient is {cosine:.4f}"
        )
    name: Precision = "bf16" if half else "fast"
    return Accelerated(
        twin,
        name,
        cosine,
        f"computed in precision {name} ({folded} batch normalisations folded), whose guided "
        f"gradient has a cosine of at least {cosine:.4f} with the exact one on {len(images)} "
        "images",
    )


def _guided(module: nn.Module, images: Tensor, targets: Tensor | None) -> tuple[Tensor, Tensor]:
    """Logits (n, K) and flattened guided gradients (n, 3 · H · W), float64."""
    with record(module, images) as recording:
        logits = recording.logits.double()
        chosen = logits.argmax(1) if targets is None else targets
        return logits, recording.input_gradient(chosen, "guided").double().flatten(1)


def _halve(twin: nn.Module, outside: torch.dtype) -> None:
    """Convolutions and linear layers in bfloat16; images and logits stay as they are."""
    for module in twin.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.to(torch.bfloat16)

    def shorten(_: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        return (arguments[0].to(torch.bfloat16), *arguments[1:])

    def lengthen(_: nn.Module, __: object, output: Any) -> Any:
        return output.to(outside) if isinstance(output, Tensor) else output

    twin.register_forward_pre_hook(shorten)
    twin.register_forward_hook(lengthen)


def _computes_in_bf16(device: torch.device) -> bool:
    """Whether bfloat16 is arithmetic of the processor, and no slow imitation."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    facts = Path("/proc/cpuinfo")
    if device.type != "cpu" or not facts.exists():
        return False
    words = set(facts.read_text(encoding="utf-8").split())
    return not words.isdisjoint({"avx512_bf16", "amx_bf16", "bf16"})
