"""Paths in a table that lead out of the declared folder are refused, whatever way they take."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from auditor.datasets.coco import Coco
from auditor.datasets.declared_root import DeclaredRoot
from auditor.datasets.manifest import Manifest
from auditor.errors import DataError
from auditor.records import Dataset

OUTSIDE = {
    "parent": "../secret.png",
    "parent inside": "images/../../secret.png",
    "absolute": "{above}/secret.png",
    "link": "link.png",
    "folder of a link": "linked/secret.png",
    "link and parent": "linked/../secret.png",
    "server": "\\\\host\\share\\a.png",
    "server with slashes": "//host/share/a.png",
    "Windows": "C:\\images\\a.png",
    "backslashes": "..\\secret.png",
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder ``data`` with images, links that lead out of it, and an image beside it."""
    (tmp_path / "data" / "images").mkdir(parents=True)
    (tmp_path / "other" / "data").mkdir(parents=True)
    for name in ("data/images/a.png", "secret.png", "other/secret.png", "other/data/a.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    (tmp_path / "data" / "link.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "data" / "linked").symlink_to(tmp_path / "other", target_is_directory=True)
    (tmp_path / "data" / "inner.png").symlink_to(tmp_path / "data" / "images" / "a.png")
    return tmp_path / "data"


def opened(data: Path, image: str, mask: str = "images/a.png", **options: object) -> Dataset:
    rows = {"file": ["images/a.png", image], "label": ["x", "y"], "m": [mask, "images/a.png"]}
    pd.DataFrame(rows).to_csv(data / "table.csv", index=False)
    manifest = {"path": data / "table.csv", "mask": "m"} | options
    return Manifest.model_validate(manifest).open()


def written(name: str, data: Path) -> str:
    return OUTSIDE[name].replace("{above}", str(data.parent))


@pytest.mark.parametrize("name", OUTSIDE)
def test_image_outside_of_the_root_is_refused_with_its_row(name: str, data: Path) -> None:
    path = written(name, data)
    with pytest.raises(DataError) as raised:
        opened(data, path)
    message = str(raised.value)
    assert f"data.image: expected paths of files in {data}; others lead out of it in" in message
    assert f"1 of 2 rows: row 2 ({path!r})" in message
    assert "set data.root to the folder that contains all of them" in message
    assert "data.allow_outside: true" in message


@pytest.mark.parametrize("name", OUTSIDE)
def test_mask_outside_of_the_root_is_refused_with_its_row(name: str, data: Path) -> None:
    mask = json.dumps(["images/a.png", written(name, data)])
    with pytest.raises(DataError, match=r"data\.mask: expected paths of files in .*: row 1"):
        opened(data, "images/a.png", mask)


@pytest.mark.parametrize("name", OUTSIDE)
def test_training_image_outside_of_the_root_is_refused(name: str, data: Path) -> None:
    rows = {"file": [written(name, data)], "label": ["x"]}
    pd.DataFrame(rows).to_csv(data / "train.csv", index=False)
    with pytest.raises(DataError, match=r"train\.csv: data\.reference: expected paths of files"):
        opened(data, "images/a.png", reference=data / "train.csv")


@pytest.mark.parametrize("name", OUTSIDE)
def test_file_of_coco_outside_of_the_root_is_refused(name: str, data: Path) -> None:
    content = {
        "images": [{"id": 1, "file_name": written(name, data), "width": 4, "height": 4}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 2, 2]}],
        "categories": [{"id": 1, "name": "x"}],
    }
    (data / "coco.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="expected paths of files"):
        Coco(path=data / "coco.json").open()


@pytest.mark.parametrize("name", ["images/a.png", "images/../images/a.png", "inner.png", "no.png"])
def test_path_inside_of_the_root_is_accepted(name: str, data: Path) -> None:
    assert len(opened(data, name)) == 2
    assert len(opened(data, str(data / name))) == 2  # an absolute path


def test_path_below_a_root_that_is_named_through_a_link_is_accepted(data: Path) -> None:
    (data.parent / "again").symlink_to(data, target_is_directory=True)
    root = data.parent / "again"
    assert len(opened(data, str(data / "images/a.png"), root=root)) == 2
    assert len(opened(data, str(root / "images/a.png"), root=data)) == 2


@pytest.mark.parametrize("name", ["parent", "absolute", "link", "folder of a link"])
def test_allow_outside_reads_images_anywhere(name: str, data: Path) -> None:
    found = opened(data, written(name, data), allow_outside=True)
    assert found.images[1].image.size == (4, 4)


def test_declared_root_contains_absolute_paths(data: Path) -> None:
    found = opened(data, "secret.png", mask="", root=data.parent)
    assert found.images[1].image.size == (4, 4)


def test_circular_link_leads_nowhere(data: Path) -> None:
    (data / "loop").symlink_to("loop")
    assert not DeclaredRoot(data, data).leaves("loop/a.png")
