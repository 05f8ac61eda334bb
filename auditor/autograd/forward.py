"""The model's one call: what goes in, what must come out."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import TypeVar
from weakref import WeakSet

import torch
from torch import Tensor, nn

from auditor.errors import ModelError

_Result = TypeVar("_Result")

_row_major: WeakSet[nn.Module] = WeakSet()
"""Models whose forward takes no channels-last images, found out by trying once."""


def check_images(images: Tensor) -> None:
    """Refuses what is no batch of preprocessed images.

    Args:
        images: (N, 3, H, W), floating, N of at least 1.

    Raises:
        ModelError: the images have another shape or dtype, or there are none.
    """
    if images.ndim != 4 or not images.is_floating_point() or 0 in images.shape:
        raise ModelError(
            "expected preprocessed images as a floating (N, channels, height, width) tensor with "
            f"N of at least 1; got {tuple(images.shape)} of {images.dtype}"
        )


def device_of(model: nn.Module, images: Tensor) -> torch.device:
    """Where the model lies, by its first parameter or buffer; where the images lie without any."""
    own: Tensor | None = next(chain(model.parameters(), model.buffers()), None)
    return images.device if own is None else own.device


def pieces(model: nn.Module, images: Tensor) -> list[slice]:
    """The batch in the pieces that are recorded at a time.

    On a CPU 16 images: the activations of more are mapped afresh from the system for each
    operation and dropped again, which costs a third and more of the time of a slim network, and
    the pieces need a fraction of the memory. On other devices the whole batch.

    Args:
        model: tells the device.
        images: (N, 3, H, W).

    Returns:
        Slices of the batch, in order.
    """
    size = 16 if device_of(model, images).type == "cpu" else max(1, len(images))
    return [slice(at, min(at + size, len(images))) for at in range(0, len(images), size)]


def in_best_layout(
    module: nn.Module, device: torch.device, call: Callable[[torch.memory_format], _Result]
) -> _Result:
    """Calls with channels innermost on a CPU, which is faster by a fifth and up to seven times.

    Args:
        module: the model; one that insists on the other order is remembered.
        device: where it runs.
        call: runs the model on images that lie in memory as it is told.

    Returns:
        What the call returned.
    """
    if device.type != "cpu" or module in _row_major:
        return call(torch.contiguous_format)
    try:
        return call(torch.channels_last)
    except RuntimeError as error:
        if "view size is not compatible" not in str(error):
            raise
    _row_major.add(module)  # such as `x.view(len(x), -1)` on a map
    return call(torch.contiguous_format)


def as_leaf(
    model: nn.Module, images: Tensor, layout: torch.memory_format = torch.contiguous_format
) -> Tensor:
    """A leaf of the graph that holds ``images`` on the model's device.

    Args:
        model: tells the device, by its first parameter or buffer.
        images: (N, 3, H, W), floating, preprocessed.
        layout: how the copy lies in memory; the shape stays the same.

    Returns:
        A copy that requires its gradient; the caller's tensor is not touched.

    Raises:
        ModelError: the images have another shape or dtype, or there are none.
    """
    check_images(images)
    return (
        images.detach()
        .to(
            device_of(model, images),
            copy=True,
            memory_format=layout,
        )
        .requires_grad_()
    )


def forward(model: nn.Module, leaf: Tensor) -> Tensor:
    """Calls the model on a copy of the leaf, so that it may change its input in place.

    Args:
        model: in evaluation mode.
        leaf: what ``as_leaf`` returned.

    Returns:
        (N, K), the logits, attached to the graph.

    Raises:
        ModelError: the model returns no (N, K) tensor, or none that can be differentiated.
    """
    logits = model(leaf.clone())
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(leaf):
        came = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ModelError(
            f"expected the model to return logits of shape ({len(leaf)}, classes) for "
            f"{len(leaf)} images; got {came}: wrap it in a module that returns the logits alone"
        )
    if not logits.requires_grad:
        raise ModelError(
            "expected logits that depend on the images through differentiable operations; got "
            "logits without a graph: the model detaches, quantises, or runs under torch.no_grad() "
            "or torch.inference_mode() somewhere inside its forward"
        )
    return logits


def targets_of(
    targets: int | list[int] | Tensor | None, piece: slice, n: int
) -> int | list[int] | None:
    """The targets of one piece of a batch of ``n`` images.

    Raises:
        ModelError: there are not n targets.
    """
    if targets is None or isinstance(targets, int):
        return targets
    if len(targets) != n:
        raise ModelError(
            f"expected one target for all images or {n} of them; got {len(targets)}: give a class "
            "index between 0 and the number of classes less one for each image"
        )
    return [int(target) for target in targets[piece]]


def as_targets(targets: int | list[int] | Tensor | None, logits: Tensor) -> Tensor:
    """The class to explain in each row.

    Args:
        targets: one class for all rows, one a row, or None for the predicted ones.
        logits: (N, K).

    Returns:
        (N,) int64 on the logits' device, each 0 to K - 1.

    Raises:
        ModelError: a target is no class of the model, or there are not N of them.
    """
    n, k = logits.shape
    if targets is None:
        return logits.argmax(1)
    if isinstance(targets, int):
        targets = [targets] * n
    chosen = logits.new_tensor([int(target) for target in targets]).long()
    if len(chosen) != n or bool(((chosen < 0) | (chosen >= k)).any()):
        raise ModelError(
            f"expected one target for all images or {n} of them, each a class index between 0 "
            f"and {k - 1}; got {chosen.tolist()}"
        )
    return chosen
