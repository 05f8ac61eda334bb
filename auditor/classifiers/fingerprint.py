"""Fingerprint of a network, which depends only on its weights."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn


def sha256_of(module: nn.Module) -> str:
    """SHA-256 over the names, dtypes, shapes and bytes of all parameters and buffers.

    The names are in alphabetical order, and tensors are copied to the CPU one at a time. The result
    does not depend on the device, nor on the format of the file that the weights came from.

    Args:
        module: the network.

    Returns:
        64 hexadecimal digits.
    """
    import torch

    digest = hashlib.sha256()
    tensors: dict[str, Tensor] = {}
    tensors.update(module.named_parameters(remove_duplicate=False))
    tensors.update(module.named_buffers(remove_duplicate=False))
    for name in sorted(tensors):
        tensor = tensors[name].detach()
        head = f"{name}\0{str(tensor.dtype).removeprefix('torch.')}\0{list(tensor.shape)}\0"
        digest.update(head.encode())
        digest.update(tensor.cpu().reshape(-1).contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def n_parameters(module: nn.Module) -> int:
    """Number of parameters; tied weights count once, buffers do not count."""
    return sum(parameter.numel() for parameter in module.parameters())
