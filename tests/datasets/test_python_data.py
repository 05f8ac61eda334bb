from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from auditor import runner
from auditor.config import AuditConfig
from auditor.datasets.python import PythonData
from auditor.errors import DataError
from auditor.records.predictions import GROUP, WEIGHT

CODE = '''
import numpy as np
import torch
from torch import nn

class Shades(torch.utils.data.Dataset):
    """Dark and bright images; one sample per form that is accepted."""

    classes = ["dark", "bright"]

    def __init__(self, n=40, form="tuple"):
        self.n, self.form = n, form

    def __len__(self):
        return self.n

    def __getitem__(self, k):
        if k >= self.n:
            raise IndexError(k)
        label = k % 2
        image = np.full((12, 16, 3), 60 + 130 * label + k % 7, np.uint8)
        more = {"site": "AB"[k % 3 == 0], "age": 20 + k, "patient": k // 2, "weight": 1.0 + k % 2}
        if self.form == "dict":
            return {"image": image, "label": label} | more
        if self.form == "pair":
            return image, label
        if self.form == "several":
            return image, ["dark", "bright"][: k % 3], more
        return image, torch.tensor(label), more

class Halves(Shades):
    def __getitem__(self, k):
        image, label, more = super().__getitem__(k)
        return image, label, more | ({"site": "\\ud800"} if k == 7 else {})

def broken():
    raise RuntimeError("no disk")

def number():
    return 3

class Bright(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())

    def forward(self, x):
        shade = x.mean((1, 2, 3)) + 0 * self.features(x).mean((1, 2, 3))
        return torch.stack([0.5 - shade, shade - 0.5], 1)
'''


def _open(folder: Path, module: str, **options: Any) -> Any:
    sys.modules.pop(module, None)  # of another test
    (folder / f"{module}.py").write_text(CODE)
    given = {"factory": f"{module}:Shades", "path": str(folder)} | options
    return PythonData.model_validate(given).open()


@pytest.mark.parametrize("form", ["tuple", "dict"])
def test_samples_with_attributes_are_read(tmp_path: Path, form: str) -> None:
    data = _open(
        tmp_path,
        f"shades_{form}",
        arguments={"form": form, "n": 10},
        attributes={"site": "categorical", "age": "numeric"},
        group="patient",
        weight="weight",
    )
    assert data.classes == ("dark", "bright")
    assert data.samples["label"].tolist() == [0, 1] * 5
    assert data.samples["site"].tolist() == list("BAABAABAAB")
    assert data.samples["age"].tolist() == list(range(20, 30))
    assert data.samples[GROUP].tolist() == [str(k // 2) for k in range(10)]
    assert data.samples[WEIGHT].tolist() == [1.0, 2.0] * 5
    assert np.asarray(data.images[3].image)[0, 0].tolist() == [193, 193, 193]


def test_images_are_read_again_by_a_process_without_the_import_path(tmp_path: Path) -> None:
    data = _open(tmp_path, "shades_pickled", arguments={"n": 4})
    again = pickle.loads(pickle.dumps(data.images))  # noqa: S301 - just written here
    assert again[2].sha256 == data.images[2].sha256


def test_several_labels_are_kept(tmp_path: Path) -> None:
    data = _open(tmp_path, "shades_several", arguments={"form": "several"}, several_labels=True)
    assert data.samples["label"].tolist()[:3] == [[], ["dark"], ["dark", "bright"]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"factory": "shades_bad:broken"}, "data.factory: shades_bad:broken.. raised RuntimeError"),
        (
            {"factory": "shades_bad:number"},
            "expected shades_bad:number to return an indexable data",
        ),
        ({"factory": "shades_bad:Shade"}, "did you mean 'Shades'"),
        ({"factory": "nowhere_at_all:x"}, "set `data.path` to its folder"),
        ({"arguments": {"n": 0}}, "expected at least one sample"),
        (
            {"attributes": ["sites"]},
            "expected samples with a value 'sites'; they have age, patient",
        ),
        ({"attributes": ["site"], "arguments": {"form": "pair"}}, "they have none"),
    ],
)
def test_unusable_factory_or_samples_are_reported(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        _open(tmp_path, "shades_bad", **options)


def test_audit_of_a_data_set_from_a_factory(tmp_path: Path) -> None:
    (tmp_path / "shades_audited.py").write_text(CODE)
    config = {
        "name": "shades",
        "model": {"adapter": "python", "factory": "shades_audited:Bright"},
        "data": {
            "adapter": "python",
            "factory": "shades_audited:Shades",
            "arguments": {"form": "dict"},
            "attributes": ["site"],
            "group": "patient",
        },
        "preprocess": {},
        "workers": 1,
        "report": {"formats": ["json"]},
    }
    (tmp_path / "audit.yaml").write_text(yaml.safe_dump(config))
    run = runner.run(AuditConfig.load(tmp_path / "audit.yaml"), tmp_path / "run")
    assert run.read_result().summary.n_evaluated == 40
    table = pd.read_parquet(run.path / "predictions.parquet")
    assert set(table["site"]) == {"A", "B"}


@pytest.mark.parametrize("options", [{"attributes": ["site"]}, {"group": "site"}])
def test_half_a_character_is_refused_with_its_sample(
    options: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"shades_half:Halves: 'site': .* in sample 7 can't be"):
        _open(tmp_path, "shades_half", factory="shades_half:Halves", **options)
