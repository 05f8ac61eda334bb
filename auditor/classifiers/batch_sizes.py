"""Programs that were exported for one batch size, and their checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from auditor.autograd.network_output import plain_output


def in_batches(predict: Callable[[Tensor], object], size: int | None) -> Callable[[Tensor], Tensor]:
    """A function that predicts any number of images with a program for ``size`` images.

    Args:
        predict: images (size, C, H, W) → outputs.
        size: of its batch; None: any.
    """

    def run(images: Tensor) -> Tensor:
        if size is None:
            return _tensor(predict(images))
        found = []
        for start in range(0, len(images), size):
            part = images[start : start + size]
            missing = size - len(part)
            full = torch.cat([part, part[-1:].expand(missing, *part.shape[1:])])
            found.append(_tensor(predict(full))[: len(part)])
        return torch.cat(found)

    return run


def takes_any_batch(module: nn.Module, shape: tuple[int, ...]) -> bool:
    """Whether a converted network treats two images as it treats each of them.

    Args:
        module: the network.
        shape: (C, H, W) of an image.
    """
    images = torch.rand((2, *shape), generator=torch.Generator().manual_seed(0), device="cpu")
    try:
        with torch.no_grad():
            both = _tensor(module(images))
            single = _tensor(module(images[1:]))
    except Exception:  # noqa: BLE001 - a program may raise anything for a shape that it was not made for
        return False
    return (
        len(both) == 2
        and len(single) == 1
        and torch.allclose(both[1:].float(), single.float(), rtol=1e-3, atol=1e-4)
    )


def _tensor(outputs: Any) -> Tensor:
    found = plain_output(outputs)
    if not isinstance(found, Tensor):
        raise TypeError(f"expected a tensor; got {type(found).__name__}")
    return found
