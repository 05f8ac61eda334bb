"""`auditor run --data` and `auditor init --data` recognise files of other libraries."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from auditor import registry
from auditor.config.recognise import Given, Recognised, recognise
from auditor.errors import DataError


def _png() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(stream, "PNG")
    return stream.getvalue()


def _recognised(path: Path | str) -> tuple[str, Recognised]:
    name, found = recognise("dataset", "--data", Given(str(path)))
    adapter: Any = registry.get("dataset", name)
    assert len(adapter(**found.options).open().samples) == 2  # the options can be used as they are
    return name, found


def test_coco_file_is_recognised_with_the_folder_of_its_images(tmp_path: Path) -> None:
    (tmp_path / "val2017").mkdir()
    (tmp_path / "val2017" / "a.png").write_bytes(_png())
    boxes = [[0, 0, 4, 4], [4, 4, 4, 4]]
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": 8, "height": 8}],
        "annotations": [
            {"id": k, "image_id": 1, "category_id": k, "bbox": boxes[k], "area": 16}
            for k in range(2)
        ],
        "categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}],
    }
    (tmp_path / "instances.json").write_text(json.dumps(content))
    name, found = _recognised(tmp_path / "instances.json")
    assert (name, found.classes) == ("coco", ("cat", "dog"))
    assert found.options["root"] == tmp_path / "val2017"
    assert found.comments["path"] == "2 objects in 1 image"


@pytest.mark.parametrize("named", ["", "a.tar", "*.tar"])
@pytest.mark.parametrize("label", ["cls", "json:label"])
def test_tar_shards_are_recognised(tmp_path: Path, named: str, label: str) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for k in range(2):
            suffix, text = ("cls", b"1") if label == "cls" else ("json", b'{"label": "cat"}')
            for member, data in ((f"{k}.png", _png()), (f"{k}.{suffix}", text)):
                info = tarfile.TarInfo(member)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    name, found = _recognised(tmp_path / named)
    assert name == "webdataset"
    assert found.options["label"] == label


@pytest.mark.parametrize("form", ["saved", "parquet"])
def test_data_set_of_hugging_face_is_recognised(
    tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = pytest.importorskip("datasets")
    monkeypatch.setattr(library.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    features = library.Features(
        {
            "image": library.Image(),
            "label": library.ClassLabel(names=["cat", "dog"]),
            "site": library.ClassLabel(names=["A", "B"]),
        }
    )
    rows = {"image": [{"bytes": _png(), "path": None}] * 2, "label": [0, 1], "site": [1, 0]}
    made = library.Dataset.from_dict(rows, features=features)
    if form == "saved":
        library.DatasetDict({"train": made, "test": made}).save_to_disk(tmp_path / "pets")
    else:
        (tmp_path / "pets").mkdir()
        for split in ("train", "test"):
            made.to_parquet(tmp_path / "pets" / f"{split}-00000-of-00001.parquet")
    name, found = _recognised(tmp_path / "pets")
    assert (name, found.classes) == ("huggingface", ("cat", "dog"))
    assert found.options["split"] == "test"
    assert found.options["attributes"] == {"site": "categorical"}


def test_folder_with_a_parquet_table_beside_images_stays_a_folder(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(_png())
    (tmp_path / "attributes.parquet").write_bytes(_table(tmp_path))
    assert _recognised(tmp_path)[0] == "folder"


def _table(folder: Path) -> bytes:
    import pandas as pd

    stream = io.BytesIO()
    ages = np.array([3, 4])
    pd.DataFrame({"file": ["cat/a.png", "dog/a.png"], "age": ages}).to_parquet(stream)
    return stream.getvalue()


def test_other_json_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(DataError, match="is this a file of COCO instances"):
        recognise("dataset", "--data", Given(str(tmp_path / "a.json")))
