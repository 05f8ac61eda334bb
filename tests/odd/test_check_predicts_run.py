"""Random small data sets through `check` and `run`: `check` predicts `run`, and nothing is lost silently.

A longer search than the default: ``--hypothesis-seed`` and ``AUDITOR_EXAMPLES=200`` in the environment.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import yaml
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner, Result

from auditor.cli import app
from auditor.config import AuditConfig
from auditor.datasets import DatasetAdapter
from auditor.records import Dataset

_EXAMPLES = int(os.environ.get("AUDITOR_EXAMPLES", "6"))
_SIDE = 8
_NUMBERS = itertools.count()
"""Python imports a module of one name once."""
_NETWORK = """
import torch
from torch import nn

def build():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, {classes})
    )
"""

Names = st.lists(
    st.sampled_from(["a", "B", "ü ö", "x.y", "1", "0", "-c", "[red]", "%s", "null", "a b", "A"]),
    min_size=1,
    max_size=3,
    unique=True,
)
Cells = st.sampled_from(
    ["", "1", "1.0", "x", "10 mg", "2024-01-31", "true", "ü", "=1+1", "nan", "a,b"]
)
Kinds = st.sampled_from(
    [
        "good",
        "good",
        "good",
        "good",
        "grey",
        "alpha",
        "deep",
        "broken",
        "empty",
        "heic",
        "text",
        "hidden",
    ]
)


@dataclass(frozen=True)
class Sample:
    """One file, and what a table says of it."""

    kind: str
    label: int
    attribute: str
    group: str
    box: str
    mask: str
    written: str


@dataclass(frozen=True)
class Scene:
    """A data set and its configuration.

    Attributes:
        names: of the classes.
        samples: the files.
        adapter: of the data set.
        n_outputs: of the network, in relation to the number of classes.
        spelling: of the labels in a table.
        stated: whether the configuration states the classes.
        grouped: whether a group is stated.
        located: columns with objects.
    """

    names: list[str]
    samples: list[Sample]
    adapter: str
    n_outputs: int
    spelling: str
    stated: bool
    grouped: bool
    located: tuple[str, ...]


Samples = st.builds(
    Sample,
    kind=Kinds,
    label=st.integers(0, 2),
    attribute=Cells,
    group=st.sampled_from(["", "p1", "p2", "p3"]),
    box=st.sampled_from(
        ["", "0,0,4,4", "0.1,0.1,0.5,0.5", "[[0,0,2,2],[3,3,5,5]]", "90,90,99,99", "x"]
    ),
    mask=st.sampled_from(["", "mask.png", "large.png", "none.png", "mask.png;mask.png"]),
    written=st.sampled_from(
        ["plain", "plain", "plain", "windows", "absent", "other case", "twice", ""]
    ),
)
Scenes = st.builds(
    Scene,
    names=Names,
    samples=st.lists(Samples, min_size=0, max_size=12),
    adapter=st.sampled_from(["folder", "manifest"]),
    n_outputs=st.sampled_from([0, 0, 0, 0, 1, -1]),
    spelling=st.sampled_from(["name", "name", "index", "decimal", "padded", "missing"]),
    stated=st.booleans(),
    grouped=st.booleans(),
    located=st.sampled_from([(), ("box",), ("mask",), ("box", "mask")]),
)


def _write(path: Path, kind: str, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (_SIDE, _SIDE, 4), dtype=np.uint8)
    if kind in {"broken", "heic", "text"}:
        path.write_text("no image", encoding="utf-8")
    elif kind == "empty":
        path.touch()
    elif kind == "grey":
        Image.fromarray(pixels[..., 0]).save(path)
    elif kind == "alpha":
        Image.fromarray(pixels).save(path)
    else:
        Image.fromarray(np.ascontiguousarray(pixels[..., :3])).save(path)


def _file(k: int, sample: Sample) -> str:
    suffix = {"heic": ".heic", "text": ".txt"}.get(sample.kind, ".png")
    start = {"hidden": ".", "deep": "deep/"}.get(sample.kind, "")
    return f"{start}{k}{suffix}"


def _build(root: Path, scene: Scene) -> tuple[Path, int]:
    """Writes the data and its configuration; also the number of files and rows to account for."""
    n_classes = max(len(scene.names) + scene.n_outputs, 1)
    module = f"odd_network_{next(_NUMBERS)}"
    (root / f"{module}.py").write_text(_NETWORK.format(classes=n_classes), encoding="utf-8")
    images = root / "images"
    images.mkdir()
    files = []
    for name in scene.names:
        (images / name).mkdir()
    for k, sample in enumerate(scene.samples):
        name = scene.names[sample.label % len(scene.names)]
        files.append(f"{name}/{_file(k, sample)}")
        _write(images / files[-1], sample.kind, k)
    data = _folder if scene.adapter == "folder" else _manifest
    section, expected = data(root, scene, files)
    if scene.grouped:
        section["group"] = "group"
    model: dict[str, Any] = {"adapter": "python", "factory": f"{module}:build", "path": "./"}
    if scene.stated or scene.adapter == "manifest":
        model["classes"] = scene.names
    config = {
        "name": "odd",
        "model": model,
        "data": section,
        "preprocess": {"resize": _SIDE, "crop": _SIDE, "mean": [0.5], "std": [0.5]},
        "explain": {"trust_samples": 4},
        "report": {"formats": []},
        "device": "cpu",
    }
    path = root / "audit.yaml"
    path.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    return path, expected


def _write_rows(path: Path, rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def _folder(root: Path, scene: Scene, files: list[str]) -> tuple[dict[str, Any], int]:
    rows, n_unmatched = [["file", "value", "group"]], 0
    for name, sample in zip(files, scene.samples, strict=True):
        if sample.written:
            written = {"absent": f"gone/{name}", "windows": name.replace("/", "\\")}
            rows.append([written.get(sample.written, name), sample.attribute, sample.group])
            n_unmatched += sample.written == "absent" or sample.kind in {"text", "hidden"}
    _write_rows(root / "about.csv", rows)
    section = {"adapter": "folder", "path": "images", "attributes": "about.csv"}
    return section, len(files) + n_unmatched


def _manifest(root: Path, scene: Scene, files: list[str]) -> tuple[dict[str, Any], int]:
    rows = [["file", "label", "value", "group", "box", "mask"]]
    Image.fromarray(np.eye(_SIDE, dtype=np.uint8)).save(root / "images" / "mask.png")
    Image.fromarray(np.eye(99, dtype=np.uint8)).save(root / "images" / "large.png")
    for name, sample in zip(files, scene.samples, strict=True):
        written = {
            "absent": f"gone/{name}",
            "windows": name.replace("/", "\\"),
            "other case": name.swapcase(),
        }
        code = sample.label % len(scene.names)
        label = {"index": str(code), "decimal": f"{code}.0", "missing": ""}.get(scene.spelling)
        if scene.spelling == "padded":
            label = f" {scene.names[code]} "
        row = [written.get(sample.written, name), scene.names[code] if label is None else label]
        row += [sample.attribute, sample.group, sample.box, sample.mask]
        rows += [row] * (2 if sample.written == "twice" else 1)
    _write_rows(root / "table.csv", rows)
    section = {
        "adapter": "manifest",
        "path": "table.csv",
        "root": "images",
        "attributes": ["value"],
    }
    return section | {name: name for name in scene.located}, len(rows) - 1


def _auditor(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


def _require_one_message(done: Result) -> None:
    assert "Traceback" not in done.output
    if done.exit_code == 2:
        assert len(done.stderr.strip().split("\n\n")) == 1
        assert done.stderr.strip()


def _require_nothing_lost(out: Path, dataset: Dataset, expected: int) -> None:
    """Every file or row is a sample, or counted in a note; every sample and note is in the result."""
    assert len(dataset) + sum(one.n_left_out for one in dataset.notes) == expected
    result = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    rows = pq.read_table(out / "predictions.parquet", columns=["sample", "status"]).to_pydict()
    assert rows["sample"] == [str(one) for one in dataset.samples.index]
    states = Counter(rows["status"])
    assert states.pop("ok", 0) == result["summary"]["n_evaluated"]
    assert dict(states) == result["summary"]["unusable"]
    reasons = {one["reason"] for one in result["skipped"]}
    assert {one.text for one in dataset.notes} <= reasons


@settings(
    max_examples=_EXAMPLES,
    deadline=None,
    derandomize="AUDITOR_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(Scenes)
def test_check_predicts_run_and_nothing_is_lost(scene: Scene) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        config, expected = _build(root, scene)
        checked = _auditor("check", config)
        note(f"check: {checked.exit_code}: {checked.output}")
        assert checked.exit_code in {0, 2}
        _require_one_message(checked)
        done = _auditor("run", config, "--out", root / "out", "--quiet")
        note(f"run: {done.exit_code}: {done.output}")
        assert done.exit_code in {0, 1, 2, 4}
        _require_one_message(done)
        assert (checked.exit_code == 2) == (done.exit_code == 2)
        if done.exit_code != 2:
            adapter = AuditConfig.load(config).data.options
            assert isinstance(adapter, DatasetAdapter)
            dataset = adapter.open()
            _require_nothing_lost(root / "out", dataset, expected)
