"""Generated JPEGs, calibrated networks, and whole audits of them in which a fifth of the samples fail."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import get_model

from auditor.imaging import prepare
from benchmarks.architectures import calibrate

SIDES = ((500, 375), (375, 500), (640, 480))
"""Widths and heights, in turn."""
DISTINCT = 1000
"""So many different files are encoded; the others are copies with another name and another end."""
CLASSES = ("first", "second", "third", "fourth")


def write_images(folder: Path, count: int, sides: tuple[tuple[int, int], ...] = SIDES) -> list[str]:
    """Writes smooth noise, whose JPEG is about as large as that of a photograph.

    Args:
        folder: made if it does not exist.
        count: number of images.
        sides: width and height, in turn.

    Returns:
        The names of the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    names = [f"{position:06d}.jpg" for position in range(count)]
    for position, name in enumerate(names):
        path = folder / name
        if position >= DISTINCT:
            # Bytes behind the end of a JPEG are ignored, but make its fingerprint another one.
            earlier = (folder / names[position % DISTINCT]).read_bytes()
            path.write_bytes(earlier + str(position).encode())
            continue
        width, height = sides[position % len(sides)]
        coarse = Image.fromarray(generator.integers(0, 256, (28, 28, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
        noise = generator.integers(-14, 15, (height, width, 1), dtype=np.int16)
        noisy = (smooth + noise).clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(path, quality=85)
    return names


def read_inputs(folder: Path, names: list[str], side: int) -> Tensor:
    """The first images, as float32 (n, 3, side, side) in 0…1."""
    resize = round(side * 8 / 7)
    made = [prepare(Image.open(folder / name), resize, side) for name in names]
    return torch.from_numpy(np.stack(made)).float() / 255


def calibrated(architecture: str, images: Tensor, classes: int = len(CLASSES)) -> nn.Module:
    """A network with random weights whose predictions vary from image to image."""
    torch.manual_seed(0)
    network: nn.Module = get_model(architecture, weights=None, num_classes=classes)
    calibrate(network, images)
    return network.eval()


def write_audit(folder: Path, count: int, failures: float, architecture: str, side: int) -> Path:
    """Images, weights, labels and the configuration of an audit.

    The labels are the predictions of the network, except for the share that is to fail.

    Args:
        folder: receives everything.
        count: number of samples.
        failures: share of the samples whose label is another class.
        architecture: of torchvision.
        side: of the network's input, in pixels.

    Returns:
        The path of the configuration.
    """
    names = write_images(folder / "images", count)
    first = names[:DISTINCT]
    network = calibrated(architecture, read_inputs(folder / "images", first[:32], side))
    predicted: list[int] = []
    with torch.inference_mode():
        for at in range(0, len(first), 32):
            logits = network(read_inputs(folder / "images", first[at : at + 32], side))
            predicted += logits.argmax(1).tolist()
    generator = np.random.default_rng(1)
    labels = np.resize(np.array(predicted), count)
    wrong = generator.random(count) < failures
    labels = np.where(wrong, (labels + generator.integers(1, len(CLASSES), count)) % 4, labels)
    table = {
        "file": names,
        "label": [CLASSES[label] for label in labels],
        "site": generator.choice(["north", "south", "west"], count),
    }
    pd.DataFrame(table).to_csv(folder / "samples.csv", index=False)
    save_file(network.state_dict(), folder / "weights.safetensors")
    config = {
        "name": "benchmark",
        "model": {
            "adapter": "torchvision",
            "architecture": architecture,
            "checkpoint": "weights.safetensors",
            "num_classes": len(CLASSES),
            "classes": list(CLASSES),
        },
        "data": {
            "adapter": "manifest",
            "path": "samples.csv",
            "root": "images",
            "image": "file",
            "label": "label",
            "attributes": ["site"],
        },
        "preprocess": {"resize": round(side * 8 / 7), "crop": side, "mean": [0.0], "std": [1.0]},
        "report": {"formats": ["html"]},
    }
    path = folder / "audit.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path
