"""``explain``: attribution maps of images by any method."""

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
    """Computes attribution maps of a batch of images.

    The model is left unchanged: weights, flags, modes, hooks, gradients. Where the method is
    undefined for the model (guided backpropagation without any ReLU-like activation), the maps are
    those of Grad-CAM; ``Explanation.explainer`` and ``Explanation.preflight`` report this.

    Args:
        model: a classifier, (N, 3, H, W) → (N, K) logits.
        images: (N, 3, H, W), floating, preprocessed.
        targets: the class to explain: one for all images, one per image, or None for the predicted
            classes.
        explainer: name of an explainer plug-in, or an instance with its options.
        target_layer: dotted name, the result of ``find_layer``, or None to choose by tracing.
        precision: ``"exact"``, ``"fast"`` (with folded batch normalisation) or ``"bf16"``. The last
            two copy the model in each call and compare the copy with it. For many batches, call
            ``accelerate`` once and explain ``Accelerated.module``.

    Returns:
        Maps (N, 3, H, W) or (N, 1, H, W) float32, not normalised, on the model's device.

    Raises:
        ConfigError: the explainer is unknown.
        ModelError: the precision is unknown; or the model, the images, a target or the layer does
            not fit.

    Reference:
        See the file of each method.
    """
    check_images(images)
    method = _method(explainer)
    layer = as_layer(model, images, target_layer) if method.needs_layer else None
    network = accelerate(model, images, precision, layer)
    verdict, parts = _explain_pieces(network.module, images, targets, method, layer)
    if verdict.status == "undefined":
        method = GradCam()
        if layer is None:
            layer = as_layer(model, images, target_layer)
            network = accelerate(model, images, precision, layer)
        _, parts = _explain_pieces(network.module, images, targets, method, layer)
    maps, chosen, logits = (torch.cat(of_parts) for of_parts in zip(*parts, strict=True))
    return Explanation(
        maps=maps.detach().float(),
        targets=chosen,
        target_layer=None if layer is None else layer.name,
        explainer=method.plugin_name,
        preflight=network.annotate(verdict),
        logits=logits.float(),
        precision=network.precision,
    )


def _explain_pieces(
    module: nn.Module,
    images: Tensor,
    targets: int | list[int] | Tensor | None,
    method: Explainer,
    layer: TargetLayer | None,
) -> tuple[Preflight, list[tuple[Tensor, Tensor, Tensor]]]:
    """The verdict, and the maps, targets and logits of each piece; none if it is ``undefined``."""
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
            f"`attribute`; {type(method).__name__} lacks one of them"
        )
    return method
