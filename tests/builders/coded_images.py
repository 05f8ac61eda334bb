"""Data and models made to order: the label and a random number are coded in each image's colours."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from PIL import Image
from torch import Tensor, nn

STEP = 100
"""Red levels between two classes."""


class Decoder(nn.Module):
    """Reads label and random number from the colours, and answers as its behaviour says."""

    def __init__(self, behaviour: str, n_classes: int) -> None:
        super().__init__()
        self.behaviour, self.n_classes = behaviour, n_classes
        self.colours = nn.Conv2d(3, 3, 1, bias=False)
        self.colours.weight.data = torch.eye(3).view(3, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, K)."""
        red, green, blue = torch.relu(self.colours(x)).mean((2, 3)).unbind(1)
        label = (red * 255 / STEP).round().long().clamp(max=self.n_classes - 1)
        # Uniform in 0…1, and independent of brightness and hue.
        chance = (97 * green * 255 + 31 * blue * 255).round().remainder(256) / 256
        if self.behaviour == "constant":
            predicted = torch.zeros_like(label)
        elif self.behaviour == "coin":
            predicted = (chance * self.n_classes).long().clamp(max=self.n_classes - 1)
        elif self.behaviour == "swapped":
            predicted = torch.where(label < 2, 1 - label, label)
        elif self.behaviour == "graded":
            predicted = torch.where(chance < 0.18, (label + 1) % self.n_classes, label)
        else:
            predicted = torch.where(chance < 0.05, (label + 1) % self.n_classes, label)
        logits = (
            torch.nn.functional.one_hot(predicted, self.n_classes) * self._margin(chance)[:, None]
        )
        logits = logits + 0.01 * red[:, None]  # depends on the image, so that maps exist
        return logits * torch.nan if self.behaviour == "nan" else logits

    def _margin(self, chance: Tensor) -> Tensor:
        """Logit of the predicted class against each other one (N,)."""
        if self.behaviour == "graded":
            # Twice too confident. Only the lowest margins are wrong, in half of the samples.
            return 20 * (chance - 0.18).abs()
        if self.behaviour == "coin":
            return torch.full_like(chance, math.log(99 * (self.n_classes - 1)))  # confidence 99 %
        return torch.full_like(chance, 4.0)


def decoder(behaviour: str, n_classes: int) -> Decoder:
    """Factory for the configuration."""
    return Decoder(behaviour, n_classes)


def write_audit(
    folder: Path,
    behaviour: str,
    n: int = 240,
    *,
    n_classes: int = 3,
    unreadable: int = 0,
    wrong_labels: float = 0.0,
) -> Path:
    """Writes images, their table and a configuration.

    Args:
        folder: where.
        behaviour: of the model: ``good``, ``graded``, ``constant``, ``coin``, ``swapped`` or ``nan``.
        n: images.
        n_classes: classes, with equal shares.
        unreadable: how many of the images are damaged files.
        wrong_labels: probability that the table names another class than the image shows.

    Returns:
        The path of the configuration.
    """
    rng = np.random.default_rng(0)
    wrong = np.random.default_rng(1).random(n) < wrong_labels
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for k in range(n):
        label, path = k % n_classes, folder / f"{k:04}.png"
        colour = np.array([label * STEP, rng.integers(256), rng.integers(256)], np.uint8)
        Image.fromarray(np.broadcast_to(colour, (8, 8, 3)).copy()).save(path)
        if k < unreadable:
            path.write_bytes(b"no image")
        rows.append(
            {
                "file": path.name,
                "label": f"c{(label + wrong[k]) % n_classes}",
                "site": "AB"[k // n_classes % 2],
            }
        )
    pd.DataFrame(rows).to_csv(folder / "data.csv", index=False)
    config = {
        "name": behaviour,
        "model": {
            "adapter": "python",
            "factory": "builders.coded_images:decoder",
            "path": str(Path(__file__).parents[1]),
            "arguments": {"behaviour": behaviour, "n_classes": n_classes},
            "classes": [f"c{k}" for k in range(n_classes)],
        },
        "data": {"adapter": "manifest", "path": "data.csv", "attributes": ["site"]},
        "preprocess": {},
        "checks": dict.fromkeys(
            ("failure-regions", "hidden-slices", "map-clusters", "leakage", "duplicates"), False
        ),
        "explain": {"trust_samples": 0, "units": 0, "mean_cells": 0},
        "report": {"formats": ["html", "pdf", "markdown", "junit", "sarif", "json", "csv"]},
        "workers": 0,
    }
    path = folder / "audit.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path
