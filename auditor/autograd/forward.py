"""The forward pass: checks its input and its output."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import chain
from typing import TypeVar
from weakref import WeakSet

import torch
from torch import Tensor, nn

from auditor.errors import ModelError

_Result = TypeVar("_Result")

_row_major: WeakSet[nn.Module] = WeakSet()
"""Models that failed on channels-last images."""


def check_images(images: Tensor) -> None:
    """Checks that a tensor is a batch of preprocessed images.

    Args:
        images: (N, 3, H, W), floating, N of at least 1.

    Raises:
        ModelError: the shape or dtype differs, or the batch is empty.
    """
    if not isinstance(images, Tensor):
        raise ModelError(
            "images: expected a floating tensor (N, channels, height, width), preprocessed as in "
            f"training; got {type(images).__name__}: stack the images with `torch.stack`, or convert "
            "an array with `torch.from_numpy`"
        )
    if images.layout != torch.strided or images.is_meta:
        kind = "on the device 'meta'" if images.is_meta else f"of the layout {images.layout}"
        raise ModelError(
            f"images: expected a dense tensor with values; got one {kind}: convert it with `.to_dense()`, "
            "or load the images"
        )
    if images.ndim == 4 and images.is_floating_point() and 0 not in images.shape:
        return
    fix = "pass at least one image"
    if images.ndim == 3:
        fix = "add the first dimension with `images[None]`"
    elif not images.is_floating_point():
        fix = "divide by 255 and normalise as in training"
    raise ModelError(
        "images: expected preprocessed images as a floating (N, channels, height, width) tensor with "
        f"N of at least 1; got {tuple(images.shape)} of {images.dtype}: {fix}"
    )


def require_finite(images: Tensor) -> None:
    """Checks that all values are finite: the maps of others would be NaN, and so would the logits.

    Raises:
        ModelError: an image has a value that is not finite.
    """
    finite = torch.isfinite(images).flatten(1).all(1)
    if not bool(finite.all()):
        bad = int((~finite).sum())
        first = int((~finite).nonzero()[0])
        raise ModelError(
            f"images: expected finite values; {bad} of {len(images)} images have NaN or infinite ones, "
            f"first image {first}: leave them out, or correct the normalisation (a std of 0?)"
        )


def device_of(model: nn.Module, images: Tensor) -> torch.device:
    """Device of the model's first parameter or buffer; that of the images where it has none."""
    own: Tensor | None = next(chain(model.parameters(), model.buffers()), None)
    return images.device if own is None else own.device


def in_best_layout(
    module: nn.Module,
    device: torch.device,
    call: Callable[[torch.memory_format], _Result],
    *,
    tensor_cores: bool = False,
) -> _Result:
    """Runs a model in channels-last layout where that is faster.

    That is on a CPU (1.2 to 7 times) and on a GPU that computes with tensor cores (1.2 to 1.4 times). In full
    float32, a GPU is 10 % slower with this layout.

    Args:
        module: the model. Once it has failed on this layout, it is run without it.
        device: where the model runs.
        call: runs the model on images in the given layout.
        tensor_cores: whether convolutions are computed in TF32 or in half precision.

    Returns:
        The result of the call.
    """
    if not (device.type == "cpu" or tensor_cores) or module in _row_major:
        return call(torch.contiguous_format)
    try:
        return call(torch.channels_last)
    except RuntimeError as error:
        if "view size is not compatible" not in str(error):
            raise
    _row_major.add(module)  # its forward has `x.view(len(x), -1)` on a map, or the like
    return call(torch.contiguous_format)


def as_leaf(
    model: nn.Module, images: Tensor, layout: torch.memory_format = torch.contiguous_format
) -> Tensor:
    """A leaf of the graph that holds a copy of the images on the model's device.

    Args:
        model: determines the device.
        images: (N, 3, H, W), floating, preprocessed; not changed.
        layout: memory layout of the copy; the shape stays the same.

    Returns:
        A copy that requires its gradient.

    Raises:
        ModelError: the shape or dtype of the images is wrong, or the batch is empty.
    """
    check_images(images)
    device = device_of(model, images)
    if device.type == "cuda":
        _start_backward_thread(device)
    return (
        images.detach()
        .as_subclass(Tensor)  # images of another library may be a subclass
        .to(
            device,
            copy=True,
            memory_format=layout,
        )
        .requires_grad_()
    )


@cache
def _start_backward_thread(device: torch.device) -> None:
    """Lets torch's thread for backward passes open the context of the GPU; otherwise cuBLAS warns."""
    with torch.inference_mode(mode=False), torch.enable_grad():
        leaf = torch.ones(1, device=device, requires_grad=True)
        torch.autograd.grad((2 * leaf).sum(), leaf)


def forward(model: nn.Module, leaf: Tensor) -> Tensor:
    """Runs the model on a copy of the leaf, because it may change its input in place.

    Args:
        model: in evaluation mode.
        leaf: what ``as_leaf`` returned.

    Returns:
        (N, K), the logits, attached to the graph.

    Raises:
        ModelError: the output is not an (N, K) tensor, or can't be differentiated.
    """
    logits = model(leaf.clone())
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(leaf):
        got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ModelError(
            f"expected the model to return logits of shape ({len(leaf)}, classes) for "
            f"{len(leaf)} images; got {got}: wrap it in a module that returns only the logits"
        )
    if logits.is_complex():
        raise ModelError(
            f"expected the model to return real logits; got {logits.dtype}: return their real part, or "
            "their absolute values"
        )
    if not logits.requires_grad:
        raise ModelError(
            "expected logits that depend on the images through differentiable operations; got "
            "logits without a graph: somewhere inside its forward, the model detaches, quantises, "
            "or uses torch.no_grad() or torch.inference_mode()"
        )
    return logits


def targets_of(
    targets: int | list[int] | Tensor | None, piece: slice, n: int
) -> int | list[int] | None:
    """The targets of one piece of a batch of ``n`` images.

    Raises:
        ModelError: the number of targets is not n.
    """
    if targets is None or isinstance(targets, int):
        return targets
    if len(targets) != n:
        raise ModelError(
            f"expected one target for all images or {n} of them; got {len(targets)}: give one class "
            "index per image"
        )
    return [int(target) for target in targets[piece]]


def as_targets(targets: int | list[int] | Tensor | None, logits: Tensor) -> Tensor:
    """The class to explain in each row.

    Args:
        targets: one class for all rows, one per row, or None for the predicted ones.
        logits: (N, K).

    Returns:
        (N,) int64 on the logits' device, each 0 to K - 1.

    Raises:
        ModelError: a target is not a class of the model, or the number of targets is not N.
    """
    n, k = logits.shape
    if targets is None:
        return logits.argmax(1)
    if isinstance(targets, int):
        targets = [targets] * n
    numbers = [int(target) for target in targets]
    if len(numbers) != n:
        raise ModelError(
            f"expected one target for all images or {n} of them; got {len(numbers)}: give one class index "
            "per image"
        )
    outside = [number for number in numbers if not 0 <= number < k]
    if outside:
        raise ModelError(wrong_target(outside[0], k))
    return torch.tensor(numbers, dtype=torch.long, device=logits.device)


def wrong_target(target: int, n_outputs: int) -> str:
    """The message about a target that the network does not have."""
    if n_outputs == 1:
        return (
            f"expected target 0, the only output of the network; got {target}: a network with one output "
            "z per image has no output for the other class; wrap it in a module that returns "
            "`torch.cat((-z / 2, z / 2), dim=1)`, whose columns are both classes"
        )
    return f"expected a target between 0 and {n_outputs - 1}, the index of a class; got {target}"
