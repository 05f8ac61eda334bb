from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image, ImageDraw
from pycocotools import mask as coco_masks

from auditor import runner
from auditor.config import AuditConfig, Preprocess
from auditor.datasets.coco import Coco
from auditor.datasets.object_regions import object_mask
from auditor.errors import DataError, UnreadableImageError
from auditor.imaging.annotated_masks import AnnotatedMask, decode_runs, fill_polygon
from auditor.records.predictions import GROUP

WIDTH, HEIGHT = 60, 40


def _annotation(
    number: int, image: int, category: int, box: Sequence[float], **more: Any
) -> dict[str, Any]:
    return {"id": number, "image_id": image, "category_id": category, "bbox": list(box)} | more


def _file(folder: Path, annotations: list[dict[str, Any]], **changes: Any) -> Path:
    """Three images: grey with a white rectangle in columns 10-29 and rows 5-24."""
    for k in range(3):
        drawn = Image.new("RGB", (WIDTH, HEIGHT), "grey")
        ImageDraw.Draw(drawn).rectangle((10, 5, 29, 24), fill="white")
        drawn.save(folder / f"{k}.png")
    content = {
        "images": [
            {
                "id": k,
                "file_name": f"{k}.png",
                "width": WIDTH,
                "height": HEIGHT,
                "site": "AB"[k % 2],
            }
            for k in range(3)
        ],
        "annotations": annotations,
        "categories": [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}],
    }
    path = folder / "instances.json"
    path.write_text(json.dumps(content | changes))
    return path


def test_each_object_is_a_sample_cut_out_with_a_margin(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        [
            _annotation(11, 0, 7, [10, 5, 20, 20], attributes={"occluded": True}),
            _annotation(12, 0, 3, [50, 30, 20, 20]),
        ],
    )
    data = Coco(path=path, margin=0.25, attributes=("site", "occluded")).open()
    assert data.classes == ("cat", "dog")  # in the order of their ids
    assert data.samples.index.tolist() == ["0.png#11", "0.png#12"]
    assert data.samples["label"].tolist() == ["dog", "cat"]
    assert data.samples["site"].tolist() == ["A", "A"]
    assert data.samples["occluded"].tolist()[0] is True
    assert data.samples[GROUP].tolist() == ["0", "0"]
    # 25 % of 20 pixels on each side: columns 5-34, rows 0-29, and the box 5 pixels inside of them.
    first = data.images[0].image
    assert first.size == (30, 30)
    assert data.samples["box"].iloc[0] == (5.0, 5.0, 25.0, 25.0)
    white = np.asarray(first)[..., 0] == 255
    assert np.flatnonzero(white.any(0)).tolist() == list(range(5, 25))
    # The second ends at the edges of the image: columns 45-59, rows 25-39.
    assert data.images[1].image.size == (15, 15)
    assert data.images[0].sha256 != data.images[1].sha256


def test_box_outside_of_its_image_makes_one_sample_unreadable(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        [_annotation(1, 0, 3, [100, 5, 20, 20]), _annotation(2, 1, 3, [10, 5, 20, 20])],
    )
    data = Coco(path=path).open()
    with pytest.raises(UnreadableImageError, match="the box lies outside of the image"):
        data.images[0]
    assert data.images[1].image.size == (24, 24)


def test_image_of_another_size_than_annotated_is_unreadable(tmp_path: Path) -> None:
    path = _file(tmp_path, [_annotation(1, 0, 3, [1, 1, 5, 5])])
    Image.new("RGB", (80, 80)).save(tmp_path / "0.png")
    with pytest.raises(
        UnreadableImageError, match="annotated 60 × 40 pixels; the image has 80 × 80"
    ):
        Coco(path=path).open().images[0]


@pytest.mark.parametrize(
    ("label", "expected", "n_left_out"),
    [
        ("only", ["cat"], 2),
        ("largest", ["dog", "cat"], 1),
        ("all", [("cat", "dog"), ("cat",), ()], 0),
    ],
)
def test_image_has_the_label_of_its_objects(
    label: str, expected: list[object], n_left_out: int, tmp_path: Path
) -> None:
    annotations = [
        _annotation(1, 0, 3, [0, 0, 5, 5]),
        _annotation(2, 0, 7, [10, 5, 20, 20]),
        _annotation(3, 1, 3, [0, 0, 5, 5]),
        _annotation(4, 1, 3, [9, 9, 5, 5]),
    ]
    data = Coco.model_validate(
        {"path": _file(tmp_path, annotations), "unit": "image", "label": label}
    )
    opened = data.open()
    assert opened.samples["label"].tolist() == expected
    assert sum(note.n_left_out for note in opened.notes) == n_left_out
    assert opened.group is None
    cats = opened.samples["box"].iloc[expected.index("cat" if label != "all" else ("cat",))]
    assert cats == ((0, 0, 5, 5), (9, 9, 14, 14))


