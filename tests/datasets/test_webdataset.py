from __future__ import annotations

import io
import json
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from auditor import runner
from auditor.config import AuditConfig
from auditor.datasets.webdataset import WebDataset
from auditor.errors import DataError, UnreadableImageError
from auditor.records.predictions import GROUP


def _jpg(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((16, 20, 3), shade, np.uint8)).save(stream, "JPEG")
    return stream.getvalue()


def _shard(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def _members(start: int, n: int) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    for k in range(start, start + n):
        meta = {
            "site": "AB"[k % 2],
            "patient": {"id": f"p{k // 2}", "age": 30 + k},
            "finding": ["x"],
        }
        members |= {
            f"{k:03d}.jpg": _jpg(40 + 150 * (k % 2)),
            f"{k:03d}.cls": str(k % 2).encode(),
            f"{k:03d}.json": json.dumps(meta).encode(),
        }
    return members


def _open(path: Path, **options: Any) -> Any:
    return WebDataset.model_validate({"path": str(path)} | options).open()


def test_members_with_one_key_are_a_sample(tmp_path: Path) -> None:
    _shard(tmp_path / "test-000.tar", _members(0, 3))
    _shard(tmp_path / "test-001.tar", _members(3, 2))
    data = _open(tmp_path / "test-*.tar", attributes=["site", "patient.age"], group="patient.id")
    assert data.samples.index.tolist() == [
        *(f"test-000.tar/00{k}" for k in range(3)),
        *(f"test-001.tar/00{k}" for k in range(3, 5)),
    ]
    assert data.samples["label"].tolist() == [0, 1, 0, 1, 0]
    assert data.samples["site"].tolist() == ["A", "B", "A", "B", "A"]
    assert data.samples["patient.age"].tolist() == [30, 31, 32, 33, 34]
    assert data.samples[GROUP].tolist() == ["p0", "p0", "p1", "p1", "p2"]
    images = pickle.loads(pickle.dumps(data.images))  # noqa: S301 - just written here
    shades = [int(np.asarray(images[k].image)[0, 0, 0]) for k in range(5)]
    assert [abs(shade - 40 - 150 * (k % 2)) < 4 for k, shade in enumerate(shades)] == [True] * 5


def test_label_is_a_name_or_a_key_of_the_json_file(tmp_path: Path) -> None:
    members = _members(0, 2) | {"000.txt": b"cat\n", "001.txt": b"dog"}
    path = _shard(tmp_path / "a.tar", members)
    assert _open(path, label="txt").samples["label"].tolist() == ["cat", "dog"]
    assert _open(path, label="json:site").samples["label"].tolist() == ["A", "B"]
    assert _open(path, label="json:finding").samples["label"].tolist() == [("x",), ("x",)]


def test_folders_and_several_images_of_a_sample_are_kept_apart(tmp_path: Path) -> None:
    members = {
        "a/1.left.png": _jpg(10),
        "a/1.right.png": _jpg(200),
        "a/1.cls": b"0",
        "b/1.left.png": _jpg(10),
        "b/1.right.png": _jpg(200),
        "b/1.cls": b"1",
        "b/.hidden": b"",
    }
    data = _open(_shard(tmp_path / "a.tar", members), image="right.png")
    assert data.samples.index.tolist() == ["a.tar/a/1", "a.tar/b/1"]
    assert np.asarray(data.images[0].image)[0, 0, 0] > 190


def test_shard_that_is_cut_off_keeps_what_is_before(tmp_path: Path) -> None:
    path = _shard(tmp_path / "cut.tar", _members(0, 6))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    data = _open(path)
    assert 0 < len(data) < 6
    assert any("cut.tar is cut off or no tar file" in note.text for note in data.notes)
    assert data.images[0].image.size == (20, 16)


def test_image_that_the_cut_goes_through_is_an_unreadable_sample(tmp_path: Path) -> None:
    path = _shard(
        tmp_path / "cut.tar", {"0.cls": b"1", "0.jpg": _jpg(9), "1.cls": b"0", "1.jpg": _jpg(7)}
    )
    with tarfile.open(path) as archive:
        last = archive.getmember("1.jpg")
    path.write_bytes(path.read_bytes()[: last.offset_data + 100])
    data = _open(path)
    assert data.samples["label"].tolist() == [1, 0]
    assert data.images[0].image.size == (20, 16)
    with pytest.raises(UnreadableImageError, match="truncated"):
        data.images[1]


@pytest.mark.parametrize("content", [b"", b"\0" * 10, b"no tar file at all" * 99])
def test_shard_without_any_sample_does_not_stop_the_others(content: bytes, tmp_path: Path) -> None:
    _shard(tmp_path / "a-0.tar", _members(0, 3))
    (tmp_path / "a-1.tar").write_bytes(content)
    assert len(_open(tmp_path / "a-*.tar")) == 3


def test_damaged_image_and_missing_parts_are_counted(tmp_path: Path) -> None:
    members = _members(0, 3) | {"001.jpg": b"nothing", "009.cls": b"1", "002.cls": b" "}
    data = _open(_shard(tmp_path / "a.tar", members))
    assert len(data) == 3
    assert sum(note.n_left_out for note in data.notes) == 1
    assert data.samples["label"].isna().tolist() == [False, False, True]
    with pytest.raises(UnreadableImageError, match="not-an-image"):
        data.images[1]


def test_nothing_is_unpacked(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        link = tarfile.TarInfo("x.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        info = tarfile.TarInfo("../../out.jpg")
        info.size = len(_jpg(3))
        archive.addfile(info, io.BytesIO(_jpg(3)))
        label = tarfile.TarInfo("../../out.cls")
        label.size = 1
        archive.addfile(label, io.BytesIO(b"1"))
    data = _open(tmp_path / "evil.tar")
    assert len(data) == 1  # the link is no member with bytes
    assert sorted(one.name for one in tmp_path.iterdir()) == ["evil.tar"]


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda _: None, "it matches no file"),
        (
            lambda path: path.write_bytes(b"no tar" * 200),
            "found no image; a.tar is cut off or no tar",
        ),
        (
            lambda path: path.write_bytes(b"\x1f\x8b" + b"x" * 99),
            "it is compressed: unpack it first",
        ),
        (lambda path: _shard(path, {"a.txt": b"x"}), "found no image"),
        (lambda path: _shard(path, {"a.jpg": _jpg(3)}), "no sample has one"),
    ],
    ids=["missing", "other", "compressed", "no image", "no label"],
)
def test_unusable_shard_is_refused(write: Any, message: str, tmp_path: Path) -> None:
    write(tmp_path / "a.tar")
    with pytest.raises(DataError, match=message):
        _open(tmp_path / "a.tar")


