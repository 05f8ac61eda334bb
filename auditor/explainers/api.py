"""The two ways in: ``explain`` for a person, ``explain_batch`` for the audit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from auditor import registry
from auditor.autograd.forward import as_targets, check_images, pieces, targets_of
from auditor.autograd.precision import Precision, accelerate
from auditor.autograd.preflight import Preflight, preflight
from auditor.autograd.recording import record
from auditor.autograd.target_layer import TargetLayer, as_layer
from auditor.errors import ConfigError
from auditor.explainers.batch import explain_batch
from auditor.explainers.explanation import Explainer, Explanation
from auditor.explainers.grad_cam import GradCam

__all__ = ["explain", "explain_batch"]


def explain(
    model: nn.Module,
    images: Tensor,
    targets: int | list[int] | Tensor | None = None,
    explainer: str | Explainer = "guided-grad-cam",
    target_layer: str | TargetLayer | None = None,
    precision: Precision = "exact",
) -> Explanation:
    """Attribution maps of a batch of images.

    The model is left as it was: weights, flags, modes, hooks, gradients. Where the method is
    undefined on this model (guided backpropagation without a single rectifier), the maps are
    Grad-CAM's, ``explainer`` says so, and ``preflight`` says why.

    Args:
        model: a classifier, (N, 3, H, W) → (N, K) logits.
        images: (N, 3, H, W), floating, preprocessed.
        targets: the class to explain: one for all, N of them, or None for the predicted ones.
        explainer: name of an explainer plug-in, or one with its options set.
        target_layer: dotted name, what ``find_layer`` returned, or None to choose by tracing.
        precision: ``"exact"``, ``"fast"`` (batch normalisation folded away) or ``"bf16"``; the
            others make a copy of the model for this call and compare it with the model. For many
            batches make it once, with ``precision.quicken``, and explain ``Quick.module``.

    Returns:
        Maps (N, 3, H, W) or (N, 1, H, W) float32, not normalised, on the model's device.

    Raises:
        ConfigError: there is no such explainer.
        ModelError: there is no such precision; or the model, the images, a target or the layer
            do not fit; the message says how.

    Reference:
        See the file of each method.
    """
    check_images(images)
    method = _method(explainer)
    # The fall-back needs a layer, so that a method with a rule is recorded with one where it can be.
    layer = as_layer(model, images, target_layer) if method.needs_layer else None
    quick = accelerate(model, images, precision, layer)
    verdict, parts = _parts(quick.module, images, targets, method, layer)
    if verdict.status == "undefined":
        method = GradCam()
        if layer is None:
            layer = as_layer(model, images, target_layer)
            quick = accelerate(model, images, precision, layer)
        _, parts = _parts(quick.module, images, targets, method, layer)
    maps, chosen, logits = (torch.cat(of_parts) for of_parts in zip(*parts, strict=True))
    return Explanation(
        maps=maps.detach().float(),
        targets=chosen,
        target_layer=None if layer is None else layer.name,
        explainer=method.plugin_name,
        preflight=quick.remark(verdict),
        logits=logits.float(),
        precision=quick.precision,
    )


def _parts(
    module: nn.Module,
    images: Tensor,
    targets: int | list[int] | Tensor | None,
    method: Explainer,
    layer: TargetLayer | None,
) -> tuple[Preflight, list[tuple[Tensor, Tensor, Tensor]]]:
    """The verdict, and maps, targets and logits of each piece; none where it is ``undefined``."""
    parts = []
    for piece in pieces(module, images):
        given = targets_of(targets, piece, len(images))
        with record(module, images[piece], layer) as recording:
            verdict = preflight(recording, method.rule)
            if verdict.status == "undefined":
                return verdict, []
            chosen = as_targets(given, recording.logits)
            parts.append((method.attribute(recording, chosen), chosen, recording.logits))
    return verdict, parts


def _method(explainer: str | Explainer) -> Explainer:
    if not isinstance(explainer, str):
        return explainer
    method = registry.get("explainer", explainer)()
    if not isinstance(method, Explainer):
        raise ConfigError(
            f"expected the explainer plug-in {explainer!r} to have `rule`, `needs_layer` and "
            f"`attribute`; {type(method).__name__} has not"
        )
    return method
