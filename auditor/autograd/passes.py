"""Passes: a batch is split into as many images at a time as fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from auditor.autograd.device_memory import is_out_of_memory, release_cached_memory
from auditor.autograd.forward import device_of

_Result = TypeVar("_Result")

_WHOLE = 1 << 30
"""More images than any batch has."""


class Passes:
    """Runs something on a batch, part by part.

    Attributes:
        most: the largest number of images per pass; halved whenever memory runs out, and kept for the
            batches that follow, until `forget`.
    """

    def __init__(self, most: int) -> None:
        self.most = self._first = most

    def forget(self) -> None:
        """Forgets that memory ran out: the next batch is tried as the first one was."""
        self.most = self._first

    def over(
        self, n: int, device: torch.device, run: Callable[[slice], _Result]
    ) -> Iterator[tuple[slice, _Result]]:
        """Runs something on parts of a batch that fit into memory.

        Args:
            n: number of images.
            device: where memory is used.
            run: is given the part of the batch.

        Yields:
            Each part, in order, with its result.

        Raises:
            RuntimeError: or MemoryError, as it was raised: one image alone does not fit into memory.
        """
        done = 0
        while done < n:
            part = slice(done, min(done + self.most, n))
            result = _attempt(part, run)
            if result is None:
                # After the `except`: the tensors of the failed attempt are released by now.
                release_cached_memory(device)
                self.most = max((part.stop - part.start) // 2, 1)
                continue
            yield part, result[0]
            done = part.stop


def _attempt(part: slice, run: Callable[[slice], _Result]) -> tuple[_Result] | None:
    """One pass; None where so many images do not fit into memory."""
    try:
        return (run(part),)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error) or part.stop - part.start == 1:
            raise
        return None


_CPU_PIXELS = 8 * 224 * 224
_CPU_IMAGES = 16
"""What a recorded pass has at most on a CPU."""

_recorded: WeakKeyDictionary[nn.Module, dict[tuple[str, int], Passes]] = WeakKeyDictionary()
"""How many images fit into memory, for each model that was explained, each type of device and each size."""


def recorded_passes(
    model: nn.Module, images: Tensor, run: Callable[[slice], _Result]
) -> Iterator[tuple[slice, _Result]]:
    """Runs something that records a graph on parts of a batch.

    On a CPU, a part has as many pixels as 8 images of 224 × 224, and at most 16 images: the activations of
    more would be allocated anew by the system for each operation, which takes a third or more of the time
    of a small network, and the parts need less memory. On other devices, the batch is split only where it
    does not fit into memory.

    Args:
        model: determines the device. How many images fit is remembered for it.
        images: (N, 3, H, W).
        run: is given the part of the batch.

    Yields:
        Each part, in order, with its result.
    """
    device = device_of(model, images)
    most = most_recorded(images, device)
    passes = _recorded.setdefault(model, {}).setdefault((device.type, most), Passes(most))
    yield from passes.over(len(images), device, run)


def forget_recorded(model: nn.Module) -> None:
    """Forgets how many images fit into memory when a model is explained."""
    _recorded.pop(model, None)


def most_recorded(images: Tensor, device: torch.device) -> int:
    """Images in one pass that records a graph, at most; see ``recorded_passes``."""
    if device.type != "cpu":
        return _WHOLE
    return min(max(_CPU_PIXELS // (images.shape[2] * images.shape[3]), 1), _CPU_IMAGES)
