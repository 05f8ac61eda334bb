"""The input of a program that was saved with its shape and dtype."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

_COLOURS = frozenset({1, 3, 4})
_SIDE = 64
"""Side of a trial image for a program that takes any size."""


class ImageInput(NamedTuple):
    """Images as a program takes them.

    Attributes:
        shape: of a batch, with four axes; None stands for any size.
        dtype: of the pixels.
    """

    shape: tuple[int | None, ...]
    dtype: torch.dtype

    @property
    def channels_last(self) -> bool:
        """Whether the shape is (N, H, W, C)."""
        return self.shape[3] in _COLOURS and self.shape[1] not in _COLOURS

    @property
    def is_integer(self) -> bool:
        """Whether the program takes whole grey levels, from 0 to 255."""
        return not self.dtype.is_floating_point

    def trial(self, n: int) -> Tensor:
        """Random images (n, C, H, W), float32: from 0 to 1, or whole grey levels."""
        axes = (3, 1, 2) if self.channels_last else (1, 2, 3)
        channels, height, width = (self.shape[axis] for axis in axes)
        shape = (n, channels or 3, height or _SIDE, width or _SIDE)
        images = torch.rand(shape, generator=torch.Generator().manual_seed(0), device="cpu")
        return (images * 255).round() if self.is_integer else images

    def arranged(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W), float32, in the axes and the dtype of the program."""
        if self.channels_last:
            images = images.permute(0, 2, 3, 1)
        return images.round().to(self.dtype) if self.is_integer else images.to(self.dtype)


class ChannelsLast(nn.Module):
    """A network for images (N, H, W, C) that gets (N, C, H, W)."""

    def __init__(self, network: nn.Module) -> None:
        """Wraps a network."""
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> object:
        """What the network returns."""
        return self.network(images.permute(0, 2, 3, 1))
