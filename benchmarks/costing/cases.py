"""The audits whose cost is measured: each writes its data, weights and configuration to a folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from auditor import demo
from auditor.demo import digits, networks, solar, train

_MOBILENET_IMAGES = 654
_SIDE = int(os.environ.get("COST_SIDE", "224"))
"""Side of its inputs in pixels."""
_TINY_IMAGES = 2000
_TINT = (1.0, 0.72, 0.5)
"""Factors of the three channels of a tinted image."""


def _silent(_line: str) -> None:
    pass


def solar_demo(folder: Path) -> Path:
    """``auditor demo``: 1,428 photographs of solar cells, 128 pixels, a network of six layers."""
    return demo.prepare("solar", folder, _silent)


def digits_demo(folder: Path) -> Path:
    """``auditor demo --case digits``: 1,078 digits, 32 pixels."""
    return demo.prepare("digits", folder, _silent)


def mobilenet(folder: Path) -> Path:
    """654 photographs of solar cells, and a MobileNet-V2 with random features.

    The side of its inputs is 224 pixels, or what the environment variable ``COST_SIDE`` states.
    Its batch normalisation is calibrated and its last layer fitted on the training images of the
    demo, so that it has failures to explain.
    """
    from torchvision.models import mobilenet_v2

    folder.mkdir(parents=True, exist_ok=True)
    audited, careless, _ = solar.splits()
    audited = audited.sample(_MOBILENET_IMAGES, random_state=0)
    audited.to_csv(folder / "audited.csv", index=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = mobilenet_v2(num_classes=2)
    _fit_head(net, solar.images(careless["file"]), solar.targets(careless))
    save_file(net.state_dict(), folder / "mobilenet.safetensors")
    text = f"""
name: cost-mobilenet
model:
  adapter: torchvision
  architecture: mobilenet_v2
  checkpoint: mobilenet.safetensors
  num_classes: 2
  classes: [functional, defective]
data:
  adapter: manifest
  path: audited.csv
  root: {json.dumps(str(solar.images_folder()))}
  image: file
  label: label
  attributes: [cell_type, annotation]
preprocess: {{resize: {_SIDE}, crop: {_SIDE}, mean: [0.6], std: [0.16]}}
"""
    path = folder / "audit.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def _fit_head(net: nn.Module, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
    """Calibrates the batch normalisation and fits the last layer, both on some images."""
    inputs = torch.tensor(images[:256]).unsqueeze(1).expand(-1, 3, -1, -1).float()
    inputs = nn.functional.interpolate(inputs.div(255).sub(0.6).div(0.16), size=_SIDE)
    with torch.no_grad():
        net.train()
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None  # the mean over all batches
        for batch in torch.split(inputs, 32):
            net(batch)
        net.eval()
        features = torch.cat(
            [cast(nn.Module, net.features)(one).mean((2, 3)) for one in torch.split(inputs, 32)]
        )
    from sklearn.linear_model import LogisticRegression

    scale = features.std(0) + 1e-6
    fitted = LogisticRegression(max_iter=500).fit((features / scale).numpy(), labels[:256])
    weight = torch.tensor(fitted.coef_[0], dtype=torch.float32) / scale
    bias = float(fitted.intercept_[0])
    head = cast(nn.Linear, cast(nn.Sequential, net.classifier)[1])
    with torch.no_grad():
        head.weight.copy_(torch.stack([-weight, weight]) / 2)
        head.bias.copy_(torch.tensor([-bias, bias]) / 2)


def tiny(folder: Path) -> Path:
    """2,000 digits of 32 pixels with two attributes: a mark and a tint, both associated with a class."""
    rows, drawn = digits.samples(planted=True, seed=0)
    generator = np.random.default_rng(0)
    in_training = (rows["split"] == "training").to_numpy()
    net = train.fit(
        networks.digits_net,
        drawn[in_training],
        rows["label"].to_numpy(dtype=np.int64)[in_training],
        train.TrainingRecipe(
            mean=digits.MEAN, std=digits.STD, epochs=digits.EPOCHS, rate=digits.RATE
        ),
        _silent,
    )
    folder.mkdir(parents=True, exist_ok=True)
    train.save(net, folder / "tiny.safetensors", {})
    audited = rows[~in_training].reset_index(drop=True)
    images = drawn[~in_training]
    chosen = np.arange(_TINY_IMAGES) % len(audited)
    table = audited.iloc[chosen].drop(columns="split").reset_index(drop=True)
    tinted = generator.random(_TINY_IMAGES) < 0.5
    (folder / "images").mkdir(exist_ok=True)
    names = []
    for k, source in enumerate(chosen):
        shift = generator.integers(-1, 2, 2)  # so that no two images are equal
        grey = np.roll(images[source], tuple(shift), (0, 1)).astype(np.float64)
        noisy = grey + generator.normal(0, 6, grey.shape)
        colour = noisy[..., None] * np.array(_TINT if tinted[k] else (1.0, 1.0, 1.0))
        names.append(f"images/tiny-{k:05d}.png")
        Image.fromarray(np.clip(np.rint(colour), 0, 255).astype(np.uint8)).save(folder / names[-1])
    table["file"] = names
    table["tint"] = np.where(tinted, "tinted", "plain")
    table.to_csv(folder / "audited.csv", index=False)
    text = """
name: cost-tiny
model:
  adapter: python
  factory: auditor.demo.networks:digits_net
  checkpoint: tiny.safetensors
  classes: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
data: {adapter: manifest, path: audited.csv, image: file, label: label, attributes: [mark, tint]}
preprocess: {resize: 32, crop: 32, mean: [0.3], std: [0.35]}
"""
    path = folder / "audit.yaml"
    path.write_text(text, encoding="utf-8")
    return path


CASES: Mapping[str, Callable[[Path], Path]] = {
    "solar": solar_demo,
    "digits": digits_demo,
    "mobilenet": mobilenet,
    "tiny": tiny,
}
