"""Peak memory of the predict stage on 50,000 small pictures against 5,000.

    python -m benchmarks.memory [--few 5000] [--many 50000]

Each runs in a process of its own with two decoding workers; the peak counts the process and, at its
largest, a worker (``ru_maxrss``). Target: within 200 MB of each other.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import nn

from auditor.config import Preprocess
from auditor.datasets.manifest import Manifest
from auditor.stages.predict import predict
from auditor.store import ShardWriter


def main() -> None:
    """Prints both peaks and their difference."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--few", type=int, default=5_000)
    parser.add_argument("--many", type=int, default=50_000)
    parser.add_argument("--one", type=Path, help="measure one manifest in this process")
    options = parser.parse_args()
    if options.one is not None:
        print(*_peaks(options.one))
        return
    peaks = [_measured(count) for count in (options.few, options.many)]
    for count, (own, worker) in zip((options.few, options.many), peaks, strict=True):
        print(f"{count:8d} pictures: {own:6.0f} MB, a worker {worker:6.0f} MB")
    more = sum(peaks[1]) - sum(peaks[0])
    print(f"difference: {more:.0f} MB (target: at most 200)")


def _measured(count: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        manifest = _manifest(Path(folder), count)
        command = [sys.executable, "-m", "benchmarks.memory", "--one", str(manifest)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  # own
    own, worker = (float(word) for word in done.stdout.split())
    return own, worker


def _peaks(manifest: Path) -> tuple[float, float]:
    """Peak resident megabytes of this process and of its largest worker."""
    network = nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)
    ).eval()
    dataset = Manifest(path=manifest, attributes=("site", "age")).open()
    shards = manifest.parent / "shards"
    shards.mkdir()
    predict(
        dataset,
        np.arange(len(dataset)) % 10,
        network,
        [str(code) for code in range(10)],
        Preprocess(),
        device=torch.device("cpu"),
        batch_size=64,
        workers=2,
        shards=ShardWriter(shards),
        advance=lambda _: None,
    )
    kilobytes = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    own, worker = (resource.getrusage(who).ru_maxrss / 1024 for who in kilobytes)
    return own, worker


def _manifest(root: Path, count: int) -> Path:
    """As many files as there are samples: links to few pictures, each with a path of its own."""
    rng = np.random.default_rng(0)
    for number in range(16):
        pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{number}.png")
    (root / "pictures").mkdir()
    names = [f"pictures/sample-{position:08d}.png" for position in range(count)]
    for position, name in enumerate(names):
        (root / name).symlink_to(root / f"{position % 16}.png")
    path = root / "test.csv"
    pd.DataFrame(
        {
            "file": names,
            "label": np.arange(count) % 10,
            "site": np.array(["north", "south"])[np.arange(count) % 2],
            "age": rng.integers(0, 90, count),
        }
    ).to_csv(path, index=False)
    return path


if __name__ == "__main__":
    main()
