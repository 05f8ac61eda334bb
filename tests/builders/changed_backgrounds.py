"""A network trained on shapes, and audited images of the same shapes on other backgrounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

CLASSES = ("square", "ring", "cross")
SIDE = 24
Sample = tuple[NDArray[np.uint8], str]


def shapes(seed: int, n: int, low: float, high: float) -> list[Sample]:
    """Light shapes of three classes on grey backgrounds of a brightness between two limits (0 to 255)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    samples: list[Sample] = []
    for k in range(n):
        dx, dy = x - rng.integers(9, 15), y - rng.integers(9, 15)
        size = rng.integers(5, 7)
        inside = (
            (np.abs(dx) <= size) & (np.abs(dy) <= size),
            (dx**2 + dy**2 <= size**2) & (dx**2 + dy**2 > (size - 3) ** 2),
            ((np.abs(dx) <= 1) | (np.abs(dy) <= 1)) & (np.maximum(np.abs(dx), np.abs(dy)) <= size),
        )[k % 3]
        image = np.where(inside[..., None], 220, rng.uniform(low, high))
        noisy = image + rng.normal(0, 12, (SIDE, SIDE, 3))
        samples.append((np.clip(noisy, 0, 255).astype(np.uint8), CLASSES[k % 3]))
    return samples


@dataclass(frozen=True)
class Trained:
    """A network and the images that it was trained on."""

    network: nn.Module
    images: list[Sample]


def trained_on_dark_backgrounds(n: int = 300) -> Trained:
    """A small network that was trained on shapes on dark backgrounds."""
    torch.manual_seed(0)
    images = shapes(0, n, 20, 90)
    network = nn.Sequential(
        nn.Conv2d(3, 16, 5, 2, 2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, 2, 1),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(3),
        nn.Flatten(),
        nn.Linear(288, 3),
    )
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    pixels = np.stack([image for image, _ in images]).transpose(0, 3, 1, 2)
    inputs = torch.from_numpy(pixels).float() / 255
    labels = torch.tensor([CLASSES.index(label) for _, label in images])
    for _ in range(80):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(inputs), labels).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return Trained(network.eval(), images)
