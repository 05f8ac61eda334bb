from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from auditor import runner
from auditor.config import AuditConfig
from auditor.datasets.huggingface import HuggingFaceData
from auditor.errors import DataError, UnreadableImageError
from auditor.records.predictions import GROUP

datasets = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's cache, apart from that of the user."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def _png(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((20, 24, 3), shade, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def _rows(n: int = 40) -> dict[str, list[Any]]:
    random = np.random.default_rng(0)
    label = [k % 2 for k in range(n)]
    shades = [40 + 150 * one + int(random.integers(0, 20)) for one in label]
    return {
        "image": [{"bytes": _png(shade), "path": None} for shade in shades],
        "label": label,
        "site": [k % 3 for k in range(n)],
        "age": [20 + k for k in range(n)],
        "patient": [f"p{k // 2}" for k in range(n)],
    }


def _made(rows: dict[str, list[Any]], **features: Any) -> Any:
    columns = {
        "image": datasets.Image(),
        "label": datasets.ClassLabel(names=["dark", "bright"]),
        "site": datasets.ClassLabel(names=["A", "B", "C"]),
        "age": datasets.Value("int64"),
        "patient": datasets.Value("string"),
    } | features
    return datasets.Dataset.from_dict(
        rows, features=datasets.Features({k: columns[k] for k in rows})
    )


def _open(folder: Path, **options: Any) -> Any:
    return HuggingFaceData.model_validate({"path": str(folder)} | options).open()


def test_saved_data_set_is_read_with_names_of_class_labels(tmp_path: Path) -> None:
    rows = _rows()
    _made(rows).save_to_disk(tmp_path / "saved")
    data = _open(tmp_path / "saved", attributes=["site", "age"], group="patient")
    assert data.classes == ("dark", "bright")
    assert data.samples["label"].tolist() == ["dark", "bright"] * 20
    assert data.samples["site"].tolist()[:4] == ["A", "B", "C", "A"]
    assert data.samples["age"].tolist() == rows["age"]
    assert data.samples[GROUP].tolist() == rows["patient"]
    assert data.samples.index[0] == "row/00"
    decoded = pickle.loads(pickle.dumps(data.images))[3]  # noqa: S301 - just written here
    assert decoded.image.size == (24, 20)
    stored = np.asarray(Image.open(io.BytesIO(rows["image"][3]["bytes"])))
    assert np.array_equal(np.asarray(decoded.image), stored)


def test_split_is_chosen_and_must_be_named_where_there_are_several(tmp_path: Path) -> None:
    parts = datasets.DatasetDict({"train": _made(_rows(10)), "test": _made(_rows(6))})
    parts.save_to_disk(tmp_path / "saved")
    assert len(_open(tmp_path / "saved", split="test")) == 6
    with pytest.raises(DataError, match="expected one of train, test; none is set"):
        _open(tmp_path / "saved")
    with pytest.raises(DataError, match="expected one of train, test; got 'dev'"):
        _open(tmp_path / "saved", split="dev")


@pytest.mark.parametrize("name", ["data/test-00000-of-00001.parquet", "test/0000.parquet"])
def test_parquet_files_are_read_by_split(name: str, tmp_path: Path) -> None:
    (tmp_path / "hub" / name).parent.mkdir(parents=True)
    _made(_rows(12)).to_parquet(tmp_path / "hub" / name)
    data = _open(tmp_path / "hub", split="test", attributes=["site"])
    assert data.samples["label"].tolist() == ["dark", "bright"] * 6
    assert data.images[1].image.size == (24, 20)


def test_folder_of_images_is_read_with_its_metadata(tmp_path: Path) -> None:
    for name, shade in (("dark", 30), ("bright", 220)):
        (tmp_path / "hub" / "test" / name).mkdir(parents=True)
        for k in range(3):
            (tmp_path / "hub" / "test" / name / f"{k}.png").write_bytes(_png(shade + k))
    data = _open(tmp_path / "hub")
    assert data.classes == ("bright", "dark")
    assert sorted(data.samples["label"]) == ["bright"] * 3 + ["dark"] * 3
    shades = [np.asarray(data.images[k].image)[0, 0, 0] for k in range(6)]
    assert all(
        (shade > 100) == (label == "bright")
        for shade, label in zip(shades, data.samples["label"], strict=True)
    )


