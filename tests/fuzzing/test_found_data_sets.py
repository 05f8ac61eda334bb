"""Data sets that fuzzing found: each raised an exception, and is now read or refused in one message."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from auditor.datasets.coco import Coco
from auditor.datasets.manifest import Manifest
from auditor.datasets.object_regions import usable_regions
from auditor.datasets.table_files import read_table
from auditor.datasets.webdataset import WebDataset
from auditor.errors import DataError

HUGE = 10**400


def _coco(folder: Path, **changes: Any) -> Path:
    """Annotations of one object in one image; changes are keys of the annotation or the image."""
    Image.new("RGB", (9, 7)).save(folder / "1.png")
    image = {"id": 1, "file_name": "1.png", "width": 9, "height": 7}
    note = {"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 1, 4, 4]}
    note |= {"segmentation": [[1, 1, 5, 1, 5, 5]]}
    document = {
        "images": [image | {key: changes[key] for key in image if key in changes}],
        "annotations": [note | {key: changes[key] for key in note if key in changes}],
        "categories": [{"id": 3, "name": changes.get("name", "cat")}],
    }
    path = folder / "annotations.json"
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("changes", [{"name": "\ud800"}, {"id": "\ud800"}, {"id": HUGE}])
def test_coco_with_values_that_no_table_holds_is_refused(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"half a character|expected an `id`"):
        Coco(path=_coco(tmp_path, **changes)).open()


@pytest.mark.parametrize("box", [[1, 1, HUGE, 4], [HUGE, 1, 2, 2], [1, 1, 1e999, 2]])
def test_coco_box_of_any_size_is_left_out(box: list[Any], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="without a box of positive size"):
        Coco(path=_coco(tmp_path, bbox=box)).open()


@pytest.mark.parametrize("corner", [HUGE, 1e308, float("nan"), float("inf")])
def test_coco_outline_with_a_corner_far_away_is_no_outline(corner: float, tmp_path: Path) -> None:
    data = Coco(path=_coco(tmp_path, segmentation=[[1, 1, 5, corner, 5, 5]]), unit="image").open()
    assert data.samples["mask"].isna().all()


@pytest.mark.parametrize("size", [(10**9, 10**9), (HUGE, 7), (9, 10**9)])
def test_coco_mask_of_a_stated_size_is_not_drawn_before_it_is_compared(
    size: tuple[int, int], tmp_path: Path
) -> None:
    path = _coco(tmp_path, width=size[0], height=size[1])
    data = Coco(path=path, unit="image").open()
    usable, notes = usable_regions(data, np.array([0], np.int64))
    assert usable.samples["mask"].isna().all()
    assert size[0] == HUGE or "size is not that of the image" in notes[0].text


def test_json_lines_that_are_nested_deeply_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl"
    path.write_text('{"a": ' + "[" * 100_000)
    with pytest.raises(DataError, match="nested too deeply"):
        read_table(path)


def test_json_lines_with_half_a_character_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl"
    path.write_text('{"file": "\\ud800"}')
    with pytest.raises(DataError, match="half a character"):
        read_table(path)


@pytest.mark.parametrize("name", [b"caf\xe9", b"\xff\xfe"])
def test_webdataset_reads_names_that_are_no_utf_8(name: bytes, tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (4, 4)).save(stream, "PNG")
    path = tmp_path / "shard.tar"
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT, encoding="latin-1") as archive:
        for suffix, content in ((".png", stream.getvalue()), (".cls", b"1")):
            entry = tarfile.TarInfo(name.decode("latin-1") + suffix)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    data = WebDataset(path=path).open()
    (sample,) = data.samples.index
    assert sample == "shard.tar/" + name.decode(errors="backslashreplace")
    assert data.images[0].image.size == (4, 4)


@pytest.mark.parametrize("separator", [None, "|"])
def test_categorical_labels_of_one_value_are_read(separator: str | None, tmp_path: Path) -> None:
    names = [f"{k}.png" for k in range(3)]
    table = pd.DataFrame({"path": names, "label": pd.Categorical(["cat"] * 3)})
    for name in names:
        Image.new("RGB", (9, 7)).save(tmp_path / name)
    table.to_parquet(tmp_path / "table.parquet")
    found = Manifest(
        path=tmp_path / "table.parquet", image="path", label="label", separator=separator
    ).open()
    one = "cat" if separator is None else ("cat",)
    assert list(found.samples["label"]) == [one] * 3
