"""Trains the networks of the examples; ``python -m auditor.demo.train`` reproduces the shipped weights.

With one thread and seeded generators, two runs on one machine with the same version of torch give the
same weights, bit for bit. Other processors and versions round differently, but the network learns the
same shortcut.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
import typer
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import nn
from torch.nn.functional import cross_entropy

from auditor.demo import networks, solar

BATCH = 32


@dataclass(frozen=True)
class TrainingRecipe:
    """How a network is trained.

    Attributes:
        mean: subtracted from the values in 0…1.
        std: divides the result.
        epochs: passes over the images.
        rate: the highest learning rate.
        seed: seed of the initial weights, the order of the images and the augmentation.
        augment: whether each image is mirrored and transposed at random.
    """

    mean: float
    std: float
    epochs: int
    rate: float
    seed: int = 0
    augment: bool = False


def fit(
    factory: Callable[[], nn.Module],
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    recipe: TrainingRecipe,
    log: Callable[[str], None],
) -> nn.Module:
    """Trains a new network on grey images: AdamW, one cycle of the learning rate, batches of 32.

    The random state and the number of threads of the caller are restored afterwards.

    Args:
        factory: builds the network, which takes RGB.
        images: (N, H, W) uint8, N at least 32; H = W with `augment`.
        labels: (N,) class indices.
        recipe: how to train.
        log: called with a line of text after every epoch.

    Returns:
        The network in evaluation mode.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            net = factory()
        inputs = _normalise(images, recipe.mean, recipe.std)
        _descend(net, inputs, torch.tensor(labels), recipe, log)
    finally:
        torch.set_num_threads(threads)
    return net.eval()


def predict(
    net: nn.Module, images: NDArray[np.uint8], *, mean: float, std: float
) -> NDArray[np.int64]:
    """The class indices (N,) that a network predicts for grey images (N, H, W)."""
    with torch.inference_mode():
        parts = [
            net(batch.expand(-1, 3, -1, -1)).argmax(1)
            for batch in torch.split(_normalise(images, mean, std), BATCH)
        ]
    found: NDArray[np.int64] = torch.cat(parts).numpy()
    return found


def save(net: nn.Module, path: Path, recipe: dict[str, Any]) -> None:
    """Writes a network's state as safetensors, with its recipe as JSON in the metadata."""
    # A single key: the library writes several keys in no fixed order, so the file would vary.
    save_file(net.state_dict(), path, metadata={"recipe": json.dumps(recipe, sort_keys=True)})


def _normalise(images: NDArray[np.uint8], mean: float, std: float) -> torch.Tensor:
    return torch.tensor(images).unsqueeze(1).float().div(255).sub(mean).div(std)


def _descend(
    net: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    recipe: TrainingRecipe,
    log: Callable[[str], None],
) -> None:
    steps = len(images) // BATCH
    generator = torch.Generator().manual_seed(recipe.seed)
    optimizer = torch.optim.AdamW(net.parameters(), lr=recipe.rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.rate, total_steps=recipe.epochs * steps
    )
    net.train()
    for epoch in range(1, recipe.epochs + 1):
        order = torch.randperm(len(images), generator=generator)[: steps * BATCH]
        total = 0.0
        for batch in order.view(steps, BATCH):
            inputs = images[batch]
            if recipe.augment:
                inputs = mirror_and_transpose(inputs, generator)
            loss = cross_entropy(net(inputs.expand(-1, 3, -1, -1)), labels[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            total += loss.item()
        log(f"epoch {epoch} of {recipe.epochs}: training loss {total / steps:.3f}")


def mirror_and_transpose(inputs: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Applies a random one of the eight symmetries of the square to each image (N, C, H, H)."""
    coins = torch.rand((3, len(inputs), 1, 1, 1), generator=generator) < 0.5
    inputs = torch.where(coins[0], inputs.flip(3), inputs)
    inputs = torch.where(coins[1], inputs.flip(2), inputs)
    return torch.where(coins[2], inputs.transpose(2, 3), inputs)


def main(
    out: Annotated[
        Path, typer.Option(help="File for the weights; the recipe is written beside it.")
    ] = solar.WEIGHTS,
    balanced: Annotated[
        bool,
        typer.Option(
            "--balanced", help="Train on the split in which cell type and label are independent."
        ),
    ] = False,
) -> None:
    """Train the solar cell model (a few minutes on one core) and measure its accuracy."""
    splits = solar.splits()
    training = splits.balanced if balanced else splits.careless
    start = time.monotonic()
    net = fit(
        networks.solar_net,
        solar.images(training["file"]),
        solar.targets(training),
        TrainingRecipe(
            mean=solar.MEAN,
            std=solar.STD,
            epochs=solar.EPOCHS,
            rate=solar.RATE,
            seed=solar.SEED,
            augment=True,
        ),
        typer.echo,
    )
    seconds = time.monotonic() - start
    predicted = predict(net, solar.images(splits.audited["file"]), mean=solar.MEAN, std=solar.STD)
    recipe = _description(net, training, splits.audited, measure(splits.audited, predicted))
    recipe["command"] += " --balanced" if balanced else ""
    save(net, out, recipe)
    out.with_suffix(".json").write_text(json.dumps(recipe, indent=2) + "\n", encoding="utf-8")
    typer.echo(f"trained in {seconds:.0f} s; measured on the audited cells:")
    typer.echo(json.dumps(recipe["measured_on_audited_cells"], indent=2))
    typer.echo(f"weights: {out}")


def _description(
    net: nn.Module, training: pd.DataFrame, audited: pd.DataFrame, measured: dict[str, Any]
) -> dict[str, Any]:
    """Recipe and accuracy of the weights, as stored with them."""
    return {
        "command": "python -m auditor.demo.train",
        "data": "ELPV (distribution elpv-dataset, CC-BY-NC-SA-4.0): Deitsch et al., Solar Energy "
        "185 (2019); Buerhop-Lutz et al., EU PVSEC (2018)",
        "label": solar.LABEL_RULE,
        "split": solar.SPLIT_RULE,
        "training_cells": solar.counts(training),
        "audited_cells": solar.counts(audited),
        "seed": solar.SEED,
        "epochs": solar.EPOCHS,
        "batch": BATCH,
        "optimizer": f"AdamW, one cycle up to {solar.RATE}, weight decay 0.01",
        "augmentation": "mirrored and transposed at random",
        "input": {"side": solar.SIDE, "mean": solar.MEAN, "std": solar.STD},
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "versions": {name: version(name) for name in ("torch", "numpy", "pillow", "elpv-dataset")}
        | {"python": platform.python_version()},
        "measured_on_audited_cells": measured,
    }


def measure(cells: pd.DataFrame, predicted: NDArray[np.int64]) -> dict[str, Any]:
    """Accuracy, and recall and false-alarm rate of defects for each cell type.

    Args:
        cells: rows of `solar.table`.
        predicted: (N,) class indices.

    Returns:
        Shares between 0 and 1, rounded to four places.
    """
    alarm = predicted == solar.CLASSES.index("defective")
    defective = (cells["label"] == "defective").to_numpy()
    result: dict[str, Any] = {"accuracy": round(float((alarm == defective).mean()), 4)}
    for cell_type in ("mono", "poly"):
        of_type = (cells["cell_type"] == cell_type).to_numpy()
        result[cell_type] = {
            "recall": round(float(alarm[of_type & defective].mean()), 4),
            "false_alarms": round(float(alarm[of_type & ~defective].mean()), 4),
        }
    return result


if __name__ == "__main__":
    typer.run(main)
