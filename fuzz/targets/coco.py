"""Annotations in the format of COCO."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from auditor.datasets.coco import Coco
from fuzz import pixels
from fuzz.datasets import examine
from fuzz.edits import mutate_json
from fuzz.target import Reader, Target


def _ways(path: Path) -> list[Coco]:
    named = ("site", "occluded")
    return [
        Coco(path=path, attributes=named),
        Coco(path=path, unit="image", group="scene", attributes=named),
        Coco(path=path, unit="image", label="all", crowds=True),
        Coco(path=path, unit="image", label="largest", margin=2),
    ]


def _open(folder: Path) -> Reader:
    (folder / "1.png").write_bytes(pixels.stored(pixels.coloured("RGB"), "PNG"))
    path = folder / "annotations.json"
    ways = _ways(path)

    def read(data: bytes) -> None:
        path.write_bytes(data)
        examine(ways[len(data) % len(ways)].open())

    return read


def _document(segmentation: Any) -> dict[str, Any]:
    image = {"id": 1, "file_name": "1.png", "width": 9, "height": 7, "scene": "s", "site": "A"}
    note = {"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 1, 4, 4.5], "area": 18}
    return {
        "images": [image, {"id": "x", "file_name": "2.png"}],
        "annotations": [
            note | {"segmentation": segmentation, "attributes": {"occluded": True}, "iscrowd": 0},
            note | {"id": 2, "image_id": "x", "category_id": 5},
        ],
        "categories": [{"id": 3, "name": "cat"}, {"id": 5, "name": "dog"}],
    }


def _seeds() -> Iterator[bytes]:
    shapes = (
        [[1, 1, 4, 1, 4, 4]],
        {"size": [7, 9], "counts": [10, 5, 48]},
        {"size": [7, 9], "counts": "1234"},
        None,
    )
    for number, shape in enumerate(shapes):
        for blanks in range(4):  # the length chooses how the file is read
            yield json.dumps(_document(shape)).encode() + b" " * (blanks + number)


TARGET = Target(
    name="coco",
    about="a JSON file → `Coco.open`, labels, boxes, masks, images",
    open=_open,
    seeds=_seeds,
    mutate=mutate_json,
    longest=8192,
)
