"""Thresholds that can't be chosen: `check` says so, as `run` does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from builders.files import write_image
from typer.testing import CliRunner

from auditor.cli import app

NETWORK = """
from torch import nn

def build():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
"""


def _config(folder: Path, data: Any) -> Path:
    rows = ["file,label,split"]
    for k in range(8):
        write_image(folder / f"{k}.png")
        rows.append(f"{k}.png,{'ab'[k % 2]},{['val', 'test', 'odd', 'test'][k % 4]}")
    (folder / "t.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "odd_threshold_network.py").write_text(NETWORK, encoding="utf-8")
    settings = {
        "name": "odd",
        "task": "binary",
        "decision": {"positive": "b", "threshold": {"rule": "f1", "data": data}},
        "model": {
            "adapter": "python",
            "factory": "odd_threshold_network:build",
            "classes": ["a", "b"],
        },
        "data": {"adapter": "manifest", "path": "t.csv", "attributes": ["split"]},
        "preprocess": {"resize": 8, "crop": 8},
        "device": "cpu",
    }
    path = folder / "audit.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("reference", "expected training data with images, on which a threshold can be chosen"),
        ({"split": "nope"}, "expected some samples with split = nope"),
        ({"place": "val"}, "expected one of the attributes split; got 'place'"),
        (
            {"split": "val"},
            "b, on split = val: expected positive and negative samples; got 0 and 2",
        ),
    ],
)
def test_threshold_that_cannot_be_chosen_is_refused_by_check_and_run(
    data: Any, message: str, tmp_path: Path
) -> None:
    config = _config(tmp_path, data)
    for arguments in (["check"], ["run", "--quiet", "--out", str(tmp_path / "out")]):
        done = CliRunner().invoke(app, [arguments[0], str(config), *arguments[1:]])
        assert done.exit_code == 2, done.output
        assert message in done.stderr
    assert not (tmp_path / "out").exists()
