"""Small networks with every notation of ReLU."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional


class Written(nn.Module):
    """Two convolutions and a head; `activation` is called after each convolution."""

    def __init__(self, activation: Callable[[Tensor], Tensor], features: int = 6) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, features, 3, padding=1)
        self.second = nn.Conv2d(features, features, 3, stride=2, padding=1)
        self.head = nn.Linear(features, 4)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        x = self.activation(self.first(x))
        x = self.activation(self.second(x))
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits


def _without_using_the_result(x: Tensor) -> Tensor:
    x.relu_()
    return x


RELUS: dict[str, Callable[[Tensor], Tensor]] = {
    "nn.ReLU": nn.ReLU(),
    "nn.ReLU in place": nn.ReLU(inplace=True),
    "F.relu": functional.relu,
    "F.relu in place": lambda x: functional.relu(x, inplace=True),
    "torch.relu": torch.relu,
    "torch.relu_": torch.relu_,
    "Tensor.relu": Tensor.relu,
    "Tensor.relu_": _without_using_the_result,
    "nn.ReLU6": nn.ReLU6(),
    "nn.ReLU6 in place": nn.ReLU6(inplace=True),
    "F.relu6": functional.relu6,
    "Hardtanh(0, 1)": nn.Hardtanh(0.0, 1.0),
    "clamp(min=0)": lambda x: x.clamp(min=0),
    "clamp_(min=0)": lambda x: x.clamp_(min=0),
    "clamp(0, 6)": lambda x: torch.clamp(x, 0, 6),
    "clamp_min": lambda x: x.clamp_min(0.0),
    "clamp_min of a tensor": lambda x: x.clamp_min(torch.zeros((), dtype=x.dtype)),
    "maximum": lambda x: torch.maximum(x, torch.zeros_like(x)),
    "max": lambda x: torch.max(x, torch.zeros_like(x)),
    "threshold": lambda x: functional.threshold(x, 0.0, 0.0),
}
"""Notations of ReLU; captum recognises only the first two."""


def learn(norm: nn.BatchNorm2d) -> None:
    """Sets weights and statistics of batch normalisation as after training: none is 0 or 1."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.normal_(std=0.1)
    norm.running_var.uniform_(0.5, 2.0)
    nn.init.uniform_(norm.weight, 0.5, 2.0)
    nn.init.normal_(norm.bias, std=0.1)


class Residual(nn.Module):
    """`relu(h) + h`, one module used several times, an in-place ReLU after the target layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        learn(self.norm)
        self.layer = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=2)
        self.relu = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(self.stem(x))
        h = functional.relu(h) + h
        h = self.relu(self.layer(h))
        h = self.relu(h - h.mean((2, 3), keepdim=True)) + self.relu(0.3 * h - 0.05)
        logits: Tensor = self.head(self.drop(self.pool(h).flatten(1)))
        return logits


def random_images(n: int = 3, size: int = 12, seed: int = 0) -> Tensor:
    """(n, 3, size, size) standard normal numbers."""
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(seed))


def relative(value: Tensor, expected: Tensor) -> float:
    """‖value − expected‖ / ‖expected‖, in float64."""
    value, expected = value.detach().double().cpu(), expected.detach().double().cpu()
    return float((value - expected).norm() / expected.norm())