def _runs_of(mask: np.ndarray) -> list[int]:
    """Run lengths by a plain loop over the columns."""
    runs, before = [0], False
    for value in mask.T.reshape(-1).tolist():
        if value != before:
            runs.append(0)
            before = value
        runs[-1] += 1
    return runs


@pytest.mark.parametrize("seed", range(20))
def test_run_lengths_are_those_of_pycocotools(seed: int) -> None:
    random = np.random.default_rng(seed)
    mask = (
        random.random((int(random.integers(1, 90)), int(random.integers(1, 90)))) < random.random()
    )
    packed = coco_masks.encode(np.asfortranarray(mask.astype(np.uint8)))
    runs = decode_runs(packed["counts"].decode())
    assert runs == _runs_of(mask)
    height, width = mask.shape
    assert np.array_equal(AnnotatedMask(width, height, runs=tuple(runs)).draw(), mask)


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # by pycocotools, of numpy 2
@pytest.mark.parametrize("seed", range(10))
def test_polygons_are_those_of_pycocotools_up_to_their_outline(seed: int) -> None:
    random = np.random.default_rng(seed)
    angles = np.sort(random.uniform(0, 2 * np.pi, 7))
    radius = random.uniform(40, 90, 7)
    corners = np.stack([100 + radius * np.cos(angles), 100 + radius * np.sin(angles)], 1).reshape(
        -1
    )
    [packed] = coco_masks.frPyObjects([corners.tolist()], 200, 200)
    expected = coco_masks.decode(packed).astype(bool)
    drawn = AnnotatedMask(200, 200, polygons=(tuple(corners.tolist()),)).draw()
    assert (drawn & expected).sum() / (drawn | expected).sum() > 0.97


@pytest.mark.parametrize("seed", range(5))
def test_polygon_holds_the_pixels_whose_centres_are_inside(seed: int) -> None:
    corners = np.random.default_rng(seed).uniform(-5, 30, (6, 2))  # it may cross itself
    x, y = np.meshgrid(np.arange(24) + 0.5, np.arange(20) + 0.5)
    crossings = np.zeros((20, 24), dtype=int)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, 0), strict=True):
        crosses = (y0 <= y) != (y1 <= y)
        crossings += crosses & (x > x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    assert np.array_equal(fill_polygon(corners, 24, 20), crossings % 2 == 1)


@pytest.mark.parametrize("text", ["0 1", "~~", "o", "00\x7f"])
def test_damaged_run_lengths_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected characters|ends within a number"):
        decode_runs(text)


@pytest.mark.parametrize(
    "segmentation",
    [
        [[10, 5, 30, 5, 30, 25, 10, 25]],
        {"size": [HEIGHT, WIDTH], "counts": None},  # filled in below
        None,  # the box stands in
        {"size": [1, 1], "counts": [1]},
        [[1, 2]],
        "damaged",
    ],
)
def test_mask_or_box_of_an_object_locates_it_in_the_input(
    segmentation: Any, tmp_path: Path
) -> None:
    inside = np.zeros((HEIGHT, WIDTH), dtype=bool)
    inside[5:25, 10:30] = True
    if isinstance(segmentation, dict) and segmentation["counts"] is None:
        segmentation = segmentation | {"counts": _runs_of(inside)}
    annotation = _annotation(1, 0, 3, [10, 5, 20, 20], segmentation=segmentation)
    data = Coco(path=_file(tmp_path, [annotation]), margin=0.25).open()
    found = object_mask(data, 0, Preprocess())
    assert found.shape == (30, 30)
    expected = inside[0:30, 5:35]
    assert (found & expected).sum() / (found | expected).sum() > 0.9


def test_crowds_and_unknown_entries_are_left_out_and_counted(tmp_path: Path) -> None:
    good = [10, 5, 20, 20]
    path = _file(
        tmp_path,
        [
            _annotation(1, 0, 3, good),
            _annotation(2, 0, 3, good, iscrowd=1),
            _annotation(3, 99, 3, good),
            _annotation(4, 0, 99, good),
            _annotation(5, 0, 3, [1, 1, 0, 5]),
            {"id": 6},
        ],
    )
    data = Coco(path=path).open()
    assert len(data) == 1
    assert sum(note.n_left_out for note in data.notes) == 5
    assert len(Coco(path=path, crowds=True).open()) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "expected a JSON file in the format of COCO"),
        ("[]", "missing or of another form: images, annotations, categories"),
        ('{"images": [], "annotations": [], "categories": []}', "expected at least one object"),
        (
            '{"images": [{"id": 1}], "annotations": [], "categories": []}',
            r"images\[0\]: expected an `id`",
        ),
        ("[" * 100000, "expected a JSON file"),
    ],
)
def test_file_of_another_form_is_refused(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DataError, match=message):
        Coco(path=tmp_path / "a.json").open()


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../x.png", "a/../../x.png", "C:\\x.png", "http://a/b.png", "file:/a.png"],
)
def test_file_outside_of_the_root_is_refused(name: str, tmp_path: Path) -> None:
    path = _file(
        tmp_path, [_annotation(1, 0, 3, [1, 1, 5, 5])], images=[{"id": 0, "file_name": name}]
    )
    with pytest.raises(DataError, match="expected paths of files"):
        Coco(path=path).open()


