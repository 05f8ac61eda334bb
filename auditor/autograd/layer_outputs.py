"""Outputs of all layers in one traced forward pass, and their layout as maps or image tokens."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, Node, get_gradient_edge

from auditor.autograd.forward import forward

Layout = Literal["NCHW", "NHWC", "tokens"]

TRACED_IMAGES = 2
"""Batch size of the trace; 2, so that an axis of windows is not mistaken for the axis of images."""
_MOST_TRIED = 4
"""Sequences whose tokens are compared with patches of the image; later ones mix the patches."""


@dataclass(frozen=True, eq=False)
class LayerCall:
    """One call of a module during the trace.

    Attributes:
        name: dotted name of the module.
        module: the module itself.
        shape: of its output, (2, …).
        dtype: of its output.
        device: of its output.
        edge: where its output is in the graph.
        number: how often the module had run before.
    """

    name: str
    module: nn.Module
    shape: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    edge: GradientEdge
    number: int

    @property
    def key(self) -> tuple[Node, int]:
        """Equal for modules that return the very same tensor."""
        return self.edge.node, self.edge.output_nr


@dataclass(frozen=True, eq=False)
class TokenGeometry:
    """Which token of a sequence represents which place of the image.

    Attributes:
        length: T, tokens in the sequence.
        channels: C.
        height: h, rows of places.
        width: w, columns of places.
        index: (h · w,) int64, the token of each place, row by row.
    """

    length: int
    channels: int
    height: int
    width: int
    index: Tensor

    @property
    def n_class_tokens(self) -> int:
        """Number of tokens that represent no place."""
        return self.length - self.height * self.width


def trace(module: nn.Module, leaf: Tensor) -> tuple[list[LayerCall], Tensor]:
    """Runs one forward pass and records every module output that could be a map.

    Args:
        module: in evaluation mode.
        leaf: (2, 3, H, W), what ``as_leaf`` returned.

    Returns:
        The calls with a differentiable output (2, …) of three or four axes, in the order of
        execution, and the logits.
    """
    calls: list[LayerCall] = []
    n_runs: Counter[str] = Counter()
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
                    and len(output) == TRACED_IMAGES
                ):
                    edge = get_gradient_edge(output)
                    shape = tuple(output.shape)
                    calls.append(
                        LayerCall(
                            name, part, shape, output.dtype, output.device, edge, n_runs[name]
                        )
                    )
                n_runs[name] += 1

            handles.append(part.register_forward_hook(note))
        return calls, forward(module, leaf)
    finally:
        for handle in handles:
            handle.remove()


def map_layout(shape: tuple[int, ...], size: tuple[int, int]) -> Layout | None:
    """Whether a four-axis output is NCHW or NHWC: which pair of axes keeps the aspect ratio.

    Args:
        shape: of the output.
        size: (H, W) of the images.

    Returns:
        The layout; None where neither pair fits.
    """
    fits: dict[Layout, float] = {}
    pairs: tuple[tuple[Layout, int, int], ...] = (
        ("NCHW", shape[2], shape[3]),
        ("NHWC", shape[1], shape[2]),
    )
    for layout, rows, columns in pairs:
        expected = columns * size[0] / size[1]
        difference = abs(rows - expected)
        # Strides and paddings round; a larger difference means another axis.
        if rows * columns > 1 and difference <= max(1.5, 0.25 * expected):
            fits[layout] = difference / max(rows, expected)
    if not fits:
        return None
    return "NCHW" if fits.get("NCHW", math.inf) <= fits.get("NHWC", math.inf) else "NHWC"


def token_geometries(calls: list[LayerCall], leaf: Tensor) -> dict[tuple[int, int], TokenGeometry]:
    """The geometry of every token sequence that is made from a map.

    It is measured between the sequence and the last map before it. As long as every token depends
    on one place only (after embedding, position and norm, but before any attention), the gradient
    of Σ_t (t + 1) · ⟨r, token_t⟩ with respect to the map is, at the place of token t, (t + 1) times
    that of Σ_t ⟨r, token_t⟩. Where no map comes before the sequence, such as in a transformer that cuts
    the image into patches by reshaping it, the image itself takes the place of the map. Where later layers
    merge square patches of tokens into one, as in Swin, the tokens before them take its place.

    Args:
        calls: the trace.
        leaf: the images of the trace.

    Returns:
        Length and channels of a sequence → its geometry.
    """
    known: dict[tuple[int, int], TokenGeometry] = {}
    source: LayerCall | None = None  # the last map
    last: LayerCall | None = None  # the last sequence of a known geometry
    size = (leaf.shape[2], leaf.shape[3])
    n_tried = 0
    for call in calls:
        if len(call.shape) == 4:
            if map_layout(call.shape, size) == "NCHW":
                source = call
            continue
        key = (call.shape[1], call.shape[2])
        if key in known:
            last = call
            continue
        geometry = _geometry_of_merged(last, known, call)
        if geometry is not None:  # `last` stays: further sequences may be made from it
            known[key] = geometry
            continue
        if source is not None:
            geometry = _geometry_of_map(source, call)
        elif n_tried < _MOST_TRIED:
            n_tried += 1
            geometry = _geometry_of_patches(leaf, call)
        if geometry is not None:
            known[key], last = geometry, call
    return known


def _geometry_of_map(source: LayerCall, tokens: LayerCall) -> TokenGeometry | None:
    """The geometry of tokens that each represent a place of the map before; None for any others."""
    length, channels = tokens.shape[1:]
    rows, columns = source.shape[2:]
    if channels != source.shape[1] or not rows * columns <= length <= rows * columns + 64:
        return None
    index = _token_of_place(source.edge, tokens)
    return None if index is None else TokenGeometry(length, channels, rows, columns, index)


def _geometry_of_patches(leaf: Tensor, tokens: LayerCall) -> TokenGeometry | None:
    """The geometry of tokens that each depend on one patch of the image; None for any others."""
    height, width = leaf.shape[2:]
    index = _token_of_place(get_gradient_edge(leaf), tokens, distinct=False)
    return None if index is None else _geometry_of_squares(index.view(height, width), tokens)


def _geometry_of_merged(
    before: LayerCall | None, known: Mapping[tuple[int, int], TokenGeometry], tokens: LayerCall
) -> TokenGeometry | None:
    """The geometry of tokens that each depend on a square of the tokens before; None for any others."""
    if before is None or tokens.shape[1] >= before.shape[1]:
        return None
    geometry = known[before.shape[1], before.shape[2]]
    height, width = geometry.height, geometry.width
    n_before, n_after = height * width, tokens.shape[1]
    if geometry.n_class_tokens or n_before % n_after or math.isqrt(n_before // n_after) < 2:
        return None
    index = _token_of_place(before.edge, tokens, distinct=False)
    if index is None:
        return None
    return _geometry_of_squares(index[geometry.index].view(height, width), tokens)


def _geometry_of_squares(places: Tensor, tokens: LayerCall) -> TokenGeometry | None:
    """The geometry of tokens that each belong to a square of places.

    Args:
        places: (H, W) int64, the token of each place.
        tokens: the sequence.
    """
    height, width = places.shape
    n_patches = len(set(places.flatten().tolist()))
    side = math.isqrt(height * width // n_patches)
    if n_patches < 2 or side * side * n_patches != height * width or height % side or width % side:
        return None
    rows, columns = height // side, width // side
    patches = places.view(rows, side, columns, side)
    corners = patches[:, :1, :, :1]
    if bool((patches != corners).any()):
        return None
    length, channels = tokens.shape[1:]
    return TokenGeometry(length, channels, rows, columns, corners.flatten())


def _token_of_place(
    source: GradientEdge, tokens: LayerCall, *, distinct: bool = True
) -> Tensor | None:
    """(h · w,) int64; None where a place does not belong to exactly one token.

    Args:
        source: where the map, or an earlier sequence (2, h · w, C), is in the graph.
        tokens: the sequence.
        distinct: whether each token must belong to one place only.
    """
    generator = torch.Generator().manual_seed(0)
    _, length, width = tokens.shape
    device, dtype = tokens.device, tokens.dtype
    probe = (
        torch.randn(width, generator=generator, dtype=torch.float32, device="cpu")
        .to(device, dtype)
        .expand(tokens.shape)
    )
    number = torch.arange(1, length + 1, device=device, dtype=dtype)[:, None]
    found: list[Tensor | None] = [
        torch.autograd.grad(
            [tokens.edge], [source], grad_outputs=[seed], retain_graph=True, allow_unused=True
        )[0]
        for seed in (probe, probe * number)
    ]
    gradients = [one.double() for one in found if one is not None]
    if len(gradients) < len(found):
        return None
    one, many = gradients
    if one.ndim == 3:  # a sequence of tokens: its channels come last
        one, many = one.transpose(1, 2), many.transpose(1, 2)
    ratio = (one * many).sum(1) / (one * one).sum(1).clamp_min(1e-300)
    residual = (many - ratio[:, None] * one).norm() / many.norm().clamp_min(1e-300)
    index = ratio[0].round().long().flatten() - 1
    exact = float(residual) < 1e-3 and bool(((ratio - ratio.round()).abs() < 0.1).all())
    unique = not distinct or len(set(index.tolist())) == len(index)
    inside = bool(((index >= 0) & (index < length)).all())
    return index.cpu() if exact and unique and inside else None
