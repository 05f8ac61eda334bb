"""Which layer Grad-CAM looks at: found by tracing one forward, never by the model's name.

A layer can be explained when it puts out a map: (N, C, h, w) as in convolutional networks,
(N, h, w, C) as in Swin, or (N, T, C) tokens as in vision transformers. Which token stands for
which place is measured on the model itself, class tokens drop out on the way.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, Node, get_gradient_edge

from auditor.autograd.forward import as_leaf, check_images, forward
from auditor.autograd.graph import has_way_around
from auditor.autograd.model_state import frozen_eval, unwrap
from auditor.errors import ModelError

Layout = Literal["NCHW", "NHWC", "tokens"]

_ROWS = 2
"""Images in the trace; two, so that an axis of windows is not taken for the axis of images."""


@dataclass(frozen=True, eq=False)
class TargetLayer:
    """A layer whose output is a map, and how to read it.

    Attributes:
        name: dotted name in the unwrapped model.
        channels: C.
        height: h, rows of the map.
        width: w, columns of the map.
        layout: of the module's own output.
        tokens: (h · w,) int64, the token that stands for each place, row by row; None unless
            ``layout`` is ``"tokens"``.
        why: one sentence for the report.
    """

    name: str
    channels: int
    height: int
    width: int
    layout: Layout
    tokens: Tensor | None
    why: str

    def to_map(self, output: Tensor) -> Tensor:
        """The module's output, or a gradient of its shape, as (n, C, h, w)."""
        match self.layout:
            case "NCHW":
                return output
            case "NHWC":
                return output.permute(0, 3, 1, 2)
            case "tokens":
                assert self.tokens is not None
                places = output[:, self.tokens.to(output.device)].transpose(1, 2)
                return places.reshape(-1, self.channels, self.height, self.width)


@dataclass(frozen=True, eq=False)
class _Call:
    """One module call of the trace."""

    name: str
    module: nn.Module
    shape: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    edge: GradientEdge

    @property
    def key(self) -> tuple[Node, int]:
        """Equal for modules that hand on the very same tensor."""
        return self.edge.node, self.edge.output_nr


@dataclass(frozen=True, eq=False)
class _Tokens:
    """A token sequence of known geometry: which token stands for which place of which map."""

    length: int
    channels: int
    height: int
    width: int
    index: Tensor
    dropped: int


def find_layer(model: nn.Module, images: Tensor, name: str | None = None) -> TargetLayer:
    """The layer that Grad-CAM looks at.

    Args:
        model: a classifier, (N, 3, H, W) → (N, K); left as it was.
        images: (N, 3, H, W), floating; the first image is traced.
        name: dotted name, or None for the last layer whose output is a map on which the logits
            depend. Layers that only pool are passed over (they blur what the layer before them
            says), and so are tokens that nothing reads any more (those of a vision transformer
            after its last attention).

    Returns:
        The layer with its geometry.

    Raises:
        ModelError: there is no layer of that name, it puts out no map, or the logits do not depend
            on it; without a name, no layer puts out a map. The message lists near names.
    """
    check_images(images)
    module = unwrap(model)
    if name is not None:
        name = _resolve(module, model, name)
    with frozen_eval(module):
        leaf = as_leaf(module, images[:1].expand(_ROWS, *images.shape[1:]))
        size = (leaf.shape[2], leaf.shape[3])
        calls, logits = _trace(module, leaf)
        last = {call.name: call for call in calls}  # a module used many times: its last use
        tokens = _token_geometry(calls, size)
        reading = {
            call.name: read
            for call in last.values()
            if (read := _read(call, size, tokens, asked=name == call.name)) is not None
        }
        pooled = {call.key for call in calls if _only_pools(call.module)}
        ordered = sorted(last.values(), key=calls.index)
        signal = _signal(logits, [call for call in ordered if call.name in reading])
        if name is not None:
            return _asked_for(name, last, reading, signal)
        candidates = [
            call
            for call in reversed(ordered)
            if call.key not in pooled
            and call.name in reading
            and _matters(reading[call.name], signal.get(call.key), strict=bool(tokens))
        ]
        if candidates:
            return _choose(candidates, reading, logits, leaf)
    raise ModelError(
        "expected a layer whose output is a map, (N, C, h, w), (N, h, w, C) or image tokens "
        "(N, T, C), on which the logits depend; found none among "
        f"{len(last)} modules of {type(module).__name__}: name one as target_layer, or use "
        "larger images if the maps shrink to a single place; a token model whose head is all "
        "zeros, as before training, has none either"
    )


