"""What autograd recorded: which nodes are rectifiers, which other activations, which neither.

The rules of guided backpropagation and of the deconvolutional network speak of rectifiers. Module
types do not tell where those are (``F.relu``, ``x.clamp(min=0)``, one module used twice), but the
recorded graph does: one node for each operation that was really carried out.
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
"""How a rectifier hands a signal back: by its derivative, or by one of the two papers' rules."""

Kind = Literal["rectifier", "activation", "structure"]

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
"""Nodes that are no activation: linear, shape, pooling and normalisation. Whatever is neither here
nor a rectifier counts as an activation that the rules do not cover, unknown names included, so that
an operation nobody thought of makes a verdict stricter, never looser."""


def stem(node: Node) -> str:
    """The operation's name: ``ReluBackward0`` becomes ``Relu``."""
    return re.sub(r"(Backward\w?\d*|\d+)+$", "", node.name().rsplit("::", 1)[-1])


def nodes_between(outputs: Iterable[Node], source: Node) -> list[Node]:
    """Every node on a path from ``outputs`` back to ``source``.

    Args:
        outputs: where the walk begins, the logits' node.
        source: the node of the images (their ``AccumulateGrad``).

    Returns:
        The nodes, without ``source``, in the order of the walk; empty where there is no path.
    """
    leads: dict[Node, bool] = {source: True}
    order: list[Node] = []
    stack: list[tuple[Node, bool]] = [(node, False) for node in outputs]
    seen: set[Node] = set()
    while stack:  # a loop, not a recursion: graphs are thousands of nodes deep
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


def has_way_around(top: Node, source: Node, node: Node) -> bool:
    """Whether a path leads from ``top`` back to ``source`` that does not pass ``node``."""
    stack, seen = [top], {node}
    while stack:
        current = stack.pop()
        if current is source:
            return True
        if current not in seen:
            seen.add(current)
            stack.extend(child for child, _ in current.next_functions if child is not None)
    return False


def kind(node: Node) -> Kind:
    """Whether a node is a rectifier, another activation, or neither.

    A rectifier lets its input through where it is positive and nothing where it is not:
    ``relu``, ``threshold`` at 0, ``hardtanh``, ``clamp`` and ``clamp_min`` with lower bound 0
    (whatever the upper bound), ``maximum`` with a constant 0, and ``leaky_relu`` of slope 0.
    """
    name = stem(node)
    if name in {"Relu", ClippedReLU.__name__}:
        return "rectifier"
    if name in {FrozenBatchNorm.__name__, StridedConvolution.__name__}:
        return "structure"
    bound = _lower_bound(node, name)
    if bound is not None:
        if 0 < bound <= 1e-3 and name == "ClampMin":
            return "structure"  # a guard against division by zero, as in `normalize`
        return "rectifier" if bound == 0.0 else "activation"
    if name == "Mul":
        return "activation" if _is_mask_product(node) else "structure"
    return "structure" if _STRUCTURE.fullmatch(name) else "activation"


def activation_name(node: Node) -> str:
    """How reports call an activation: ``HardswishBackward0`` becomes ``hardswish``."""
    if stem(node) == "Mul":
        return "product with a mask"
    if stem(node).startswith("ScaledDotProduct"):
        return "attention"  # whichever kernel computes it
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", stem(node)).lower()


def with_rule(nodes: Sequence[Node], rule: Rule) -> list[torch.utils.hooks.RemovableHandle]:
    """Puts a rule on rectifier nodes; the caller removes the handles.

    Hooks live on the nodes of one recorded graph, never on the model.

    Args:
        nodes: rectifier nodes.
        rule: ``"plain"`` leaves the derivative.

    Returns:
        One handle a node.
    """
    if rule == "plain":
        return []
    make = _guided if rule == "guided" else _deconvnet
    return [node.register_hook(make(node)) for node in nodes]


_Hook = Callable[[tuple[Tensor, ...], tuple[Tensor, ...]], tuple[Tensor, ...]]


def _guided(node: Node) -> _Hook:
    ties = stem(node) in _PASSES_AT_ZERO

    def hook(inputs: tuple[Tensor, ...], _: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        # Autograd's derivative is already (f > 0) · R; what is left of the rule is (R > 0).
        # In place: the derivative of a rectifier is a fresh tensor that nobody else holds.
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
"""Rectifiers whose derivative autograd sets to 1 or 1/2 where the input is exactly 0; the rule says
0 there, as for ``relu``."""


def _input(node: Node) -> Tensor:
    """What the rectifier was applied to."""
    if stem(node) in {"Maximum", "Fmax"} and node.next_functions[0][0] is None:
        other: Tensor = node._saved_other  # type: ignore[attr-defined]  # noqa: SLF001
        return other
    source: Tensor = node._saved_self  # type: ignore[attr-defined]  # noqa: SLF001
    return source


def _lower_bound(node: Node, name: str) -> float | None:
    """The constant below which a node cuts off; NaN where there is none; None for other nodes."""
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
                return None  # a maximum of two branches is a maxout, and is known as such
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
