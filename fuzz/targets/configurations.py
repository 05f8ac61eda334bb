"""Configurations in YAML."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from auditor import registry
from auditor.config import AuditConfig
from auditor.config.yaml_files import parse_yaml
from auditor.errors import ConfigError
from fuzz import ROOT
from fuzz.edits import changed_tree
from fuzz.runs import remember
from fuzz.target import Reader, Target

remember(registry, "all_of")
registry.all_of("check")  # imports the plug-ins


def _open(folder: Path) -> Reader:
    path = folder / "audit.yaml"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        AuditConfig.load(path).effective()

    return read


_FULL: dict[str, Any] = {
    "name": "fuzz",
    "task": "binary",
    "decision": {"positive": "b", "threshold": 0.4},
    "model": {
        "adapter": "torchvision",
        "architecture": "resnet18",
        "checkpoint": "x.pt",
        "classes": ["a", "b"],
    },
    "data": {
        "adapter": "manifest",
        "path": "x.csv",
        "attributes": {"age": "numeric", "site": None},
    },
    "preprocess": {"resize": 256, "crop": 224, "mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2]},
    "slices": {"min_support": 20, "edges": {"age": [18, 65]}, "roles": {"site": "confounder"}},
    "checks": {"leakage": False, "performance-gap": {}},
    "criteria": [{"metric": "sensitivity", "at_least": 0.9}],
    "gate": {"severity": "alert"},
    "population": {"site": {"A": 0.4, "B": 0.6}},
    "report": {"formats": ["html"], "options": {"html": {}}},
    "about": {"sensitive": ["site"]},
    "seed": 3,
}


def _seeds() -> Iterator[bytes]:
    yield yaml.safe_dump(_FULL).encode()
    least = {key: _FULL[key] for key in ("name", "model", "data")}
    for key, value in _FULL.items():
        yield yaml.safe_dump({**least, key: value}).encode()
    for path in sorted((ROOT / "configs").glob("*.yaml")):
        yield path.read_bytes()
    yield b"a: &a [1, 1]\nb: &b [*a, *a]\nname: {<<: {x: 1}, y: *b}\n"
    yield b"name: !!binary aGVsbG8=\nseed: 0x1_f\nmodel: 2001-01-01T00:00:00Z\ndata: 1:30:00\n"
    yield b"? {a: 1}\n: b\n--- \n- !!set {a, b}\n"
    yield b'name: "\\ud800\\0"\nseed: .inf\n' + b"a: " * 60


def _mutate(data: bytes, rng: random.Random) -> bytes:
    """A changed tree, written in one of YAML's styles."""
    try:
        raw = parse_yaml(data.decode())
    except ValueError:
        return data
    if rng.random() < 0.3:
        raw = {**_FULL, **raw} if isinstance(raw, dict) else _FULL
    try:
        text = yaml.dump(changed_tree(raw, rng), default_flow_style=rng.choice((None, True, False)))
    except (yaml.YAMLError, RecursionError):
        return data
    return text.encode("utf-8", "surrogatepass")


TARGET = Target(
    name="configurations",
    about="YAML → `AuditConfig.load`",
    open=_open,
    seeds=_seeds,
    mutate=_mutate,
    allowed=(ConfigError,),
    kept=40,
    longest=4096,
)
