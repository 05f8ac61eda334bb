"""What engines cost on one machine: the same audit in one process, by Ray, and as two shards.

    python -m benchmarks.engines [--images 2000] [--side 64] [--model resnet18] [--actors 2] [--rounds 1]
                                 [--engines ray,shards]

Each side is the command line in processes of its own; what an engine costs is its CPU time, divided by
that of one process: of all its processes, those of Ray's cluster included, which share the machine. Wall
times are printed, too, but depend on what else the machine does. Rounds alternate. Checks, documents and
map sanity are switched off, which would dilute the ratios. In the end, predictions must be equal to the
bit, and findings equal. Target: at most 1.15 for 10,000 images.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from PIL import Image

from auditor.registry import all_of

_MARK = "AUDITOR_BENCHMARK"
"""Variable of the environment by which all processes of one side are recognised."""
_CPU_EVERY = 0.25


def main() -> None:
    """Prints the times of each engine, and their ratios to those of one process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--actors", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--engines", default="ray,shards")
    options = parser.parse_args()
    chosen = ["local", *options.engines.split(",")]
    cpu: dict[str, list[float]] = {name: [] for name in chosen}
    wall: dict[str, list[float]] = {name: [] for name in chosen}
    with tempfile.TemporaryDirectory() as place:
        config = write_audit(Path(place), options.images, options.side, options.model)
        for number in range(options.rounds):
            for name in chosen if number % 2 == 0 else reversed(chosen):
                out = Path(place) / name
                shutil.rmtree(out, ignore_errors=True)
                start = time.perf_counter()
                cpu[name].append(sum(map(_cpu_of, _commands(name, config, out, options.actors))))
                wall[name].append(time.perf_counter() - start)
                print(f"{name}: CPU {cpu[name][-1]:.0f} s, wall {wall[name][-1]:.0f} s", flush=True)
        for name in chosen[1:]:
            _require_equal(Path(place) / "local", Path(place) / name)
            ratio = statistics.median(a / b for a, b in zip(cpu[name], cpu["local"], strict=True))
            longer = statistics.median(
                a / b for a, b in zip(wall[name], wall["local"], strict=True)
            )
            print(
                f"{name}: {ratio:.3f} of the CPU time, {longer:.2f} of the wall time of one process"
            )
    print("predictions are equal to the bit, and findings equal")


def write_audit(place: Path, n_images: int, side: int, model: str) -> Path:
    """Writes images in two classes, a network with random weights, and their configuration."""
    (place / "images").mkdir()
    random = np.random.default_rng(0)
    rows = []
    for k in range(n_images):
        small = random.integers(0, 256, (side // 4, side // 4, 3), dtype=np.uint8)
        name = f"images/{k:06d}.jpg"
        Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC).save(place / name)
        rows.append({"file": name, "label": "ab"[k % 2], "site": "xyz"[k % 3]})
    pd.DataFrame(rows).to_csv(place / "table.csv", index=False)
    (place / "benchmark_network.py").write_text(
        "import torch, torchvision\n\n\ndef build():\n    torch.manual_seed(0)\n"
        f"    return torchvision.models.get_model({model!r}, num_classes=2)\n",
        encoding="utf-8",
    )
    config = {
        "name": "engines",
        "model": {"adapter": "python", "factory": "benchmark_network:build", "classes": ["a", "b"]},
        "data": {
            "adapter": "manifest",
            "path": "table.csv",
            "image": "file",
            "label": "label",
            "attributes": ["site"],
        },
        "preprocess": {"resize": side, "crop": side, "mean": [0.5] * 3, "std": [0.5] * 3},
        # One image in five is explained, as in an audit with 20 % failures.
        "explain": {"trust_samples": 0, "contrast": False, "mean_samples": max(n_images // 30, 1)},
        "checks": dict.fromkeys(all_of("check"), False),
        "report": {"formats": []},
        "workers": 0,
        "device": "cpu",
    }
    path = place / "audit.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def _commands(name: str, config: Path, out: Path, actors: int) -> list[list[str]]:
    """The commands of one side, which run one after another."""
    audit = ["run", str(config), "--out", str(out), "--quiet"]
    if name == "local":
        return [audit]
    if name == "ray":
        return [[*audit, "--engine", "ray", "--actors", str(actors)]]
    commands: list[list[str]] = []
    for phase, more in (("predict", []), ("explain", ["--resume"])):
        commands += [[*audit, *more, "--shard", f"{k}/2"] for k in (1, 2)]
        commands += [["merge", *(f"{out}.{phase}-{k}-of-2" for k in (1, 2))]]
    return [*commands, [*audit, "--resume"]]


def _cpu_of(arguments: Sequence[str]) -> float:
    """CPU seconds of a command and of all processes that it has started, directly or not."""
    mark = uuid.uuid4().hex
    root = str(Path(__file__).parents[1])
    environment = os.environ | {_MARK: mark, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    ticks: dict[str, int] = {}
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_CPU_EVERY):
            ticks.update(_ticks_of(mark))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        done = subprocess.run(  # noqa: S603 - our own command line
            [sys.executable, "-m", "auditor", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        ended.set()
        watcher.join()
    if done.returncode not in {0, 1, 4}:
        raise SystemExit(f"auditor {' '.join(arguments)}: {done.stderr}")
    return sum(ticks.values()) / os.sysconf("SC_CLK_TCK")


def _ticks_of(mark: str) -> dict[str, int]:
    """CPU ticks of the running processes of one side, by their numbers."""
    found: dict[str, int] = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if f"{_MARK}={mark}".encode() in (path / "environ").read_bytes():
                fields = (path / "stat").read_text(encoding="utf-8", errors="replace")
                found[path.name] = sum(map(int, fields.rpartition(")")[2].split()[11:13]))
        except OSError:  # it has ended
            continue
    return found


def _require_equal(one: Path, other: Path) -> None:
    """Compares two results."""
    name = "predictions.parquet"
    if not pd.read_parquet(one / name).equals(pd.read_parquet(other / name)):
        raise SystemExit(f"{other}: its predictions differ")
    findings = [json.loads((run / "audit.json").read_bytes())["findings"] for run in (one, other)]
    if findings[0] != findings[1]:
        raise SystemExit(f"{other}: its findings differ")


if __name__ == "__main__":
    main()
