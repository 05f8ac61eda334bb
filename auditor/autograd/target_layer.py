"""The target layer of Grad-CAM: found by tracing one forward pass, never by the model's name.

A layer can be explained if its output is a map: (N, C, h, w) as in convolutional networks,
(N, h, w, C) as in Swin, or image tokens (N, T, C) as in vision transformers. Which token represents
which place is measured on the model itself; class tokens are left out.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node, get_gradient_edge

from auditor.autograd.forward import as_leaf, check_images
from auditor.autograd.graph import has_path_around
from auditor.autograd.layer_outputs import (
    TRACED_IMAGES,
    LayerCall,
    Layout,
    TokenGeometry,
    map_layout,
    token_geometries,
    trace,
)
from auditor.autograd.model_state import frozen_eval, unwrap
from auditor.autograd.user_code import require_runnable, user_code
from auditor.errors import ModelError

_CONFIGURED = "named by the configuration"


@dataclass(frozen=True, eq=False)
class TargetLayer:
    """A layer whose output is a map, and how to read it.

    Attributes:
        name: dotted name in the unwrapped model.
        channels: C.
        height: h, rows of the map.
        width: w, columns of the map.
        layout: of the module's own output.
        tokens: (h · w,) int64, the token of each place, row by row; None unless ``layout`` is
            ``"tokens"``.
        why: the reason for this choice, for the report.
    """

    name: str
    channels: int
    height: int
    width: int
    layout: Layout
    tokens: Tensor | None
    why: str

    def to_map(self, output: Tensor) -> Tensor:
        """The module's output, or a gradient of the same shape, as (n, C, h, w)."""
        match self.layout:
            case "NCHW":
                return output
            case "NHWC":
                return output.permute(0, 3, 1, 2)
            case "tokens":
                assert self.tokens is not None
                places = output[:, self.tokens.to(output.device)].transpose(1, 2)
                return places.reshape(-1, self.channels, self.height, self.width)


def find_layer(model: nn.Module, images: Tensor, name: str | None = None) -> TargetLayer:
    """Finds the layer for Grad-CAM.

    Args:
        model: a classifier, (N, 3, H, W) → (N, K); left unchanged.
        images: (N, 3, H, W), floating; the first image is traced.
        name: dotted name; None chooses the last layer whose output is a map on which the logits
            depend. Pooling layers are skipped (they only blur the map before them), and so are
            tokens that are not read any more (those of a vision transformer after its last
            attention).

    Returns:
        The layer with its geometry.

    Raises:
        ModelError: the named layer does not exist, its output is not a map, or the logits do not
            depend on it; or no layer has a map as output. The message lists similar names.
    """
    check_images(images)
    module = unwrap(model)
    require_runnable(module)
    if name is not None:
        name = _resolve(module, model, name)
    with frozen_eval(module):
        leaf = as_leaf(module, images[:1].expand(TRACED_IMAGES, *images.shape[1:]))
        size = (leaf.shape[2], leaf.shape[3])
        with user_code(module, leaf, memory=True):
            calls, logits = trace(module, leaf)
        last = {call.name: call for call in calls}  # the last use of a module that runs repeatedly
        tokens = token_geometries(calls, size)
        layers = {
            call.name: layer
            for call in last.values()
            if (layer := _as_layer(call, size, tokens, named=name == call.name)) is not None
        }
        pooled = {call.key for call in calls if _only_pools(call.module)}
        ordered = sorted(last.values(), key=calls.index)
        with user_code(module, leaf, memory=True):  # hooks of the network on gradients
            gradients = _gradients(logits, [call for call in ordered if call.name in layers])
        if name is not None:
            return _named(name, last, layers, gradients)
        candidates = [
            call
            for call in reversed(ordered)
            if call.key not in pooled
            and call.name in layers
            and _has_effect(layers[call.name], gradients.get(call.key), strict=bool(tokens))
        ]
        if candidates:
            return _choose(candidates, layers, logits, leaf)
    raise ModelError(
        "expected a layer whose output is a map, (N, C, h, w), (N, h, w, C) or image tokens "
        f"(N, T, C), on which the logits depend; found none among {len(last)} modules of "
        f"{type(module).__name__}: name one as target_layer, or use larger images if the maps "
        "shrink to a single place; an untrained token model whose head is all zeros has none either"
    )


def as_layer(model: nn.Module, images: Tensor, layer: str | TargetLayer | None) -> TargetLayer:
    """Returns a ``TargetLayer`` as it is, and calls ``find_layer`` otherwise."""
    return layer if isinstance(layer, TargetLayer) else find_layer(model, images, layer)


