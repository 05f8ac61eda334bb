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
from auditor.autograd.graph import has_path_around, nodes_between
from auditor.autograd.layer_outputs import (
    TRACED_IMAGES,
    LayerCall,
    Layout,
    TokenGeometry,
    map_layout,
    token_geometries,
    trace,
)
from auditor.autograd.model_free import OcclusionMaps
from auditor.autograd.model_state import frozen_eval, unwrap
from auditor.autograd.user_code import network_name, require_runnable, user_code
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
        call: which call of the module in a forward pass is explained, counted from 0.
        is_occlusion: whether its maps are drops of the outputs when parts of the image are covered.
    """

    name: str
    channels: int
    height: int
    width: int
    layout: Layout
    tokens: Tensor | None
    why: str
    call: int = 0
    is_occlusion: bool = False

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


_Candidate = tuple[LayerCall, TargetLayer]
"""A call of a module, and how to read its output."""


def find_layer(model: nn.Module, images: Tensor, name: str | None = None) -> TargetLayer:
    """Finds the layer for Grad-CAM.

    Args:
        model: a classifier, (N, 3, H, W) → (N, K); left unchanged.
        images: (N, 3, H, W), floating; the first image is traced.
        name: dotted name; None chooses the last layer whose output is a map on which the logits
            depend. Pooling layers are skipped (they only blur the map before them), and so are
            tokens that are not read any more (those of a vision transformer after its last
            attention). Of a module that runs several times in a forward pass, the last call that
            qualifies is explained.

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
        _require_rows(logits)
        tokens = token_geometries(calls, leaf)
        readable = [
            (call, layer)
            for call in reversed(calls)
            if (layer := _as_layer(call, size, tokens, named=name == call.name)) is not None
        ]
        with user_code(module, leaf, memory=True):  # hooks of the network on gradients
            gradients = _gradients(logits, [call for call, _ in readable])
        if name is not None:
            return _named(name, calls, readable, gradients)
        pooled = {call.key for call in calls if _only_pools(call.module)}
        candidates: dict[str, _Candidate] = {}
        for call, layer in readable:
            effect = _has_effect(layer, gradients.get(call.key), strict=bool(tokens))
            if effect and call.key not in pooled:
                candidates.setdefault(call.name, (call, layer))  # the last call of each module
        if candidates:
            call, layer = _choose(list(candidates.values()), logits, leaf)
            return _with_call(layer, call, calls)
    nodes = nodes_between([get_gradient_edge(logits).node], get_gradient_edge(leaf).node)
    raise ModelError(
        "expected a layer whose output is a map, (N, C, h, w), (N, h, w, C) or image tokens "
        f"(N, T, C), on which the logits depend; found none among the modules of "
        f"{network_name(module)}: {_remedy(calls, readable, tokens, nodes)}"
    )


def _require_rows(logits: Tensor) -> None:
    """Whether the rows are images: both traced images are the same, and so must be their logits.

    Raises:
        ModelError: the columns are the images, which the shape can't show of two classes.
    """
    square = len(logits) == logits.shape[1]
    rows_are_equal = torch.allclose(logits, logits[:1].expand_as(logits), rtol=1e-3)
    if square and not rows_are_equal and torch.allclose(logits, logits[:, :1].expand_as(logits)):
        raise ModelError(
            "expected logits of shape (N, classes); the network returns (classes, N): return their "
            "transpose, `logits.T`"
        )


def _remedy(
    calls: list[LayerCall],
    readable: list[_Candidate],
    tokens: dict[tuple[int, int], TokenGeometry],
    nodes: list[Node],
) -> str:
    """What helps a network without a layer that can be explained."""
    if any(node.name().startswith("CheckpointFunction") for node in nodes):
        return "its layers are hidden by gradient checkpointing; switch that off"
    if tokens:
        return (
            "its image tokens do not reach the logits; load trained weights, as a head of zeros reads "
            "none of them"
        )
    if any(len(call.shape) == 3 for call in calls):
        return (
            "it has tokens, but which part of the image each represents could not be found; embed the "
            "patches with `nn.Conv2d(3, channels, patch, stride=patch)`, which computes the same as a "
            "linear layer on cut patches"
        )
    if any(len(call.shape) == 4 for call in calls):
        if readable:
            return "the logits do not depend on its maps; name a layer before as target_layer"
        return (
            "its maps have a single place, or another shape than the images; use larger images, or name "
            "a layer as target_layer"
        )
    return (
        "its modules return vectors only; a network is explained at a convolution or an attention, which "
        "must be a module (`nn.Conv2d`), not a function (`functional.conv2d`)"
    )


