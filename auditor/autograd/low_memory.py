"""Low memory: the same values from less memory, because the model is frozen and in evaluation mode.

Autograd stores the whole input of a batch normalisation, and a second copy of the input of an
in-place clipped ReLU. Both can be differentiated from tensors that are stored anyway. This halves
the memory of a recorded forward pass, and saves the time to allocate it. It is done by a function
mode during the forward pass, so no module is replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from auditor.autograd.strided_convolution import strided_convolution


class FrozenBatchNorm(torch.autograd.Function):
    """Batch normalisation by running statistics: a scale and a shift per channel."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        x: Tensor,
        mean: Tensor,
        variance: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        eps: float,
    ) -> Tensor:
        """Computes the same values as torch."""
        scale = (variance + eps).rsqrt()
        ctx.save_for_backward(scale if weight is None else scale * weight)
        return torch.batch_norm(
            x, weight, bias, mean, variance, False, 0.0, eps, torch.backends.cudnn.enabled
        )

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> tuple[Tensor | None, ...]:
        """R · w / √(σ² + ε), channel by channel."""
        (signal,) = signals
        (scale,) = ctx.saved_tensors
        shape = [1, -1] + [1] * (signal.ndim - 2)
        return signal * scale.to(signal.dtype).view(shape), None, None, None, None, None


class ClippedReLU(torch.autograd.Function):
    """min(max(x, 0), top), whose derivative is computed from the output instead of the input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, top: float, in_place: bool) -> Tensor:
        """Computes the same values as torch."""
        if in_place:
            ctx.mark_dirty(x)
            result = functional.hardtanh_(x, 0.0, top)
        else:
            result = functional.hardtanh(x, 0.0, top)
        ctx.save_for_backward(result)
        ctx.top = top
        return result

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> tuple[Tensor, None, None]:
        """R where 0 < f < top, like autograd for hardtanh."""
        (signal,) = signals
        (result,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(signal, result, 0.0, ctx.top), None, None


class LowMemory(TorchFunctionMode):
    """Replaces functions of torch by those of this module during a forward pass."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Replaces a call where the result is exactly the same, and forwards all others."""
        kwargs = kwargs or {}
        replacement = _REPLACEMENTS.get(func)
        result = None if replacement is None else replacement(*args, **kwargs)
        return func(*args, **kwargs) if result is None else result


def _batch_norm(  # noqa: PLR0913, PLR0917 - the signature of the function it replaces
    x: Tensor,
    mean: Tensor | None,
    variance: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,  # noqa: ARG001  # the signature of torch
    eps: float = 1e-5,
) -> Tensor | None:
    constants = [mean, variance, weight, bias]
    constant = all(tensor is None or not tensor.requires_grad for tensor in constants)
    if training or mean is None or variance is None or not constant or not x.requires_grad:
        return None
    result: Tensor = FrozenBatchNorm.apply(x, mean, variance, weight, bias, eps)
    return result


def _hardtanh(
    x: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor | None:
    if min_val != 0 or not x.requires_grad:
        return None
    result: Tensor = ClippedReLU.apply(x, float(max_val), inplace)
    return result


def _relu6(x: Tensor, inplace: bool = False) -> Tensor | None:
    return _hardtanh(x, 0.0, 6.0, inplace)


_REPLACEMENTS: dict[Callable[..., Any], Callable[..., Tensor | None]] = {
    functional.batch_norm: _batch_norm,
    functional.conv2d: strided_convolution,
    functional.hardtanh: _hardtanh,
    functional.relu6: _relu6,
}
"""Functions of torch and their replacements, which return None where they do not apply."""
