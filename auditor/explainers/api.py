"""The two ways in: ``explain`` for a person, ``explain_batch`` for the audit."""

from __future__ import annotations

from torch import Tensor, nn

from auditor import registry
from auditor.errors import ConfigError
from auditor.explainers.batch import explain_batch
from auditor.explainers.engine import record
from auditor.explainers.explanation import Explainer, Explanation
from auditor.explainers.forward import as_targets
from auditor.explainers.grad_cam import GradCam
from auditor.explainers.layers import TargetLayer, as_layer
from auditor.explainers.preflight import Preflight, preflight

__all__ = ["explain", "explain_batch"]


def explain(
    model: nn.Module,
    images: Tensor,
    targets: int | list[int] | Tensor | None = None,
    explainer: str | Explainer = "guided-grad-cam",
    target_layer: str | TargetLayer | None = None,
) -> Explanation:
    """Attribution maps of a batch of pictures.

    The model is left as it was: weights, flags, modes, hooks, gradients. Where the method is
    undefined on this model (guided backpropagation without a single rectifier), the maps are
    Grad-CAM's, ``explainer`` says so, and ``preflight`` says why.

    Args:
        model: a classifier, (N, 3, H, W) → (N, K) logits.
        images: (N, 3, H, W), floating, preprocessed.
        targets: the class to explain: one for all, N of them, or None for the predicted ones.
        explainer: name of an explainer plug-in, or one with its options set.
        target_layer: dotted name, what ``find_layer`` returned, or None to choose by tracing.

    Returns:
        Maps (N, 3, H, W) or (N, 1, H, W) float32, not normalised, on the model's device.

    Raises:
        ConfigError: there is no such explainer.
        ModelError: the model, the pictures, a target or the layer do not fit; the message says how.

    Reference:
        See the file of each method.
    """
    method = _method(explainer)
    # The fall-back needs a layer, so that a method with a rule is recorded with one where it can be.
    layer = as_layer(model, images, target_layer) if method.needs_layer else None
    with record(model, images, layer) as recording:
        verdict = preflight(recording, method.rule)
        if verdict.status != "undefined":
            chosen = as_targets(targets, recording.logits)
            maps = method.attribute(recording, chosen)
            return _explanation(maps, chosen, layer, method.plugin_name, verdict, recording.logits)
    if layer is None:
        layer = as_layer(model, images, target_layer)
    with record(model, images, layer) as recording:
        chosen = as_targets(targets, recording.logits)
        maps = GradCam().attribute(recording, chosen)
        return _explanation(maps, chosen, layer, GradCam.plugin_name, verdict, recording.logits)


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


def _explanation(
    maps: Tensor,
    targets: Tensor,
    layer: TargetLayer | None,
    explainer: str,
    verdict: Preflight,
    logits: Tensor,
) -> Explanation:
    name = None if layer is None else layer.name
    return Explanation(maps.detach().float(), targets, name, explainer, verdict, logits.float())