def _choose(
    candidates: list[_Call], reading: dict[str, TargetLayer], logits: Tensor, leaf: Tensor
) -> TargetLayer:
    """The last candidate, unless it is a side branch of a map as coarse that has no way around it.

    Args:
        candidates: the last one first.
        reading: how each is read.
        logits: end of the trace.
        leaf: its beginning.

    Returns:
        One of ``reading``.
    """
    last = reading[candidates[0].name]
    if last.layout == "tokens":
        return last  # the way around it carries the class token alone
    top, source = get_gradient_edge(logits).node, get_gradient_edge(leaf).node
    for call in candidates:
        layer = reading[call.name]
        if layer.height > 2 * last.height:
            break  # a whole map twice as fine again says less than a branch of the last one
        if not has_way_around(top, source, call.edge.node):
            return layer
    return replace(last, why=last.why + ", by way of other layers, too")


def as_layer(model: nn.Module, images: Tensor, layer: str | TargetLayer | None) -> TargetLayer:
    """``layer`` itself where it is one already, else what ``find_layer`` returns."""
    return layer if isinstance(layer, TargetLayer) else find_layer(model, images, layer)


def _trace(module: nn.Module, leaf: Tensor) -> tuple[list[_Call], Tensor]:
    calls: list[_Call] = []
    handles = []
    try:
        for name, part in module.named_modules():
            if not name:
                continue

            def note(part: nn.Module, _: object, output: object, name: str = name) -> None:
                if (
                    isinstance(output, Tensor)
                    and output.requires_grad
                    and output.ndim in (3, 4)
                    and len(output) == _ROWS
                ):
                    edge = get_gradient_edge(output)
                    shape = tuple(output.shape)
                    calls.append(_Call(name, part, shape, output.dtype, output.device, edge))

            handles.append(part.register_forward_hook(note))
        return calls, forward(module, leaf)
    finally:
        for handle in handles:
            handle.remove()


def _token_geometry(calls: list[_Call], size: tuple[int, int]) -> dict[tuple[int, int], _Tokens]:
    """For each length and width of token sequence, which token stands for which place.

    Measured between the last map before the sequence and the sequence: as long as every token
    depends on one place only (an embedding, a position, a norm, but no attention yet), the gradient
    of Σ_t (t + 1) · ⟨r, token_t⟩ with respect to the map is (t + 1) times that of Σ_t ⟨r, token_t⟩
    at the place of token t.
    """
    known: dict[tuple[int, int], _Tokens] = {}
    source: _Call | None = None
    for call in calls:
        if len(call.shape) == 4:
            if _map_layout(call.shape, size) == "NCHW":
                source = call
            continue
        length, width = call.shape[1:]
        if source is None or width != source.shape[1] or (length, width) in known:
            continue
        rows, columns = source.shape[2:]
        if not rows * columns <= length <= rows * columns + 64:
            continue
        index = _places(source, call)
        if index is not None:
            known[length, width] = _Tokens(
                length, width, rows, columns, index, length - rows * columns
            )
    return known


def _places(source: _Call, tokens: _Call) -> Tensor | None:
    generator = torch.Generator().manual_seed(0)
    _, length, width = tokens.shape
    device, dtype = tokens.device, tokens.dtype
    probe = torch.randn(width, generator=generator).to(device, dtype).expand(tokens.shape)
    number = torch.arange(1, length + 1, device=device, dtype=dtype)[:, None]
    one, many = (
        torch.autograd.grad(
            [tokens.edge],
            [source.edge],
            grad_outputs=[seed],
            retain_graph=True,
            materialize_grads=True,
        )[0]
        for seed in (probe, probe * number)
    )
    one, many = one.double(), many.double()
    ratio = (one * many).sum(1) / (one * one).sum(1).clamp_min(1e-300)
    residual = (many - ratio[:, None] * one).norm() / many.norm().clamp_min(1e-300)
    index = ratio[0].round().long().flatten() - 1
    exact = float(residual) < 1e-3 and bool(((ratio - ratio.round()).abs() < 0.1).all())
    distinct = len(set(index.tolist())) == len(index)
    inside = bool(((index >= 0) & (index < length)).all())
    return index.cpu() if exact and distinct and inside else None


