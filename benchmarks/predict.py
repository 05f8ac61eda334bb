"""Throughput of the predict stage against a bare DataLoader with the same network.

    python -m benchmarks.predict [--images 1000] [--rounds 5]

Both decode the same 224-pixel JPEGs in two worker processes and run ResNet-18 (random weights) with
batches of 32. The bare loop is a minimal script: Pillow, torchvision's transforms to float32 in the
workers, a forward pass in inference mode, and only the arg max is kept. Rounds alternate in one process;
the median of the ratios is printed. Target: at most 1.10.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
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

BATCH = 32
PREPROCESS = Preprocess(resize=256, crop=224, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def main() -> None:
    """Prints both throughputs and the median of their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    device = torch.device(options.device)
    torch.manual_seed(0)
    network: nn.Module = models.resnet18(weights=None).eval().to(device)
    with tempfile.TemporaryDirectory() as folder:
        dataset = _images(Path(folder), options.images)
        ratios: list[float] = []
        ours: list[float] = []
        bare: list[float] = []
        _bare(dataset, network, device, options.workers)  # warms the file cache
        for number in range(options.rounds):
            sides = [(_ours, ours), (_bare, bare)]
            for measure, seconds in sides if number % 2 else reversed(sides):
                seconds.append(measure(dataset, network, device, options.workers))
            ratios.append(ours[-1] / bare[-1])
    print(
        f"{options.images} images, {device}, {options.workers} workers, {options.rounds} rounds\n"
        f"bare loop  {options.images / statistics.median(bare):8.0f} images/s\n"
        f"predict    {options.images / statistics.median(ours):8.0f} images/s\n"
        f"time of predict / time of bare loop: {statistics.median(ratios):.3f} "
        f"(from {min(ratios):.3f} to {max(ratios):.3f}; target at most 1.10)"
    )


def _images(folder: Path, count: int) -> Dataset:
    """Smooth noise, whose JPEG is about as large as that of a photograph."""
    rng = np.random.default_rng(0)
    names = [f"{position:05d}.jpg" for position in range(count)]
    for name in names:
        coarse = Image.fromarray(rng.integers(0, 256, (28, 28, 3), dtype=np.uint8))
        fine = rng.normal(0, 8, (224, 224, 3))
        image = np.asarray(coarse.resize((224, 224), Image.Resampling.BICUBIC)) + fine
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / name, quality=85)
    samples = pd.DataFrame({"path": names, "label": 0}, index=pd.Index(names, name="sample"))
    return Dataset(samples, FileImages.of(folder, names), (), "benchmark")


def _ours(dataset: Dataset, network: nn.Module, device: torch.device, workers: int) -> float:
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
        start = time.perf_counter()
        predict(model, dataset, codes, Path(folder), lambda _: None)
        return time.perf_counter() - start


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


def _bare(dataset: Dataset, network: nn.Module, device: torch.device, workers: int) -> float:
    images = dataset.images
    assert isinstance(images, FileImages)
    paths = [images.root / name for name in dataset.samples["path"]]
    start = time.perf_counter()
    loader = DataLoader(
        _Files(paths), batch_size=BATCH, num_workers=workers, pin_memory=device.type == "cuda"
    )
    with torch.inference_mode():
        predicted = [network(inputs.to(device)).argmax(1).cpu() for inputs in loader]
    assert sum(len(part) for part in predicted) == len(paths)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