def as_layer(model: nn.Module, images: Tensor, layer: str | TargetLayer | None) -> TargetLayer:
    """Returns a ``TargetLayer`` as it is, and calls ``find_layer`` otherwise."""
    return layer if isinstance(layer, TargetLayer) else find_layer(model, images, layer)


def _choose(candidates: list[_Candidate], logits: Tensor, leaf: Tensor) -> _Candidate:
    """The last candidate; but where it is a side branch, the last equally coarse map that is not.

    Args:
        candidates: the last one first.
        logits: end of the trace.
        leaf: its beginning.
    """
    first, last = candidates[0]
    if last.layout == "tokens":
        return _sequence(candidates)  # the path around it carries only the class token
    top, source = get_gradient_edge(logits).node, get_gradient_edge(leaf).node
    for call, layer in candidates:
        if layer.height > 2 * last.height:
            break  # a complete map of twice the resolution says less than a branch of the last one
        if not has_path_around(top, source, call.edge.node):
            return call, layer
    return first, replace(last, why=last.why + ", partly through other layers")


def _sequence(candidates: list[_Candidate]) -> _Candidate:
    """The last candidate; but where it is one projection of the tokens, such as to values, the tokens."""
    first, last = candidates[0]
    if isinstance(first.module, nn.Linear):
        for call, layer in candidates[1:]:
            if layer.layout != "tokens" or layer.height != last.height:
                break
            if not isinstance(call.module, nn.Linear):
                return call, layer
    return first, last


def _with_call(layer: TargetLayer, call: LayerCall, calls: list[LayerCall]) -> TargetLayer:
    """The layer with the number of the call, which the reason names if there are several maps."""
    numbers = [one.number for one in calls if one.name == call.name]
    if isinstance(call.module, OcclusionMaps):
        return replace(layer, why=call.module.why_chosen, is_occlusion=True)
    if len(numbers) == 1:
        return replace(layer, call=call.number)
    which = "the last one" if call.number == max(numbers) else f"number {call.number + 1}"
    several = f"the module returns {len(numbers)} maps in a forward pass, of which this is {which}"
    return replace(layer, call=call.number, why=f"{layer.why}; {several}")


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
    mixture = torch.randn(logits.shape, generator=generator, dtype=torch.float32, device="cpu").to(
        logits
    )
    edges = {call.key: call.edge for call in calls}
    if not edges:
        return {}
    # Of a number: for several, torch imports SymPy, which takes 60 MB.
    with torch.enable_grad():
        number = (logits * mixture).sum()
    gradients = torch.autograd.grad(number, list(edges.values()), allow_unused=True)
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
    # A module that is shared has several names; its outputs are recorded under the first of them.
    first: dict[int, str] = {id(part): known for known, part in module.named_modules()}
    everywhere = module.named_modules(remove_duplicate=False)
    aliases: dict[str, str] = {known: first[id(part)] for known, part in everywhere if known}
    names = list(aliases)
    if name in aliases:
        return aliases[name]
    for prefix in ("module.", "_orig_mod."):
        if wrapped is not module and name.removeprefix(prefix) in aliases:
            return aliases[name.removeprefix(prefix)]
    near = difflib.get_close_matches(name, names, n=5, cutoff=0.5) or names[-5:]
    raise ModelError(
        f"expected the dotted name of a layer of {network_name(module)}; there is no {name!r}; "
        f"similar names: {', '.join(near)}"
    )


def _named(
    name: str,
    calls: list[LayerCall],
    readable: list[_Candidate],
    gradients: dict[tuple[Node, int], Tensor | None],
) -> TargetLayer:
    """The last call of the named module that returns a map on which the logits depend."""
    own = [(call, layer) for call, layer in readable if call.name == name]
    if not own:
        shapes = [call.shape for call in calls if call.name == name]
        got = shapes[-1] if shapes else "no differentiable (N, …) tensor"
        others = list(dict.fromkeys(call.name for call, _ in readable))
        near = difflib.get_close_matches(name, others, n=5, cutoff=0.0)
        raise ModelError(
            f"expected target_layer {name!r} to return a map, (N, C, h, w), (N, h, w, C) or image "
            f"tokens (N, T, C); for {TRACED_IMAGES} images it returned {got}; layers that return a "
            f"map: {', '.join(near) or 'none'}"
        )
    for call, layer in own:
        if _has_effect(layer, gradients.get(call.key), strict=layer.layout == "tokens"):
            return _with_call(layer, call, calls)
    raise ModelError(
        f"expected logits that depend on the places of target_layer {name!r}; their gradient "
        "there is zero, so that its Grad-CAM would be empty: choose a layer before it, or leave "
        "target_layer out"
    )
