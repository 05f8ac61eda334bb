"""The autograd graph: which nodes are ReLU-like activations, other activations, or neither.

The rules of guided backpropagation and of the deconvolutional network apply to ReLUs. The types of
the modules do not show where these are (``F.relu``, ``x.clamp(min=0)``, one module used twice). The
recorded graph does: it has one node for each operation that was executed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.autograd.graph import Node

from auditor.autograd.low_memory import ClippedReLU, FrozenBatchNorm
from auditor.autograd.strided_convolution import StridedConvolution

Rule = Literal["plain", "guided", "deconvnet"]
"""What a ReLU-like activation does to the signal in the backward pass: multiply it with the
derivative, or apply the rule of one of the two papers."""

NodeKind = Literal["relu-like", "activation", "structure"]

_STRUCTURE = re.compile(
    r"AccumulateGrad|AdaptiveAvgPool2D|AdaptiveAvgPool3D|AdaptiveMaxPool2D|Add|"
    r"Addbmm|Addcmul|Addmm|Addmv|Alias|Amax|Amin|AsStrided|AvgPool2D|"
    r"AvgPool3D|Baddbmm|Bmm|Cat|Clone|Col2Im|ConstantPadNd|Contiguous|"
    r"Convolution|ConvolutionOverrideable|Copy|CudnnBatchNorm|"
    r"CudnnConvolution|Detach|Diagonal|Div|Dot|Expand|Flip|FusedRmsNorm|"
    r"Gather|GridSampler2D|Identity|Im2Col|Index|IndexSelect|InstanceNorm|"
    r"LayerNorm|Lift|LinalgVectorNorm|Linear|Max|MaxPool2DWithIndices|"
    r"MaxPool3DWithIndices|Mean|MiopenBatchNorm|MkldnnAdaptiveAvgPool2D|"
    r"MkldnnConvolution|Mm|Mul|Mv|NativeBatchNorm|NativeGroupNorm|"
    r"NativeLayerNorm|Neg|Permute|PixelShuffle|PixelUnshuffle|ReflectionPad2D|"
    r"Repeat|RepeatInterleave|ReplicationPad2D|Reshape|ReshapeAlias|Roll|Rsqrt|"
    r"Rsub|SafeSplit|Select|Slice|SlowConv2D|SlowConvDilated2D|Split|"
    r"SplitWithSizes|Squeeze|Stack|Std|StdMean|Sub|Sum|T|Tile|ToCopy|"
    r"Transpose|TrueDivide|Unbind|Unfold|UnsafeSplit|UnsafeView|Unsqueeze|"
    r"UpsampleBicubic2D|UpsampleBilinear2D|UpsampleNearest2D|Var|VarMean|View|"
    r"ViewAsReal"
)
"""Nodes that are not activations: linear, shape, pooling and normalisation operations. Any other node
that is not ReLU-like counts as an activation that the rules do not cover. This includes unknown
operations: they can only make a verdict stricter."""


def operation_name(node: Node) -> str:
    """Name of a node's operation: ``ReluBackward0`` becomes ``Relu``."""
    return re.sub(r"(Backward\w?\d*|\d+)+$", "", node.name().rsplit("::", 1)[-1])


def nodes_between(outputs: Iterable[Node], source: Node) -> list[Node]:
    """All nodes on a path from ``outputs`` back to ``source``.

    Args:
        outputs: the nodes to start from, such as that of the logits.
        source: the node of the images (their ``AccumulateGrad``).

    Returns:
        The nodes, without ``source``, in post-order; empty where there is no path.
    """
    leads: dict[Node, bool] = {source: True}
    order: list[Node] = []
    stack: list[tuple[Node, bool]] = [(node, False) for node in outputs]
    seen: set[Node] = set()
    while stack:  # no recursion: graphs are thousands of nodes deep
        node, done = stack.pop()
        children = [child for child, _ in node.next_functions if child is not None]
        if done:
            leads[node] = any(leads.get(child, False) for child in children)
            if leads[node]:
                order.append(node)
        elif node not in seen and node is not source:
            seen.add(node)
            stack.append((node, True))
            stack.extend((child, False) for child in children if child not in seen)
    return order


def has_path_around(top: Node, source: Node, node: Node) -> bool:
    """Whether a path from ``top`` back to ``source`` avoids ``node``."""
    stack, seen = [top], {node}
    while stack:
        current = stack.pop()
        if current is source:
            return True
        if current not in seen:
            seen.add(current)
            stack.extend(child for child, _ in current.next_functions if child is not None)
    return False


