"""The input gradient of a strided first layer, as a small convolution and a pixel shuffle.

With stride s, every s-th row and column of a k × k kernel's footprint sees the same part of the
kernel. The gradient therefore consists of s² ordinary convolutions with ⌈k/s⌉ × ⌈k/s⌉ weights, one per
phase, which a single call computes together. The general algorithm of the libraries is slow for the
three channels of an image.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


class StridedConvolution(torch.autograd.Function):
    """A convolution with constant weights and equal strides, without dilation and groups."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: list[int]
    ) -> Tensor:
        """Computes the same values as torch."""
        ctx.save_for_backward(weight)
        ctx.stride, ctx.padding, ctx.size = stride, padding, x.shape[-2:]
        return torch.conv2d(x, weight, bias, stride, padding)

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> tuple[Tensor | None, ...]:
        """Σ_o Σ_j w[o, c, s·j + r] · R[o, q - j] at position s·q + r - padding, along each axis."""
        (signal,) = signals
        (weight,) = ctx.saved_tensors
        s, (top, left), (height, width) = ctx.stride, ctx.padding, ctx.size
        n_out, n_in, *kernel = weight.shape
        tall, wide = (-(-k // s) for k in kernel)
        phases = functional.pad(weight, (0, wide * s - kernel[1], 0, tall * s - kernel[0]))
        phases = phases.reshape(n_out, n_in, tall, s, wide, s).flip((2, 4))
        phases = phases.permute(1, 3, 5, 0, 2, 4).reshape(n_in * s * s, n_out, tall, wide)
        full = functional.pixel_shuffle(
            torch.conv2d(signal, phases, padding=(tall - 1, wide - 1)), s
        )
        # The last rows get no signal where the stride does not divide the size.
        below = max(0, top + height - full.shape[2])
        right = max(0, left + width - full.shape[3])
        full = functional.pad(full, (0, right, 0, below))
        return full[:, :, top : top + height, left : left + width], None, None, None, None


def strided_convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor | None:
    """Convolves where this algorithm is exact and faster: in a strided first layer on the CPU.

    Args:
        x: (N, c, H, W) with c of at most 4.
        weight: (C, c, k, k).
        bias: (C,).
        stride: 2 to 4, the same for both axes.
        padding: numbers.
        dilation: 1.
        groups: 1.

    Returns:
        (N, C, H', W'); None for any other arguments.
    """
    strides, paddings, dilations = (
        [v, v] if isinstance(v, int) else v for v in (stride, padding, dilation)
    )
    fits = (
        x.ndim == 4
        and x.device.type == "cpu"
        and x.requires_grad
        and x.shape[1] <= 4
        and groups == 1
        and not isinstance(paddings, str)
        and list(dilations) == [1, 1]
        and strides[0] == strides[-1]
        and 2 <= strides[0] <= 4
        and weight.shape[-1] >= strides[0]
        and not weight.requires_grad
        and (bias is None or not bias.requires_grad)
    )
    if not fits:
        return None
    result: Tensor = StridedConvolution.apply(x, weight, bias, strides[0], list(paddings))
    return result