MODEL = """
import torch


class Bright(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 1, 1)
        torch.nn.init.constant_(self.layer.weight, 1 / 3)
        torch.nn.init.zeros_(self.layer.bias)

    def forward(self, x):
        bright = torch.relu(self.layer(x)).mean((2, 3))
        return torch.cat([20 * (0.5 - bright), 20 * (bright - 0.5)], 1)
"""


def test_audit_of_objects_uses_their_boxes(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for k in range(40):
        drawn = Image.new("RGB", (64, 48), "grey")
        for j, shade in enumerate((40, 230)):
            place = (4 + 30 * j, 10, 23 + 30 * j, 29)
            noise = int(random.integers(0, 20))
            ImageDraw.Draw(drawn).rectangle(place, fill=(shade + noise,) * 3)
            box = [place[0], place[1], 20, 20]
            annotations.append(_annotation(len(annotations), k, 1 + j, box))
        drawn.save(tmp_path / f"{k}.png")
        images.append(
            {"id": k, "file_name": f"{k}.png", "width": 64, "height": 48, "site": "AB"[k % 2]}
        )
    annotations.append(_annotation(len(annotations), 0, 1, [500, 500, 20, 20]))
    categories = [{"id": 1, "name": "dark"}, {"id": 2, "name": "bright"}]
    (tmp_path / "coco.json").write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )
    (tmp_path / "bright_model.py").write_text(MODEL)
    config = tmp_path / "audit.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "name": "objects",
                "model": {"adapter": "python", "factory": "bright_model:Bright"},
                "data": {
                    "adapter": "coco",
                    "path": "coco.json",
                    "margin": 0,
                    "attributes": ["site"],
                },
                "preprocess": {"resize": [24, 24]},
                "report": {"formats": ["json"]},
            }
        )
    )
    run = runner.run(AuditConfig.load(config), tmp_path / "run")
    result = run.read_result()
    assert result.summary.n_samples == 81
    assert result.summary.n_evaluated == 80
    assert [one.sample for one in result.unusable] == ["0.png#80"]
    assert result.summary.accuracy is not None
    assert result.summary.accuracy.value == pytest.approx(1.0)
    assert result.clusters is not None
    table = pd.read_parquet(run.path / "predictions.parquet")
    assert set(table["label"]) == {"dark", "bright"}


def test_files_that_can_not_be_opened_are_counted_once_each(tmp_path: Path) -> None:
    path = _file(tmp_path, [_annotation(k, k // 2, 3, [10, 5, 20, 20]) for k in range(6)])
    (tmp_path / "0.png").unlink()
    (tmp_path / "2.png").unlink()
    (tmp_path / "2.png").symlink_to("2.png")
    assert [one.text for one in Coco(path=path).open().notes] == [
        "1 of 3 image files does not exist, such as 0.png; these samples are not evaluated",
        "1 of 3 image files is a circular link, such as 2.png; these samples are not evaluated",
    ]
