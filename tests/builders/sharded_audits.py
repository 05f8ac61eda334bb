"""A tiny audit of a network in a module beside its configuration, which other processes can open as well."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from PIL import Image

from auditor.config import AuditConfig
from auditor.engines.shard import Shard
from auditor.engines.shards import run_shard
from auditor.progress import Silent
from auditor.registry import all_of

N_IMAGES = 40
SIDE = 12
BLOCK = 8
"""Samples in a block, of predictions and explanations alike."""

_NETWORK = """
import os
import signal
import sys
from pathlib import Path

import torch
from torch import nn

KILL = Path(__file__).with_name("kill-one-actor")


def listening():
    # Addresses at which this process and its parent listen; both belong to Ray.
    own = set()
    for pid in (os.getpid(), os.getppid()):
        for number in os.listdir(f"/proc/{pid}/fd"):
            try:
                own.add(os.readlink(f"/proc/{pid}/fd/{number}"))
            except FileNotFoundError:
                continue
    texts = (Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6"))
    lines = [line.split() for text in texts for line in text.splitlines()[1:]]
    # The columns: local address, state (0A: listening), inode.
    open_ones = [(one[1], one[9]) for one in lines if one[3] == "0A"]
    return [address.split(":")[0] for address, inode in open_ones if f"socket:[{inode}]" in own]


class Network(nn.Sequential):
    calls = 0

    def forward(self, images):
        # In an actor of Ray, and if it finds this file, the process dies in its fourth pass, once.
        self.calls += 1
        if self.calls == 4 and "default_worker" in sys.argv[0]:
            try:
                KILL.unlink()
            except FileNotFoundError:
                return super().forward(images)
            KILL.with_name("listening").write_text(" ".join(listening()))
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(images)


def build(seed=1):
    torch.manual_seed(seed)
    return Network(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2),
    )


def build_other():
    return build(seed=2)
"""


@dataclass(frozen=True)
class Sharded:
    """An audit, its result when one process computes it, and three shards of its predictions."""

    config: Path
    alone: Path
    shards: list[Path]


def write_audit(folder: Path, **changes: Any) -> Path:
    """Writes images, a table, a network and their configuration.

    Args:
        folder: where.
        changes: sections of the configuration to replace.
    """
    (folder / "images").mkdir(parents=True)
    rows = []
    for k in range(N_IMAGES):
        pixels = np.random.default_rng(k).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{k:02d}.png")
        rows.append({"file": f"images/{k:02d}.png", "label": "ab"[k % 2], "site": "xyz"[k % 3]})
    pd.DataFrame(rows).to_csv(folder / "test.csv", index=False)
    (folder / "tiny_network.py").write_text(_NETWORK, encoding="utf-8")
    config = {
        "name": "tiny",
        "model": {"adapter": "python", "factory": "tiny_network:build", "classes": ["a", "b"]},
        "data": {
            "adapter": "manifest",
            "path": "test.csv",
            "image": "file",
            "label": "label",
            "attributes": ["site"],
        },
        "preprocess": {"resize": SIDE, "crop": SIDE, "mean": [0.5] * 3, "std": [0.5] * 3},
        "checks": dict.fromkeys(all_of("check"), False),
        "explain": {"trust_samples": 0},
        "report": {"formats": []},
        "batch_size": 4,
        "workers": 0,
        "device": "cpu",
    }
    path = folder / "audit.yaml"
    path.write_text(yaml.safe_dump(config | changes), encoding="utf-8")
    return path


def shard(
    config: Path, out: Path, text: str, *changes: str, resume: bool = False, overwrite: bool = False
) -> Path:
    """Computes a shard and returns its folder."""
    settings = AuditConfig.load(config, changes)
    found = run_shard(
        settings, out, Shard.parse(text), overwrite=overwrite, resume=resume, progress=Silent()
    )
    return found.path


def small_blocks(arguments: list[str], *launcher: str) -> subprocess.CompletedProcess[str]:
    """Runs the command line in a process of its own, with small blocks.

    Args:
        arguments: of the command line.
        launcher: what starts the script; default: Python.
    """
    script = Path(__file__).with_name("small_blocks.py")
    root = Path(__file__).parents[2]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(root), str(root / "tests")]),
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run(
        [*(launcher or [sys.executable]), str(script), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def content(run: Path) -> dict[str, object]:
    """What a finished run says: ``audit.json`` without times, and the bytes of every other result."""
    result = json.loads((run / "audit.json").read_text(encoding="utf-8"))
    result["run"] |= {"id": "", "created_at": ""}
    result["provenance"]["seconds"] = {}
    files = {
        path.relative_to(run).as_posix(): path.read_bytes()
        for path in sorted(run.rglob("*.parquet"))
    }
    return {"audit.json": result} | files