def test_several_labels_and_boxes_are_read(tmp_path: Path) -> None:
    rows = _rows(3) | {
        "label": [[0], [0, 1], []],
        "bbox": [[[1, 2, 3, 4]], [[0, 0, 9, 9], [1, 1, 2, 2]], []],
    }
    several = datasets.Sequence(datasets.ClassLabel(names=["dark", "bright"]))
    boxes = datasets.Sequence(datasets.Sequence(datasets.Value("float32")))
    _made(rows, label=several, bbox=boxes).save_to_disk(tmp_path / "saved")
    data = _open(tmp_path / "saved", box="bbox")
    assert data.samples["label"].tolist() == [("dark",), ("dark", "bright"), ()]
    assert data.samples["box"].tolist() == [(1, 2, 4, 6), ((0, 0, 9, 9), (1, 1, 3, 3)), None]


def test_unknown_class_label_is_a_missing_label(tmp_path: Path) -> None:
    rows = _rows(4)
    rows["label"] = [0, 1, None, -1]
    _made(rows).save_to_disk(tmp_path / "saved")
    labels = _open(tmp_path / "saved").samples["label"]
    assert labels.isna().tolist() == [False, False, True, True]


def test_damaged_and_missing_images_are_unreadable(tmp_path: Path) -> None:
    rows = _rows(3)
    rows["image"] = [
        {"bytes": b"no image", "path": None},
        None,
        {"bytes": _png(1)[:40], "path": None},
    ]
    _made(rows).save_to_disk(tmp_path / "saved")
    images = _open(tmp_path / "saved").images
    for place, reason in ((0, "not-an-image"), (1, "missing"), (2, "truncated")):
        with pytest.raises(UnreadableImageError, match=reason):
            images[place]


@pytest.mark.parametrize("name", ["../secret.png", "{parent}/secret.png"])
def test_image_outside_of_the_folder_is_not_read(name: str, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(_png(7))
    rows = _rows(2)
    rows["image"][0] = {"bytes": None, "path": name.replace("{parent}", str(tmp_path))}
    (tmp_path / "saved").mkdir()
    # The library itself would store the bytes of the file.
    pq.write_table(_made(rows).data.table, tmp_path / "saved" / "test.parquet")
    with pytest.raises(UnreadableImageError, match="outside of the folder of the data set"):
        _open(tmp_path / "saved").images[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": "lable"}, r"data.label: no column 'lable'; did you mean 'label'\?"),
        ({"image": "age"}, "expected a column of images; 'age' has the type Value"),
        ({"attributes": ["sex"]}, "no column 'sex'"),
    ],
)
def test_wrong_option_is_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    _made(_rows(4)).save_to_disk(tmp_path / "saved")
    with pytest.raises(DataError, match=message):
        _open(tmp_path / "saved", **options)


def test_name_on_the_hub_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing is downloaded: fetch a data set of the Hub once"):
        _open(tmp_path / "owner" / "name")


def test_folder_without_data_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="expected a data set that `save_to_disk` wrote"):
        _open(tmp_path / "empty")


MODEL = """
import torch


def bright():
    layer = torch.nn.Conv2d(3, 2, 1)
    layer.weight.data = torch.tensor([-20.0, 20.0]).view(2, 1, 1, 1).expand(2, 3, 1, 1) / 3
    layer.bias.data = torch.tensor([20.0, 0.0])
    return torch.nn.Sequential(layer, torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
"""


def test_audit_of_a_saved_data_set(tmp_path: Path) -> None:
    rows = _rows(60)
    rows["label"][5] = 1 - rows["label"][5]  # a failure, so that there are maps
    _made(rows).save_to_disk(tmp_path / "saved")
    (tmp_path / "bright_layer.py").write_text(MODEL)
    (tmp_path / "audit.yaml").write_text(
        yaml.safe_dump(
            {
                "name": "hub",
                "model": {"adapter": "python", "factory": "bright_layer:bright"},
                "data": {"adapter": "huggingface", "path": "saved", "attributes": ["site"]},
                "preprocess": {},
                "workers": 1,
                "report": {"formats": ["json"]},
            }
        )
    )
    run = runner.run(AuditConfig.load(tmp_path / "audit.yaml"), tmp_path / "run")
    result = run.read_result()
    assert (result.summary.n_evaluated, result.summary.n_failures) == (60, 1)
    table = pd.read_parquet(run.path / "predictions.parquet")
    assert sorted(set(table["site"])) == ["A", "B", "C"]
