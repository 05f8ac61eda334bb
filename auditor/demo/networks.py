"""The two small networks of the examples.

They consist of convolutions, batch normalisation and ReLU, for which guided backpropagation is
defined, and end with global average pooling and one linear layer, the architecture for which Grad-CAM
works best. Each ReLU is a separate module and works out of place. The input is RGB, as every image in
an audit; a grey image has three equal channels.
"""

from __future__ import annotations

from itertools import pairwise

from torch import nn


def solar_net(num_classes: int = 2) -> nn.Module:
    """Five convolution layers for cells of solar modules, about 84,000 parameters.

    Args:
        num_classes: number of logits.

    Returns:
        A module that maps (N, 3, 128, 128) float32 to logits (N, num_classes). The activation map of
        its last convolution is 16 × 16.
    """
    return _conv_net((16, 32, 48, 64, 64), pooled=3, num_classes=num_classes)


def digits_net(num_classes: int = 10) -> nn.Module:
    """Three convolution layers for images of digits, about 15,000 parameters.

    Args:
        num_classes: number of logits.

    Returns:
        A module that maps (N, 3, 32, 32) float32 to logits (N, num_classes). The activation map of
        its last convolution is 8 × 8.
    """
    return _conv_net((16, 32, 32), pooled=2, num_classes=num_classes)


def _conv_net(channels: tuple[int, ...], pooled: int, num_classes: int) -> nn.Module:
    """A chain of convolution blocks; each of the first `pooled` blocks halves the side."""
    layers: list[nn.Module] = []
    for depth, (before, after) in enumerate(pairwise((3, *channels))):
        layers += [
            # No bias: the batch normalisation that follows has its own.
            nn.Conv2d(before, after, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
        ]
        if depth < pooled:
            layers.append(nn.MaxPool2d(2))
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels[-1], num_classes)]
    return nn.Sequential(*layers)
