"""Batch normalisation by running statistics, folded into the convolution before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node, get_gradient_edge
from torch.utils.hooks import RemovableHandle

from auditor.autograd.forward import as_leaf, forward
from auditor.autograd.graph import nodes_between
from auditor.autograd.model_state import frozen_eval


class Folded(nn.BatchNorm2d):
    """A batch normalisation that a convolution has absorbed: keeps its name and does nothing."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # the library's own signature
        """Returns the input."""
        return input


def fold(model: nn.Module, images: Tensor, untouched: Iterable[str] = ()) -> int:
    """Folds every batch normalisation that directly follows a convolution.

    One forward pass finds the pairs: a convolution that ran once, and whose output was read only by
    one batch normalisation that ran once. The new weights are w' = w · γ / √(σ² + ε) and
    b' = (b - μ) · γ / √(σ² + ε) + β.

    Args:
        model: changed in place; it computes the same values as before, up to rounding.
        images: (N, 3, H, W), floating, preprocessed; one is enough.
        untouched: dotted names of modules whose own outputs must not change.

    Returns:
        How many were folded.

    Reference:
        Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
        Integer-Arithmetic-Only Inference", equation 14 (batch normalisation folding).
    """
    pairs = _pairs(model, images, [model.get_submodule(name) for name in untouched])
    with torch.no_grad():
        for convolution, norm in pairs:
            _fold_one(convolution, norm)
    return len(pairs)


def _pairs(
    model: nn.Module, images: Tensor, untouched: list[nn.Module]
) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    runs: Counter[nn.Module] = Counter()
    made: dict[Node, tuple[nn.Conv2d, Tensor]] = {}
    found: list[tuple[nn.Conv2d, nn.BatchNorm2d, Node]] = []
    kept: set[Node | None] = set()

    def keep(_: nn.Module, __: object, output: object) -> None:
        kept.add(getattr(output, "grad_fn", None))

    def after_convolution(module: nn.Module, _: object, output: Tensor) -> None:
        runs[module] += 1
        if output.grad_fn is not None and isinstance(module, nn.Conv2d):
            made[output.grad_fn] = (module, output)

    def before_norm(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        runs[module] += 1
        (given,) = arguments
        convolution, output = made.get(given.grad_fn, (None, None))  # type: ignore[arg-type]
        if convolution is not None and output is given and isinstance(module, nn.BatchNorm2d):
            assert given.grad_fn is not None
            found.append((convolution, module, given.grad_fn))

    # Exactly these types: a subclass may compute something else, and so may other hooks.
    plain = [module for module in model.modules() if not _has_hooks(module)]
    handles: list[RemovableHandle] = [
        module.register_forward_hook(after_convolution)
        for module in plain
        if type(module) is nn.Conv2d
    ]
    handles += [
        module.register_forward_pre_hook(before_norm)
        for module in plain
        if type(module) is nn.BatchNorm2d
    ]
    handles += [module.register_forward_hook(keep) for module in untouched]
    try:
        with frozen_eval(model):
            leaf = as_leaf(model, images)
            logits = forward(model, leaf)
            readers = Counter(
                child
                for node in nodes_between(
                    [get_gradient_edge(logits).node], get_gradient_edge(leaf).node
                )
                for child, _ in node.next_functions
                if child is not None
            )
    finally:
        for handle in handles:
            handle.remove()
    return [
        (convolution, norm)
        for convolution, norm, node in found
        if runs[convolution] == runs[norm] == readers[node] == 1
        and node not in kept
        and norm.running_mean is not None
        and norm.running_var is not None
    ]


def _has_hooks(module: nn.Module) -> bool:
    """Whether a module has hooks of its own, such as those of pruning or parametrisation."""
    return bool(module._forward_hooks or module._forward_pre_hooks)  # noqa: SLF001


def _fold_one(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    weight = convolution.weight
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    shift = -norm.running_mean.double()
    if convolution.bias is not None:
        shift = shift + convolution.bias.double()
    if norm.affine:
        scale = scale * norm.weight.double()
    shift = shift * scale
    if norm.affine:
        shift = shift + norm.bias.double()
    folded = weight.double() * scale[:, None, None, None]
    convolution.weight = nn.Parameter(folded.to(weight.dtype), requires_grad=False)
    convolution.bias = nn.Parameter(shift.to(weight.dtype), requires_grad=False)
    norm.__class__ = Folded
