"""The output of one call of a layer: a module may run several times in a forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import nn

from auditor.autograd.target_layer import TargetLayer


@contextmanager
def watched(
    module: nn.Module, layer: TargetLayer, keep: Callable[[object], None]
) -> Iterator[None]:
    """Hands on what the target layer returns in each forward pass inside the ``with``.

    A module that runs several times, such as one ReLU after every convolution, returns several maps.
    Only that of the call ``layer.call`` is handed on.

    Args:
        module: the unwrapped network.
        layer: the target layer.
        keep: called with the output.
    """
    n_calls = 0

    def start(*_: object) -> None:
        nonlocal n_calls
        n_calls = 0  # an earlier forward pass may have stopped halfway

    def count(_: nn.Module, __: object, output: object) -> None:
        nonlocal n_calls
        if n_calls == layer.call:
            keep(output)
        n_calls += 1

    handles = [
        module.register_forward_pre_hook(start),
        module.get_submodule(layer.name).register_forward_hook(count),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
