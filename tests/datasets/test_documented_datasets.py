"""The examples of ``docs/datasets.md`` open the data that they describe."""

from __future__ import annotations

import io
import json
import re
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from auditor import registry

PAGE = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text(encoding="utf-8")
EXAMPLES = [
    yaml.safe_load(one)["data"] for one in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
]
CODE = """
import numpy as np

def held_out(fold):
    image = np.zeros((8, 8, 3), np.uint8)
    return [(image, k % 2, {"site": "AB"[k % 2]}) for k in range(4)]
"""


def _png() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(stream, "PNG")
    return stream.getvalue()


def _tables(folder: Path) -> None:
    rows = [
        {"file": f"{label}/{k}.png", "label": label, "site": "AB"[k % 2], "age": 20 + k,
         "patient": k // 2, "animal": k // 2}
        for k, label in enumerate(["cat", "dog"] * 2)
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    for row in rows:
        path = folder / "pets" / str(row["file"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_png())
    table.drop(columns=["label"]).to_csv(folder / "pets.csv", index=False)
    table.assign(file="pets/" + table["file"]).to_csv(folder / "table.csv", index=False)
    (folder / "wilds").mkdir()
    domains: dict[str, Any] = {
        "y": [0, 1] * 2,
        "split": ["train", *["test"] * 3],
        "hospital": [0, 1, 1, 2],
    }
    wilds = table[["file", "patient"]].assign(**domains)
    wilds.to_csv(folder / "wilds" / "metadata.csv")
    (folder / "photos").mkdir()
    lines = [json.dumps({"file_name": f"{k}.png", "kind": "ab"[k % 2]}) for k in range(4)]
    (folder / "photos" / "metadata.jsonl").write_text("\n".join(lines))


def _study(folder: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    stored = Path(pydicom.__file__).parent / "data" / "test_files" / "CT_small.dcm"
    (folder / "a.dcm").write_bytes(stored.read_bytes())
    pd.DataFrame({"file": ["a.dcm"], "label": ["x"]}).to_csv(folder / "study.csv", index=False)


def _formats(folder: Path) -> None:
    image = {"id": 1, "file_name": "a.png", "width": 8, "height": 8}
    box = {"id": 1, "image_id": 1, "category_id": 0, "bbox": [0, 0, 4, 4], "area": 16}
    coco = {"images": [image], "annotations": [box], "categories": [{"id": 0, "name": "cat"}]}
    (folder / "instances.json").write_text(json.dumps(coco))
    (folder / "shards").mkdir()
    with tarfile.open(folder / "shards" / "test-000.tar", "w") as archive:
        for name, data in (("0.png", _png()), ("0.cls", b"1"), ("0.json", b'{"site": "A"}')):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    (folder / "our_data.py").write_text(CODE)
    raw = folder / "downloads" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for part in ("train", "t10k"):
        pixels, labels = np.zeros((2, 28, 28), np.uint8), np.array([0, 1], np.uint8)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(
            struct.pack(">4I", 2051, 2, 28, 28) + pixels.tobytes()
        )
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(
            struct.pack(">2I", 2049, 2) + labels.tobytes()
        )


def _saved(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = pytest.importorskip("datasets")
    monkeypatch.setattr(library.config, "HF_DATASETS_CACHE", folder / "cache")
    features = {"image": library.Image(), "label": library.ClassLabel(names=["cat", "dog"])}
    features |= {"site": library.Value("string")}
    rows = {"image": [{"bytes": _png(), "path": None}], "label": [0], "site": ["A"]}
    made = library.Dataset.from_dict(rows, features=library.Features(features))
    library.DatasetDict({"test": made}).save_to_disk(folder / "saved")


@pytest.mark.parametrize(
    ("number", "n_samples"),
    list(enumerate([4, 4, 4, 3, 1, 1, 1, 1, 2, 4])),
    ids=[f"{k}-{one['adapter']}" for k, one in enumerate(EXAMPLES)],
)
def test_documented_example_opens_its_data(
    number: int, n_samples: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example: dict[str, Any] = dict(EXAMPLES[number])
    adapter = registry.get("dataset", example.pop("adapter"))
    _tables(tmp_path)
    _formats(tmp_path)
    if "dicom" in example:
        _study(tmp_path)
    if adapter.plugin_name == "huggingface":
        _saved(tmp_path, monkeypatch)
    options: Any = adapter.model_validate(example, context={"base": tmp_path})
    data = options.open()
    assert len(data.samples) == n_samples
    assert (
        set(example.get("attributes") or ()) <= set(data.attributes)
        or adapter.plugin_name == "folder"
    )


def test_every_adapter_has_an_example() -> None:
    own = {
        name
        for name, one in registry.all_of("dataset").items()
        if one.__module__.startswith("auditor.")
    }
    assert {one["adapter"] for one in EXAMPLES} == own
