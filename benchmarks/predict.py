"""Throughput of the predict stage against a bare DataLoader with the same network.

    python -m benchmarks.predict [--images 1000] [--rounds 5] [--model resnet18]

Both decode the same JPEGs of about 500 × 375 pixels in two worker processes and run ResNet-18 (random
weights) at 224 pixels with batches of 32. The bare loop is a minimal script: Pillow, torchvision's
transforms to float32 in the workers, a forward pass in inference mode, and only the arg max is kept.
Predict also measures image properties and perceptual hashes, hashes the files and writes Parquet. Rounds
alternate in one process; the medians of the ratios are printed, for wall time and for the CPU time of all
processes. Target: at most 1.10.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from torchvision import models, transforms

from auditor.audited_model import AuditedModel
from auditor.autograd.target_layer import find_layer
from auditor.config import Preprocess
from auditor.datasets.images import FileImages
from auditor.records import Dataset
from auditor.records.decisions import DecisionRule
from auditor.stages.predict import predict
from benchmarks.generated_images import write_images
from benchmarks.spent import Spent, timed

BATCH = 32
PREPROCESS = Preprocess(resize=256, crop=224, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def main() -> None:
    """Prints both throughputs and the medians of their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    device = torch.device(options.device)
    torch.manual_seed(0)
    network: nn.Module = models.get_model(options.model, weights=None).eval().to(device)
    ours: list[Spent] = []
    bare: list[Spent] = []
    with tempfile.TemporaryDirectory() as folder:
        names = write_images(Path(folder), options.images)
        samples = pd.DataFrame({"path": names, "label": 0}, index=pd.Index(names, name="sample"))
        images = FileImages.of(Path(folder), names)
        dataset = Dataset(samples, images, (), "benchmark")
        _bare(dataset, network, device, options.workers)  # warms the file cache
        for number in range(options.rounds):
            sides = [(_ours, ours), (_bare, bare)]
            for measure, found in sides if number % 2 else reversed(sides):
                found.append(Spent())
                with timed(found[-1]):
                    measure(dataset, network, device, options.workers)
    print(
        f"{options.images} images, {options.model}, {device}, {options.workers} workers, "
        f"{options.rounds} rounds; target of the ratios: at most 1.10"
    )
    for clock in ("wall", "cpu"):
        mine, other = ([getattr(one, clock) for one in found] for found in (ours, bare))
        ratios = [a / b for a, b in zip(mine, other, strict=True)]
        print(
            f"{clock:4}: bare loop {options.images / statistics.median(other):.1f} images/s, predict "
            f"{options.images / statistics.median(mine):.1f}; time of predict / of the bare loop: "
            f"{statistics.median(ratios):.3f} (from {min(ratios):.3f} to {max(ratios):.3f})"
        )


def _ours(dataset: Dataset, network: nn.Module, device: torch.device, workers: int) -> None:
    model = AuditedModel(
        module=network,
        rule=DecisionRule.single_label([f"class {code}" for code in range(1000)]),
        layer=find_layer(network, torch.rand(1, 3, 224, 224)),
        preprocess=PREPROCESS,
        device=device,
        batch_size=BATCH,
        workers=workers,
    )
    with tempfile.TemporaryDirectory() as folder:
        codes = np.zeros(len(dataset), np.int64)
        predict(model, dataset, codes, Path(folder), lambda _: None)


class _Files(TorchDataset[torch.Tensor]):
    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths
        self._transform = transforms.Compose(
            [
                transforms.Resize(256),
                transforms.CenterCrop(224),
                transforms.ToTensor(),
                transforms.Normalize(PREPROCESS.mean, PREPROCESS.std),
            ]
        )

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, position: int) -> torch.Tensor:
        image: torch.Tensor = self._transform(Image.open(self._paths[position]).convert("RGB"))
        return image


def _bare(dataset: Dataset, network: nn.Module, device: torch.device, workers: int) -> None:
    images = dataset.images
    assert isinstance(images, FileImages)
    paths = [images.root / name for name in dataset.samples["path"]]
    loader = DataLoader(
        _Files(paths), batch_size=BATCH, num_workers=workers, pin_memory=device.type == "cuda"
    )
    with torch.inference_mode():
        predicted = [network(inputs.to(device)).argmax(1).cpu() for inputs in loader]
    assert sum(len(part) for part in predicted) == len(paths)


if __name__ == "__main__":
    main()
