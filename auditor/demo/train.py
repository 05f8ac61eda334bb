"""Trains the demo's networks; ``python -m auditor.demo.train`` makes the shipped weights again.

One thread and seeded generators: two runs on one machine with the same version of torch give the
same weights, bit for bit. Other processors and versions round differently; what the network has
learnt, and so the audit's findings, stay the same.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable
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


def fit(
    factory: Callable[[], nn.Module],
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    *,
    mean: float,
    std: float,
    epochs: int,
    rate: float,
    seed: int,
    turns: bool = False,
    say: Callable[[str], None],
) -> nn.Module:
    """Trains a new network on grey images.

    AdamW with one cycle of the learning rate, batches of 32. The caller's random state and number
    of threads are as before afterwards.

    Args:
        factory: makes the network; it takes RGB.
        images: (N, H, W) uint8, N of at least 32; with `turns` H = W.
        labels: (N,) class indices.
        mean: subtracted from the values in 0…1.
        std: divided by afterwards.
        epochs: passes over the images.
        rate: the highest learning rate.
        seed: of the first weights, of the order and of the turns.
        turns: whether each image is mirrored and transposed at random.
        say: called with a line after every epoch.

    Returns:
        The network in eval mode.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            net = factory()
        _descend(
            net,
            _normalised(images, mean, std),
            torch.tensor(labels),
            epochs,
            rate,
            seed,
            turns,
            say,
        )
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
            for batch in torch.split(_normalised(images, mean, std), BATCH)
        ]
    found: NDArray[np.int64] = torch.cat(parts).numpy()
    return found


def save(net: nn.Module, path: Path, recipe: dict[str, Any]) -> None:
    """Writes a network's state as safetensors, with its recipe as JSON in the metadata."""
    # One key only: the library keeps several in no fixed order, and the file would not be the same.
    save_file(net.state_dict(), path, metadata={"recipe": json.dumps(recipe, sort_keys=True)})


def _normalised(images: NDArray[np.uint8], mean: float, std: float) -> torch.Tensor:
    return torch.tensor(images).unsqueeze(1).float().div(255).sub(mean).div(std)


def _descend(
    net: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    epochs: int,
    rate: float,
    seed: int,
    turns: bool,
    say: Callable[[str], None],
) -> None:
    steps = len(images) // BATCH
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * steps)
    net.train()
    for epoch in range(1, epochs + 1):
        order = torch.randperm(len(images), generator=generator)[: steps * BATCH]
        total = 0.0
        for batch in order.view(steps, BATCH):
            inputs = images[batch]
            if turns:
                inputs = _turned(inputs, generator)
            loss = cross_entropy(net(inputs.expand(-1, 3, -1, -1)), labels[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            total += loss.item()
        say(f"epoch {epoch} of {epochs}: training loss {total / steps:.3f}")


def _turned(inputs: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """One of the eight symmetries of the square for each image."""
    coins = torch.rand((3, len(inputs), 1, 1, 1), generator=generator) < 0.5
    inputs = torch.where(coins[0], inputs.flip(3), inputs)
    inputs = torch.where(coins[1], inputs.flip(2), inputs)
    return torch.where(coins[2], inputs.transpose(2, 3), inputs)


def main(
    out: Annotated[
        Path, typer.Option(help="Where the weights go; the recipe goes beside them.")
    ] = solar.WEIGHTS,
    balanced: Annotated[
        bool,
        typer.Option("--balanced", help="Train on the split in which cell type tells nothing."),
    ] = False,
) -> None:
    """Trains the solar cell inspection model (a few minutes on one core) and measures it."""
    splits = solar.splits()
    training = splits.balanced if balanced else splits.careless
    began = time.monotonic()
    net = fit(
        networks.solar_net,
        solar.images(training["file"]),
        solar.targets(training),
        mean=solar.MEAN,
        std=solar.STD,
        epochs=solar.EPOCHS,
        rate=solar.RATE,
        seed=solar.SEED,
        turns=True,
        say=typer.echo,
    )
    seconds = time.monotonic() - began
    predicted = predict(net, solar.images(splits.audited["file"]), mean=solar.MEAN, std=solar.STD)
    recipe = {
        "command": "python -m auditor.demo.train" + (" --balanced" if balanced else ""),
        "data": "ELPV (distribution elpv-dataset, CC-BY-NC-SA-4.0): Deitsch et al., Solar Energy "
        "185 (2019); Buerhop-Lutz et al., EU PVSEC (2018)",
        "label": solar.LABEL_RULE,
        "split": solar.SPLIT_RULE,
        "training_cells": solar.counts(training),
        "audited_cells": solar.counts(splits.audited),
        "seed": solar.SEED,
        "epochs": solar.EPOCHS,
        "batch": BATCH,
        "optimizer": f"AdamW, one cycle up to {solar.RATE}, weight decay 0.01",
        "augmentation": "mirrored and transposed at random",
        "input": {"side": solar.SIDE, "mean": solar.MEAN, "std": solar.STD},
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "versions": {name: version(name) for name in ("torch", "numpy", "pillow", "elpv-dataset")}
        | {"python": platform.python_version()},
        "measured_on_audited_cells": measure(splits.audited, predicted),
    }
    save(net, out, recipe)
    out.with_suffix(".json").write_text(json.dumps(recipe, indent=2) + "\n", encoding="utf-8")
    typer.echo(f"trained in {seconds:.0f} s; measured on the audited cells:")
    typer.echo(json.dumps(recipe["measured_on_audited_cells"], indent=2))
    typer.echo(f"weights: {out}")


def measure(cells: pd.DataFrame, predicted: NDArray[np.int64]) -> dict[str, Any]:
    """Accuracy, and for each cell type the recall of defects and the rate of false alarms.

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
