"""Out of memory: recognised on every device, so that a batch can be tried again in halves."""

from __future__ import annotations

import torch

from auditor.traceback_file import text_of

_MESSAGES = ("out of memory", "can't allocate memory", "not enough memory")
"""What the CPU allocator (Linux, Windows) and Apple's MPS say in a plain ``RuntimeError``."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that a device has run out of memory.

    Args:
        error: what a forward or backward pass raised.
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    message = text_of(error).lower()
    return isinstance(error, RuntimeError) and any(part in message for part in _MESSAGES)


def release_cached_memory(device: torch.device) -> None:
    """Returns unused blocks of torch's allocator to the device; does nothing on the CPU.

    Args:
        device: the one that ran out of memory.
    """
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def to_cpu(values: torch.Tensor) -> torch.Tensor:
    """A tensor on the CPU: the same one, or a copy in page-locked memory, to which a GPU copies fastest.

    Memory for such copies is kept by torch and used again. Fresh memory would be mapped page by page, which
    takes longer than computing the maps in it.
    """
    if values.device.type != "cuda":
        return values.cpu()
    copy = torch.empty(values.shape, dtype=values.dtype, device="cpu", pin_memory=True)
    copy.copy_(values, non_blocking=True)
    torch.cuda.current_stream(values.device).synchronize()
    return copy
