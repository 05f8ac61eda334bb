"""``explain``: attribution maps of images by any method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from auditor import registry
from auditor.autograd.adapted_network import AdaptedNetwork
from auditor.autograd.forward import (
    as_targets,
    check_images,
    require_finite,
    targets_of,
)
from auditor.autograd.keras_network import wrapped_keras
from auditor.autograd.model_state import left_unchanged, unwrap
from auditor.autograd.passes import recorded_passes
from auditor.autograd.precision import Precision, accelerate
from auditor.autograd.preflight import Preflight, preflight
from auditor.autograd.recording import record
from auditor.autograd.target_layer import TargetLayer, as_layer
from auditor.autograd.user_code import require_module, require_runnable
from auditor.config import Preprocess
from auditor.errors import ConfigError, ModelError
from auditor.explainers.batch import explain_batch
from auditor.explainers.explanation import Explainer, Explanation
from auditor.explainers.grad_cam import GradCam
from auditor.explainers.guided_grad_cam import GuidedGradCam

__all__ = ["explain", "explain_batch", "explain_or_grad_cam"]


def explain(  # noqa: PLR0913 - options with defaults
    model: nn.Module,
    images: Tensor,
    targets: int | Sequence[int] | Tensor | NDArray[np.integer] | None = None,
    explainer: str | Explainer | None = None,
    target_layer: str | TargetLayer | None = None,
    precision: Precision = "exact",
    output_key: str | int | None = None,
    *,
    preprocess: Preprocess | None = None,
) -> Explanation:
    """Computes attribution maps of a batch of images.

    The model is left unchanged: weights, buffers, flags, modes, hooks, gradients.

    Args:
        model: a classifier, (N, 3, H, W) → (N, K) logits.
        images: (N, 3, H, W), floating, preprocessed.
        targets: the class to explain: one for all images, one per image, or None for the predicted
            classes.
        explainer: name of an explainer plug-in, or an instance with its options. None chooses Guided
            Grad-CAM, or Grad-CAM where that is undefined for the model (without any ReLU-like
            activation); ``Explanation.explainer`` says which.
        target_layer: dotted name, the result of ``find_layer``, or None to choose by tracing.
        precision: ``"exact"``, ``"fast"`` (with folded batch normalisation) or ``"bf16"``. The last
            two copy the model in each call and compare the copy with it. For many batches, call
            ``accelerate`` once and explain ``Accelerated.module``.
        output_key: entry that holds the logits, if the model returns a dict, tuple or dataclass; None:
            ``logits`` or another usual name, or else the only entry (N, K).
        preprocess: names the channels that the model takes of RGB images; None: it takes them as they are.

    Returns:
        Maps (N, 3, H, W) or (N, 1, H, W) float32, not normalised, on the model's device.

    Raises:
        ConfigError: the explainer is unknown.
        ModelError: the precision is unknown; the named method is undefined for the model; or the
            model, the images, a target or the layer does not fit.

    Reference:
        See the file of each method.
    """
    require_runnable(require_module(model))
    check_images(images)
    require_finite(images)
    method = _method(GuidedGradCam() if explainer is None else explainer)
    layer = _layer(model, target_layer)
    indices = _indices(targets)
    network = AdaptedNetwork(wrapped_keras(model), preprocess, output_key)
    with left_unchanged(model):
        if explainer is None:
            return explain_or_grad_cam(network, images, indices, method, layer, precision)
        found = _explain(network, images, indices, method, layer, precision)
    if isinstance(found, Preflight):
        raise ModelError(
            f"explainer: {method.plugin_name} is undefined for {type(unwrap(model)).__name__}: "
            f"{found.reason}: choose a method without such a rule, such as 'grad-cam' or 'gradient'"
        )
    return found


def explain_or_grad_cam(
    model: nn.Module,
    images: Tensor,
    targets: int | list[int] | Tensor | None,
    explainer: str | Explainer,
    target_layer: str | TargetLayer | None = None,
    precision: Precision = "exact",
) -> Explanation:
    """As ``explain``; where the method is undefined for the model, the maps are those of Grad-CAM.

    For callers that show ``Explanation.explainer``, which says whose maps they are.
    """
    found = _explain(model, images, targets, _method(explainer), target_layer, precision)
    if isinstance(found, Explanation):
        return found
    instead = _explain(model, images, targets, GradCam(), target_layer, precision)
    assert isinstance(instead, Explanation)  # Grad-CAM has no rule
    return replace(instead, preflight=found)


def _explain(
    model: nn.Module,
    images: Tensor,
    targets: int | list[int] | Tensor | None,
    method: Explainer,
    target_layer: str | TargetLayer | None,
    precision: Precision,
) -> Explanation | Preflight:
    """The maps; or the verdict where the method is undefined for the model."""
    check_images(images)
    layer = as_layer(model, images, target_layer) if method.needs_layer else None
    network = accelerate(model, images, precision, layer)
    verdict, parts = _explain_pieces(network.module, images, targets, method, layer)
    if verdict.status == "undefined":
        return network.annotate(verdict)
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
    """The verdict, and the maps, targets and logits of each part; none if it is ``undefined``."""

    def explained(part: slice) -> Preflight | tuple[Preflight, tuple[Tensor, Tensor, Tensor]]:
        given = targets_of(targets, part, len(images))
        with record(module, images[part], layer) as recording:
            verdict = preflight(recording, method.rule)
            if verdict.status == "undefined":
                return verdict
            chosen = as_targets(given, recording.logits)
            return verdict, (method.attribute(recording, chosen), chosen, recording.logits)

    parts = []
    for _, found in recorded_passes(module, images, explained):
        if isinstance(found, Preflight):
            return found, []
        verdict, part = found
        parts.append(part)
    return verdict, parts


def _method(explainer: object) -> Explainer:
    method = registry.get("explainer", explainer)() if isinstance(explainer, str) else explainer
    if isinstance(method, type):
        raise ConfigError(
            f"explainer: expected its name or an instance; got the class {method.__name__}: create it, "
            f"as in `{method.__name__}()`"
        )
    if isinstance(method, Explainer):
        return method
    if isinstance(explainer, str):
        raise ConfigError(
            f"expected the explainer plug-in {explainer!r} to have `rule`, `needs_layer` and "
            f"`attribute`; {type(method).__name__} lacks one of them"
        )
    raise ConfigError(
        f"explainer: expected the name of a plug-in, such as 'grad-cam', or an instance of one; got "
        f"{type(method).__name__}"
    )


def _layer(model: nn.Module, layer: object) -> str | TargetLayer | None:
    if layer is None or isinstance(layer, TargetLayer):
        return layer
    if isinstance(layer, str):
        plain = layer.removeprefix("module.").removeprefix("_orig_mod.")
        known = {name for name, _ in unwrap(model).named_modules(remove_duplicate=False)}
        return plain if layer not in known and plain in known else layer
    names = [name for name, module in unwrap(model).named_modules() if module is layer and name]
    fix = f"pass {names[0]!r}" if names else "print its names with `model.named_modules()`"
    raise ModelError(
        "target_layer: expected the dotted name of a layer, such as 'layer4'; got "
        f"{type(layer).__name__}: {fix}"
    )


def _indices(targets: object) -> int | list[int] | None:
    """Targets as plain numbers."""
    plain: object = targets
    if isinstance(targets, np.ndarray | np.generic) or (
        isinstance(targets, Tensor) and targets.layout == torch.strided and not targets.is_meta
    ):
        plain = targets.tolist()
    if plain is None:
        return None
    if _is_index(plain):
        return int(plain)
    if isinstance(plain, Sequence) and not isinstance(plain, str | bytes):
        values: list[Any] = [
            one.tolist() if isinstance(one, Tensor | np.generic) else one for one in plain
        ]
        if all(_is_index(value) for value in values):
            return [int(value) for value in values]
    got = repr(targets) if isinstance(targets, str) else type(targets).__name__
    if isinstance(targets, Tensor | np.ndarray):
        got = f"{tuple(targets.shape)} of {targets.dtype}"
    raise ModelError(
        f"targets: expected a class index, one index per image, or None for the predicted classes; got "
        f"{got}: for names, pass their positions, such as `classes.index('cat')`"
    )


def _is_index(value: object) -> TypeGuard[int | float]:
    """Whether a number is whole; a boolean is no index."""
    return not isinstance(value, bool) and (
        isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    )