def _map_layout(shape: tuple[int, ...], size: tuple[int, int]) -> Layout | None:
    """NCHW or NHWC, by which pair of axes keeps the image's proportions; None for neither."""
    fits: dict[Layout, float] = {}
    pairs: tuple[tuple[Layout, int, int], ...] = (
        ("NCHW", shape[2], shape[3]),
        ("NHWC", shape[1], shape[2]),
    )
    for layout, rows, columns in pairs:
        expected = columns * size[0] / size[1]
        off = abs(rows - expected)
        # Strides and paddings round; more than that is another axis.
        if rows * columns > 1 and off <= max(1.5, 0.25 * expected):
            fits[layout] = off / max(rows, expected)
    if not fits:
        return None
    return "NCHW" if fits.get("NCHW", math.inf) <= fits.get("NHWC", math.inf) else "NHWC"


def _read(
    call: _Call,
    size: tuple[int, int],
    tokens: dict[tuple[int, int], _Tokens],
    *,
    asked: bool,
) -> TargetLayer | None:
    """How to read one module's output; None where it is no map."""
    if len(call.shape) == 3:
        geometry = tokens.get((call.shape[1], call.shape[2]))
        if geometry is None:
            return None
        why = (
            f"the last layer whose {geometry.length} tokens of {geometry.channels} channels still "
            f"reach the logits, read as a {geometry.height} × {geometry.width} map"
            + (f" without its {geometry.dropped} class token(s)" if geometry.dropped else "")
        )
        return TargetLayer(
            call.name,
            geometry.channels,
            geometry.height,
            geometry.width,
            "tokens",
            geometry.index,
            "named by the configuration" if asked else why,
        )
    layout = _map_layout(call.shape, size)
    if layout is None and asked and math.prod(call.shape[2:]) > 1:
        layout = "NCHW"
    if layout is None:
        return None
    _, *rest = call.shape
    channels, height, width = rest if layout == "NCHW" else (rest[2], rest[0], rest[1])
    if not asked and any(height > grid.height for grid in tokens.values()):
        return None  # attention weights of a token model: (N, heads, T, T)
    why = (
        f"the last layer whose output is a spatial map ({channels} channels of "
        f"{height} × {width}) on which the logits depend"
    )
    return TargetLayer(
        call.name,
        channels,
        height,
        width,
        layout,
        None,
        "named by the configuration" if asked else why,
    )


def _only_pools(module: nn.Module) -> bool:
    named = "pool" in type(module).__name__.lower()
    return named and next(module.parameters(), None) is None


def _signal(logits: Tensor, calls: list[_Call]) -> dict[tuple[Node, int], Tensor | None]:
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


def _matters(layer: TargetLayer, gradient: Tensor | None, *, strict: bool) -> bool:
    """Whether the logits depend on the places of a map.

    A map of a convolutional network counts when it is connected at all: its gradient may be 0 by
    chance, behind dead rectifiers. In a model with tokens (``strict``) connection says little: the
    last layers' image tokens are computed and never read.
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
        f"near names: {', '.join(near)}"
    )


def _asked_for(
    name: str,
    last: dict[str, _Call],
    reading: dict[str, TargetLayer],
    signal: dict[tuple[Node, int], Tensor | None],
) -> TargetLayer:
    if name not in reading:
        came = last[name].shape if name in last else "no differentiable (N, …) tensor"
        near = difflib.get_close_matches(name, list(reading), n=5, cutoff=0.0)
        raise ModelError(
            f"expected target_layer {name!r} to put out a map, (N, C, h, w), (N, h, w, C) or image "
            f"tokens (N, T, C); for {_ROWS} images it put out {came}; layers that do: "
            f"{', '.join(near) or 'none'}"
        )
    gradient = signal.get(last[name].key)
    if not _matters(reading[name], gradient, strict=reading[name].layout == "tokens"):
        raise ModelError(
            f"expected logits that depend on the places of target_layer {name!r}; their gradient "
            "there is zero, so its Grad-CAM would be empty: choose a layer before it, or leave "
            "target_layer out"
        )
    return reading[name]
