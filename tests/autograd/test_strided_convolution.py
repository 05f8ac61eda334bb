"""The strided first layer against the gradient of torch, in float64."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from auditor.autograd.strided_convolution import strided_convolution


@pytest.mark.parametrize("size", [(17, 23), (18, 20)])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"),
    [
        ((7, 7), 2, 3),
        ((3, 3), 2, 1),
        ((11, 11), 4, 2),
        ((4, 4), 4, 0),
        ((5, 3), 3, (0, 2)),
        ((2, 2), 2, 5),
    ],
)
def test_strided_convolution_equals_conv2d_in_value_and_gradient(
    size: tuple[int, int], kernel: tuple[int, int], stride: int, padding: int | tuple[int, int]
) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, *size, generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(5, 3, *kernel, generator=generator, dtype=torch.float64)
    bias = torch.randn(5, generator=generator, dtype=torch.float64)
    expected = functional.conv2d(x, weight, bias, stride, padding)
    found = strided_convolution(x, weight, bias, stride, padding)
    assert found is not None
    assert torch.equal(found, expected)
    signal = torch.randn(expected.shape, generator=generator, dtype=torch.float64)
    (expected_gradient,) = torch.autograd.grad(expected, x, signal)
    (gradient,) = torch.autograd.grad(found, x, signal)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "options",
    [{}, {"stride": (2, 3)}, {"stride": 2, "dilation": 2}, {"padding": "same"}, {"stride": 8}],
)
def test_strided_convolution_of_other_arguments_returns_none(options: dict[str, object]) -> None:
    x = torch.zeros(1, 3, 20, 20, requires_grad=True)
    assert strided_convolution(x, torch.zeros(2, 3, 5, 5), None, **options) is None  # type: ignore[arg-type]
