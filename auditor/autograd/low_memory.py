"""The same numbers with less memory: what evaluation mode and frozen weights make superfluous.

Autograd keeps for batch normalisation its whole input, and for a clipped rectifier in place a
second copy of it; both can be differentiated from what is kept anyway. Half of the memory of a
recorded forward goes, and with it the time to map fresh pages for it. Done by a function mode while
the forward runs, so no module is replaced.
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
    """Batch normalisation by running statistics: a scale and a shift for each channel."""

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
        """The library's own forward, value by value."""
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
    """min(max(x, 0), top), differentiated from its output instead of its input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, top: float, in_place: bool) -> Tensor:
        """The library's own forward, value by value."""
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
        """R where 0 < f < top, as autograd has it for hardtanh."""
        (signal,) = signals
        (result,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(signal, result, 0.0, ctx.top), None, None


class LowMemory(TorchFunctionMode):
    """Puts these in place of the library's functions while a forward runs."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Replaces a call where that is exact, and passes on every other."""
        kwargs = kwargs or {}
        known = _READERS.get(func)
        exact = None if known is None else known(*args, **kwargs)
        return func(*args, **kwargs) if exact is None else exact


def _batch_norm(
    x: Tensor,
    mean: Tensor | None,
    variance: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,  # noqa: ARG001  # the library's own signature
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


_READERS: dict[Callable[..., Any], Callable[..., Tensor | None]] = {
    functional.batch_norm: _batch_norm,
    functional.conv2d: strided_convolution,
    functional.hardtanh: _hardtanh,
    functional.relu6: _relu6,
}
"""What is replaced; a reader has the function's own signature and returns None to leave it be."""
