"""Images, tables and weights as users have them, for commands that get no configuration file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision.models import get_model

CLASSES = ("10 cows", "cat", "dog")
NETWORK = """
import torch

def build():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(), torch.nn.Linear(4, 3),
    )
"""


def write_photos(folder: Path, each: int = 12) -> pd.DataFrame:
    """One sub-folder of images per class.

    Returns:
        One row per image: ``file``, ``label``, and columns of every kind.
    """
    random = np.random.default_rng(0)
    rows = []
    for k, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for n in range(each):
            pixels = random.integers(0, 256, (40, 40, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{n}.png")
            rows.append(
                {
                    "file": f"{name}/{n}.png",
                    "label": name,
                    "site": "ab"[n % 2],
                    "age": 20 + 1.5 * n + k / 10,
                    "skin type": 1 + n % 3,
                    "patient_id": f"p{n // 2}",
                    "bbox": f"[{n}, 2, {n + 10}, 20]",
                    "mask_path": f"{name}/{n}.png",
                    "weight": 1.5,
                    "comment": f"comment {n} on {name}",
                    "source": "archive",
                }
            )
    return pd.DataFrame(rows)


def write_weights(path: Path, n_classes: int = 3) -> Path:
    """Weights of an untrained resnet18 as safetensors."""
    torch.manual_seed(0)
    save_file(get_model("resnet18", weights=None, num_classes=n_classes).state_dict(), path)
    return path