def node_kind(node: Node) -> NodeKind:
    """Whether a node is a ReLU-like activation, another activation, or neither.

    A ReLU-like activation passes positive inputs on and sets the others to 0: ``relu``,
    ``threshold`` at 0, ``hardtanh``, ``clamp`` and ``clamp_min`` with lower bound 0 (and any upper
    bound), ``maximum`` with a constant 0, and ``leaky_relu`` with slope 0.
    """
    name = operation_name(node)
    if name in {"Relu", ClippedReLU.__name__}:
        return "relu-like"
    if name in {FrozenBatchNorm.__name__, StridedConvolution.__name__}:
        return "structure"
    bound = _lower_bound(node, name)
    if bound is not None:
        if 0 < bound <= 1e-3 and name == "ClampMin":
            return "structure"  # a guard against division by zero, as in `normalize`
        return "relu-like" if bound == 0.0 else "activation"
    if name == "Mul":
        return "activation" if _is_mask_product(node) else "structure"
    return "structure" if _STRUCTURE.fullmatch(name) else "activation"


def activation_name(node: Node) -> str:
    """Name of an activation in reports: ``HardswishBackward0`` becomes ``hardswish``."""
    if operation_name(node) == "Mul":
        return "product with a mask"
    if operation_name(node).startswith("ScaledDotProduct"):
        return "attention"  # there is one operation per kernel
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", operation_name(node)).lower()


def register_rule(nodes: Sequence[Node], rule: Rule) -> list[torch.utils.hooks.RemovableHandle]:
    """Registers hooks that apply a rule in the backward pass; the caller removes them.

    The hooks are on the nodes of one recorded graph, never on the model.

    Args:
        nodes: ReLU-like activations.
        rule: ``"plain"`` keeps the derivative.

    Returns:
        One handle per node.
    """
    if rule == "plain":
        return []
    make = _guided if rule == "guided" else _deconvnet
    return [node.register_hook(make(node)) for node in nodes]


_Hook = Callable[[tuple[Tensor, ...], tuple[Tensor, ...]], tuple[Tensor, ...]]


def _guided(node: Node) -> _Hook:
    ties = operation_name(node) in _PASSES_AT_ZERO

    def hook(inputs: tuple[Tensor, ...], _: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        # Autograd's derivative is (f > 0) · R already; the rest of the rule is (R > 0).
        # In place, because nothing else refers to the derivative.
        if ties:
            source = _input(node)
            return tuple(
                g if g is None else g.clamp_(min=0).masked_fill_(source <= 0, 0.0) for g in inputs
            )
        return tuple(g if g is None else g.clamp_(min=0) for g in inputs)

    return hook


def _deconvnet(_: Node) -> _Hook:
    def hook(inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(g if g is None else outputs[0].clamp(min=0) for g in inputs)

    return hook


_PASSES_AT_ZERO = frozenset({"Clamp", "ClampMin", "Maximum", "Fmax"})
"""ReLU-like activations to which autograd gives the derivative 1 or 1/2 where the input is exactly 0;
by the rule it is 0, as for ``relu``."""


def _input(node: Node) -> Tensor:
    """The input of a ReLU-like activation."""
    if operation_name(node) in {"Maximum", "Fmax"} and node.next_functions[0][0] is None:
        other: Tensor = node._saved_other  # type: ignore[attr-defined]  # noqa: SLF001
        return other
    source: Tensor = node._saved_self  # type: ignore[attr-defined]  # noqa: SLF001
    return source


def _lower_bound(node: Node, name: str) -> float | None:
    """Lower bound of a node that clips; NaN where it has none; None for nodes that do not clip."""
    match name:
        case "Hardtanh":
            bound = node._saved_min_val  # type: ignore[attr-defined]  # noqa: SLF001
        case "Threshold":
            bound = node._saved_threshold  # type: ignore[attr-defined]  # noqa: SLF001
        case "LeakyRelu":
            bound = node._saved_negative_slope  # type: ignore[attr-defined]  # noqa: SLF001
        case "Clamp" | "ClampMin":
            bound = node._saved_min  # type: ignore[attr-defined]  # noqa: SLF001
        case "Maximum" | "Fmax":
            left, right = (edge[0] for edge in node.next_functions)
            if left is not None and right is not None:
                return None  # the maximum of two branches is a maxout
            bound = (
                node._saved_other  # type: ignore[attr-defined]  # noqa: SLF001
                if right is None
                else node._saved_self  # type: ignore[attr-defined]  # noqa: SLF001
            )
        case _:
            return None
    if bound is None:
        return float("nan")
    if isinstance(bound, Tensor):
        return 0.0 if bool((bound == 0).all()) else float("nan")
    return float(bound)


def _is_mask_product(node: Node) -> bool:
    """Whether a product multiplies by a constant of zeros and ones, such as ``x * (x > 0)``."""
    left, right = (edge[0] for edge in node.next_functions)
    if left is not None and right is not None:
        return False
    constant = (
        node._saved_other  # type: ignore[attr-defined]  # noqa: SLF001
        if right is None
        else node._saved_self  # type: ignore[attr-defined]  # noqa: SLF001
    )
    if not isinstance(constant, Tensor) or constant.numel() == 1:
        return False
    return bool(((constant == 0) | (constant == 1)).all()) and bool((constant == 0).any())
