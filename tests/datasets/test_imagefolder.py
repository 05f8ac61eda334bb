from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from PIL import Image

from auditor import runner
from auditor.config import AuditConfig
from auditor.datasets.folder import Folder
from auditor.errors import DataError
from auditor.records.predictions import GROUP

MODEL = """
import torch
from torch import nn

class Bright(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())

    def forward(self, x):
        shade = x.mean((1, 2, 3)) + 0 * self.features(x).mean((1, 2, 3))
        return torch.stack([shade - 0.5, 0.5 - shade], 1)
"""


def _images(folder: Path, *, flat: bool, n: int = 6) -> list[dict[str, object]]:
    """Images, and their metadata as Hugging Face's imagefolder has them."""
    rows: list[dict[str, object]] = []
    for k in range(n):
        label = ["bright", "dark"][k % 2]
        name = f"{k:02d}.png" if flat else f"{label}/{k:02d}.png"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (12, 10), (200 - 150 * (k % 2) + k % 5,) * 3).save(folder / name)
        rows.append({"file_name": name, "site": "AB"[k % 3 == 0], "patient": f"p{k // 2}"})
        if flat:
            rows[-1]["kind"] = label
    return rows


def test_metadata_beside_class_folders_gives_attributes(tmp_path: Path) -> None:
    pd.DataFrame(_images(tmp_path, flat=False)).to_csv(tmp_path / "metadata.csv", index=False)
    data = Folder.model_validate({"path": str(tmp_path), "group": "patient"}).open()
    assert data.classes == ("bright", "dark")
    assert data.attributes == ("site",)
    # Sorted by class: the images 0, 2, 4, then 1, 3, 5.
    assert data.samples["site"].tolist() == list("BAA" + "ABA")
    assert data.samples[GROUP].tolist() == ["p0", "p1", "p2"] * 2
    assert not data.notes


def test_metadata_without_file_name_is_not_used(tmp_path: Path) -> None:
    _images(tmp_path, flat=False)
    (tmp_path / "metadata.csv").write_text("picture,site\n1,A\n")
    assert Folder.model_validate({"path": str(tmp_path)}).open().attributes == ()


def test_label_without_a_table_is_refused(tmp_path: Path) -> None:
    _images(tmp_path, flat=True)
    with pytest.raises(DataError, match="expected a table with the labels"):
        Folder.model_validate({"path": str(tmp_path), "label": "kind"}).open()


def test_json_line_that_is_no_object_is_refused(tmp_path: Path) -> None:
    _images(tmp_path, flat=True)
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "00.png", "kind": "a"}\n[1]\n')
    with pytest.raises(DataError, match="line 2 holds list"):
        Folder.model_validate({"path": str(tmp_path), "label": "kind"}).open()


def test_audit_of_a_flat_folder_with_labels_in_json_lines(tmp_path: Path) -> None:
    rows = _images(tmp_path / "photos", flat=True, n=40)
    lines = "\n".join(json.dumps(row) for row in rows)
    (tmp_path / "photos" / "metadata.jsonl").write_text(lines)
    (tmp_path / "bright_folder.py").write_text(MODEL)
    model = {"adapter": "python", "factory": "bright_folder:Bright", "classes": ["bright", "dark"]}
    config = {
        "name": "photos",
        "model": model,
        "data": {"adapter": "folder", "path": "photos", "label": "kind", "group": "patient"},
        "preprocess": {},
        "workers": 0,
        "report": {"formats": ["json"]},
    }
    (tmp_path / "audit.yaml").write_text(yaml.safe_dump(config))
    run = runner.run(AuditConfig.load(tmp_path / "audit.yaml"), tmp_path / "run")
    result = run.read_result()
    assert (result.summary.n_evaluated, result.summary.n_failures) == (40, 0)
    assert set(pd.read_parquet(run.path / "predictions.parquet")["site"]) == {"A", "B"}
