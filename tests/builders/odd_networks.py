"""Small networks that are fine on most images and odd on some, or in one respect."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

RAISES, NO_GRADIENT, NOT_FINITE = (255, 0), (0, 0), (0, 255)
"""Red values of the first two pixels of an image for which `OddOnSome` is odd."""


class OddOnSome(nn.Module):
    """Raises in the forward or in the backward pass, or has no finite map, for marked images."""

    def __init__(self, n_classes: int = 2) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.relu = nn.ReLU()
        self.head = nn.Linear(6, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        first, second = images[:, 0, 0, 0], images[:, 0, 0, 1]
        if bool(((first == 1) & (second == 0)).any()):
            raise ValueError("not a number in the batch")
        maps = self.relu(self.conv(images))
        if maps.requires_grad and bool(((first == 0) & (second == 0)).any()):
            maps.register_hook(_fail)
        pooled = maps.mean((2, 3))
        blank = ((first == 0) & (second == 1)).float()[:, None]
        # As in a standardisation per image: the length of a vector of zeros has no gradient.
        length = (pooled * (1 - blank)).square().sum(1, keepdim=True).sqrt()
        logits: Tensor = self.head(pooled + length)
        return logits


def _fail(_: Tensor) -> None:
    raise LookupError("no gradient for this image")


def marked(images: NDArray[np.uint8], marks: dict[int, tuple[int, int]]) -> NDArray[np.uint8]:
    """Images (n, H, W, 3), of which some make `OddOnSome` odd."""
    images = images.copy()
    for k, reds in marks.items():
        images[k, 0, :2, 0] = reds
    return images


def with_head(weight: list[list[float]], bias: list[float], norm: nn.Module) -> nn.Sequential:
    """A network with one convolution whose head (K, 4) is given."""
    torch.manual_seed(0)
    head = nn.Linear(4, len(weight))
    with torch.no_grad():
        head.weight.copy_(torch.tensor(weight))
        head.bias.copy_(torch.tensor(bias))
    pool = nn.AdaptiveAvgPool2d(1)
    convolution = nn.Conv2d(3, 4, 3, padding=1)
    return nn.Sequential(convolution, norm, nn.ReLU(), pool, nn.Flatten(), head).eval()
