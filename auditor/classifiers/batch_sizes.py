"""Programs that were exported for one batch size, and their checks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils import _pytree as trees

_TOLERANCES = {torch.float16: (1e-2, 1e-2), torch.bfloat16: (5e-2, 5e-2)}
"""Relative and absolute, where it is not that of float32."""


def in_batches(predict: Callable[[Tensor], object], size: int | None) -> Callable[[Tensor], object]:
    """A function that predicts any number of images with a program for ``size`` images.

    Args:
        predict: images (size, C, H, W) → outputs: a tensor, or several in a dict, tuple or list.
        size: of its batch; None: any.
    """
    if size is None:
        return predict

    def run(images: Tensor) -> object:
        found = []
        for start in range(0, len(images), size):
            part = images[start : start + size]
            missing = size - len(part)
            found.append(predict(torch.cat([part, part[-1:].expand(missing, *part.shape[1:])])))
        columns = zip(*(trees.tree_leaves(one) for one in found), strict=True)
        joined = [
            torch.cat(column)[: len(images)] if isinstance(column[0], Tensor) else column[0]
            for column in columns
        ]
        return trees.tree_unflatten(joined, trees.tree_structure(found[0]))

    return run


def one_by_one_if_needed(predict: Callable[[Tensor], object]) -> Callable[[Tensor], object]:
    """A function that predicts any number of images, where the program may have been traced with one.

    Args:
        predict: images → outputs; may refuse more than one image.
    """
    single = in_batches(predict, 1)

    def run(images: Tensor) -> object:
        try:
            found = predict(images)
        except RuntimeError:
            if len(images) == 1:
                raise
            return single(images)
        rows = {len(one) for one in tensors_of(found) if one.ndim}
        return found if rows == {len(images)} or len(images) == 1 else single(images)

    return run


def takes_any_batch(module: nn.Module, images: Tensor) -> bool:
    """Whether a converted network treats two images as it treats each of them.

    Args:
        module: the network.
        images: (2, C, H, W).
    """
    try:
        with torch.no_grad():
            both, single = tensors_of(module(images)), tensors_of(module(images[1:]))
    except Exception:  # noqa: BLE001 - a program may raise anything for a shape that it was not made for
        return False
    return bool(both) and all(
        one.ndim > 0 and (len(one), len(other)) == (2, 1) and _are_close(one[1:], other)
        for one, other in zip(both, single, strict=True)
    )


def _are_close(one: Tensor, other: Tensor) -> bool:
    relative, absolute = _TOLERANCES.get(one.dtype, (1e-3, 1e-4))
    return torch.allclose(one.float(), other.float(), rtol=relative, atol=absolute)


def tensors_of(output: object) -> list[Tensor]:
    """All tensors in what a program returned, in their order."""
    return [one for one in trees.tree_leaves(output) if isinstance(one, Tensor)]
