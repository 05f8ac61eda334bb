"""A tiny audit of a network in a module beside its configuration, which other processes can open as well."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from PIL import Image

from auditor.registry import all_of

N_IMAGES = 40
SIDE = 12
BLOCK = 8
"""Samples in a block, of predictions and explanations alike."""

_NETWORK = """
import torch
from torch import nn


def build():
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2),
    )
"""


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