MODEL = """
import torch


def bright():
    layer = torch.nn.Conv2d(3, 2, 1)
    layer.weight.data = torch.tensor([-20.0, 20.0]).view(2, 1, 1, 1).expand(2, 3, 1, 1) / 3
    layer.bias.data = torch.tensor([20.0, 0.0])
    return torch.nn.Sequential(layer, torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
"""


def test_audit_of_shards_with_workers(tmp_path: Path) -> None:
    members = _members(0, 40) | {"007.jpg": b"damaged", "008.cls": b"1"}
    _shard(tmp_path / "test-000.tar", members)
    (tmp_path / "bright_tar.py").write_text(MODEL)
    (tmp_path / "audit.yaml").write_text(
        yaml.safe_dump(
            {
                "name": "shards",
                "model": {
                    "adapter": "python",
                    "factory": "bright_tar:bright",
                    "classes": ["0", "1"],
                },
                "data": {"adapter": "webdataset", "path": "test-*.tar", "attributes": ["site"]},
                "preprocess": {},
                "workers": 1,
                "report": {"formats": ["json"]},
            }
        )
    )
    run = runner.run(AuditConfig.load(tmp_path / "audit.yaml"), tmp_path / "run")
    result = run.read_result()
    assert (result.summary.n_evaluated, result.summary.n_failures) == (39, 1)
    table = pd.read_parquet(run.path / "predictions.parquet")
    assert set(table["site"]) == {"A", "B"}
