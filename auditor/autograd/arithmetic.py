"""Arithmetic of a network: full float32, TF32, or automatic mixed precision.

On recent GPUs, torch rounds the inputs of convolutions to TF32 (10 bits of mantissa instead of 23) unless
it is told otherwise, and may choose kernels whose results differ from run to run. Predictions and maps
are computed without both, unless the configuration says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch.backends import cudnn

from auditor.config import Arithmetic


@contextmanager
def arithmetic(device: torch.device, kind: Arithmetic = "exact") -> Iterator[None]:
    """Computes in this arithmetic inside the ``with``; the settings of torch are restored afterwards.

    Args:
        device: where the network runs.
        kind: how to compute.
    """
    mixed = torch.autocast(device.type, mixed_dtype(device)) if kind == "amp" else nullcontext()
    with mixed, _cuda_settings(tf32=kind == "tf32") if device.type == "cuda" else nullcontext():
        yield


def mixed_dtype(device: torch.device) -> torch.dtype:
    """The dtype of convolutions and matrix products in mixed precision: float16, on a CPU bfloat16.

    On GPUs, both have the same speed, and float16 has three more bits of mantissa.
    """
    return torch.bfloat16 if device.type == "cpu" else torch.float16


@contextmanager
def _cuda_settings(*, tf32: bool) -> Iterator[None]:
    products = torch.backends.cuda.matmul
    wanted: list[tuple[object, str, bool | str]] = [
        (cudnn, "benchmark", False),
        (cudnn, "deterministic", True),
    ]
    if hasattr(products, "fp32_precision"):  # torch 2.9 and newer
        kind = "tf32" if tf32 else "ieee"
        convolutions = cudnn.conv  # type: ignore[attr-defined]  # set by the class of the module
        wanted += [(place, "fp32_precision", kind) for place in (convolutions, products)]
    else:
        wanted += [(place, "allow_tf32", tf32) for place in (cudnn, products)]
    before = [(place, key, getattr(place, key)) for place, key, _ in wanted]
    try:
        for place, key, setting in wanted:
            setattr(place, key, setting)
        yield
    finally:
        for place, key, setting in before:
            setattr(place, key, setting)