def _choose(
    candidates: list[LayerCall], layers: dict[str, TargetLayer], logits: Tensor, leaf: Tensor
) -> TargetLayer:
    """The last candidate; but where it is a side branch, the last equally coarse map that is not.

    Args:
        candidates: the last one first.
        layers: how to read each of them.
        logits: end of the trace.
        leaf: its beginning.

    Returns:
        One of ``layers``.
    """
    last = layers[candidates[0].name]
    if last.layout == "tokens":
        return last  # the path around it carries only the class token
    top, source = get_gradient_edge(logits).node, get_gradient_edge(leaf).node
    for call in candidates:
        layer = layers[call.name]
        if layer.height > 2 * last.height:
            break  # a complete map of twice the resolution says less than a branch of the last one
        if not has_path_around(top, source, call.edge.node):
            return layer
    return replace(last, why=last.why + ", partly through other layers")


def _as_layer(
    call: LayerCall,
    size: tuple[int, int],
    tokens: dict[tuple[int, int], TokenGeometry],
    *,
    named: bool,
) -> TargetLayer | None:
    """How to read the output of a module; None where it is not a map."""
    if len(call.shape) == 3:
        geometry = tokens.get((call.shape[1], call.shape[2]))
        return None if geometry is None else _token_layer(call.name, geometry, named=named)
    layout = map_layout(call.shape, size)
    if layout is None and named and math.prod(call.shape[2:]) > 1:
        layout = "NCHW"
    if layout is None:
        return None
    _, *rest = call.shape
    channels, height, width = rest if layout == "NCHW" else (rest[2], rest[0], rest[1])
    if not named and any(height > grid.height for grid in tokens.values()):
        return None  # attention weights of a token model: (N, heads, T, T)
    why = (
        f"the last layer whose output is a spatial map ({channels} channels of "
        f"{height} × {width}) on which the logits depend"
    )
    return TargetLayer(
        call.name, channels, height, width, layout, None, _CONFIGURED if named else why
    )


def _token_layer(name: str, geometry: TokenGeometry, *, named: bool) -> TargetLayer:
    class_tokens = geometry.n_class_tokens
    why = (
        f"the last layer whose {geometry.length} tokens of {geometry.channels} channels still "
        f"reach the logits, read as a {geometry.height} × {geometry.width} map"
        + (f" without its {class_tokens} class token(s)" if class_tokens else "")
    )
    return TargetLayer(
        name,
        geometry.channels,
        geometry.height,
        geometry.width,
        "tokens",
        geometry.index,
        _CONFIGURED if named else why,
    )


def _only_pools(module: nn.Module) -> bool:
    is_pooling = "pool" in type(module).__name__.lower()
    return is_pooling and next(module.parameters(), None) is None


def _gradients(logits: Tensor, calls: list[LayerCall]) -> dict[tuple[Node, int], Tensor | None]:
    """Gradient of a random mixture of the logits with respect to each map."""
    generator = torch.Generator().manual_seed(0)
    mixture = torch.randn(logits.shape, generator=generator).to(logits)
    edges = {call.key: call.edge for call in calls}
    if not edges:
        return {}
    gradients = torch.autograd.grad(
        [logits], list(edges.values()), grad_outputs=[mixture], allow_unused=True
    )
    return dict(zip(edges, gradients, strict=True))


def _has_effect(layer: TargetLayer, gradient: Tensor | None, *, strict: bool) -> bool:
    """Whether the logits depend on the places of a map.

    In a convolutional network, a map counts as soon as it is connected to the logits: its gradient
    may be 0 by chance, behind inactive ReLUs. In a model with tokens (``strict``), the gradient
    must not be 0: the image tokens of the last layers are computed and never read.
    """
    if gradient is None:
        return False
    return not strict or bool(layer.to_map(gradient).abs().max() > 0)


def _resolve(module: nn.Module, wrapped: nn.Module, name: str) -> str:
    names = [known for known, _ in module.named_modules() if known]
    if name in names:
        return name
    for prefix in ("module.", "_orig_mod."):
        if wrapped is not module and name.removeprefix(prefix) in names:
            return name.removeprefix(prefix)
    near = difflib.get_close_matches(name, names, n=5, cutoff=0.5) or names[-5:]
    raise ModelError(
        f"expected the dotted name of a layer of {type(module).__name__}; there is no {name!r}; "
        f"similar names: {', '.join(near)}"
    )


def _named(
    name: str,
    last: dict[str, LayerCall],
    layers: dict[str, TargetLayer],
    gradients: dict[tuple[Node, int], Tensor | None],
) -> TargetLayer:
    if name not in layers:
        got = last[name].shape if name in last else "no differentiable (N, …) tensor"
        near = difflib.get_close_matches(name, list(layers), n=5, cutoff=0.0)
        raise ModelError(
            f"expected target_layer {name!r} to return a map, (N, C, h, w), (N, h, w, C) or image "
            f"tokens (N, T, C); for {TRACED_IMAGES} images it returned {got}; layers that return a "
            f"map: {', '.join(near) or 'none'}"
        )
    gradient = gradients.get(last[name].key)
    if not _has_effect(layers[name], gradient, strict=layers[name].layout == "tokens"):
        raise ModelError(
            f"expected logits that depend on the places of target_layer {name!r}; their gradient "
            "there is zero, so that its Grad-CAM would be empty: choose a layer before it, or leave "
            "target_layer out"
        )
    return layers[name]
