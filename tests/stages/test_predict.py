from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from builders.audited_models import audited
from PIL import Image
from torch import nn
from torchvision.transforms import v2 as transforms

from auditor import blocks, input_pipeline
from auditor.config import Preprocess
from auditor.datasets.images import FileImages
from auditor.errors import DataError, ModelError, UnreadableImageError
from auditor.imaging.properties import measure
from auditor.manifest import sha256
from auditor.records import Dataset, DecodedImage
from auditor.records.image_properties import NAMES
from auditor.records.predictions import property_column
from auditor.stages.predict import predict

CPU = torch.device("cpu")
PREPROCESS = Preprocess(resize=10, crop=8, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))


class _Net(nn.Module):
    """Its logits depend on every pixel."""

    def __init__(self, n_classes: int = 3) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(3 * 8 * 8, n_classes, generator=generator) / 8)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1) @ self.weight


class _Returns(nn.Module):
    def __init__(self, make: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        self.make = make

    def forward(self, images: torch.Tensor) -> Any:
        return self.make(images)


@dataclass(frozen=True)
class _Grey:
    """Images in memory: image `i` is uniformly grey with value `i` modulo 256."""

    n: int
    broken: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> DecodedImage:
        if index in self.broken:
            raise UnreadableImageError("truncated")
        return DecodedImage(Image.new("RGB", (8, 8), (index % 256,) * 3), f"{index:064d}")


def _dataset(images: Any, **attributes: Any) -> Dataset:
    ids = [f"s{position}" for position in range(len(images))]
    samples = pd.DataFrame({"path": ids, "label": 0, **attributes}, index=pd.Index(ids))
    return Dataset(samples, images, tuple(attributes), "test")


def _run(
    folder: Path, dataset: Dataset, module: nn.Module, n_classes: int = 3, **options: Any
) -> pd.DataFrame:
    codes = options.pop("codes", np.arange(len(dataset)) % n_classes)
    advance = options.pop("advance", lambda _: None)
    folder.mkdir(exist_ok=True)
    model = audited(module, n_classes, **options)
    predict(model, dataset, codes, folder, advance)
    parts = [pq.read_table(part) for part in sorted(folder.glob("part-*.parquet"))]
    assert all(part.schema.equals(parts[0].schema) for part in parts)
    table: pd.DataFrame = pa.concat_tables(parts).to_pandas()
    return table


@pytest.fixture
def files(tmp_path: Path) -> Dataset:
    """Seven images of different sizes, two of which can't be read."""
    rng = np.random.default_rng(3)
    for position in range(7):
        size = (12 + position, 15, 3)
        Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8)).save(
            tmp_path / f"{position}.png"
        )
    (tmp_path / "2.png").unlink()
    (tmp_path / "5.png").write_bytes(b"")
    names = [f"{position}.png" for position in range(7)]
    samples = pd.DataFrame(
        {
            "path": names,
            "label": ["a", "b", "c", "a", "b", "c", "a"],
            "age": [1.5, 2.0, np.nan, 4.0, 5.0, 6.0, 7.0],
            "sex": pd.Series(["f", None, "m", "f", "m", "f", "f"], dtype="string"),
            "none": pd.Series([None] * 7, dtype="string"),
            "count": range(7),
        },
    ).set_axis(names)
    return Dataset(samples, FileImages.of(tmp_path, names), ("age", "sex", "none", "count"), "test")


@pytest.mark.parametrize("workers", [0, 2])
def test_rows_equal_those_of_a_plain_loop(
    tmp_path: Path, files: Dataset, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(input_pipeline, "_FEW", 0)
    net, codes = _Net(), np.array([0, 1, 2, 0, 1, 2, 0])
    done: list[int] = []
    table = _run(
        tmp_path / "out", files, net, codes=codes, preprocess=PREPROCESS, workers=workers,
        batch_size=3, advance=done.append,
    )  # fmt: skip
    assert done == [3, 3, 1]
    assert table["sample"].tolist() == list(files.samples.index)
    assert table["label"].tolist() == list("abcabca")
    assert table["status"].tolist() == ["ok", "ok", "missing", "ok", "ok", "empty", "ok"]
    pd.testing.assert_series_equal(
        table["age"], files.samples["age"].reset_index(drop=True), check_dtype=True
    )
    assert table["sex"].isna().tolist() == [False, True, False, False, False, False, False]
    assert table["none"].isna().all()
    assert table["count"].tolist() == list(range(7))

    transform = transforms.Compose(
        [
            transforms.Resize(10),
            transforms.CenterCrop(8),
            transforms.ToImage(),
            transforms.ToDtype(torch.float32, scale=True),
            transforms.Normalize(PREPROCESS.mean, PREPROCESS.std),
        ]
    )
    for row, code in zip(table.to_dict("records"), codes, strict=True):
        unusable = row["status"] != "ok"
        outcome = ("predicted", "confidence", "loss", "sha256", "p:a", "p:b", "p:c")
        assert {pd.isna(row[name]) for name in outcome} == {unusable}
        if unusable:
            continue
        path = tmp_path / row["path"]
        with torch.no_grad():
            logits = net(transform(Image.open(path))[None])
        expected = logits.softmax(1)[0]
        assert row["sha256"] == sha256(path)
        assert row["predicted"] == "abc"[int(expected.argmax())]
        assert row["confidence"] == pytest.approx(float(expected.max()), rel=1e-5)
        loss = nn.functional.cross_entropy(logits, torch.tensor([code]))
        assert row["loss"] == pytest.approx(float(loss), rel=1e-4)
        got = [row["p:a"], row["p:b"], row["p:c"]]
        np.testing.assert_allclose(got, expected.numpy(), rtol=1e-4)
    assert not multiprocessing.active_children()


def test_logits_that_are_not_finite_are_rows_with_a_status(tmp_path: Path) -> None:
    def make(images: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros(len(images), 2)
        value = (images[:, 0, 0, 0] * 255).round().long()
        logits[value == 1, 0] = torch.nan
        logits[value == 2, 1] = -torch.inf
        logits[value == 3] = torch.tensor([torch.inf, torch.nan])
        logits[value == 4] = torch.tensor([0.0, 3e38])
        return logits

    table = _run(tmp_path, _dataset(_Grey(6)), _Returns(make), 2, codes=np.zeros(6, np.int64))
    assert table["status"].tolist() == [
        "ok", "nan-logits", "infinite-logits", "nan-logits", "ok", "ok",
    ]  # fmt: skip
    assert table["loss"].isna().tolist() == [False, True, True, True, False, False]
    assert table["loss"][4] == pytest.approx(3e38, rel=1e-6)
    assert table["loss"][0] == pytest.approx(np.log(2))
    assert table["sha256"].notna().all()


def test_batch_without_readable_images_gives_rows_with_a_status(tmp_path: Path) -> None:
    images = _Grey(5, broken=frozenset(range(4)))
    table = _run(tmp_path, _dataset(images), _Returns(lambda x: x.mean((2, 3))))
    assert table["status"].tolist() == ["truncated"] * 4 + ["ok"]


def test_shards_are_full_and_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "PREDICTED_SAMPLES", 6)
    table = _run(tmp_path, _dataset(_Grey(20)), _Returns(lambda x: x.mean((2, 3))), batch_size=7)
    assert [pq.read_metadata(p).num_rows for p in sorted(tmp_path.glob("*.parquet"))] == [
        6,
        6,
        6,
        2,
    ]
    assert table["sample"].tolist() == [f"s{position}" for position in range(20)]


def test_many_classes_keep_only_the_confidence(tmp_path: Path) -> None:
    net = _Returns(lambda x: torch.zeros(len(x), 101))
    table = _run(tmp_path, _dataset(_Grey(2)), net, 101)
    assert not [name for name in table.columns if name.startswith("p:")]
    assert table["confidence"].tolist() == pytest.approx([1 / 101] * 2)


def test_attributes_of_other_types_become_text(tmp_path: Path) -> None:
    attributes: dict[str, Any] = {
        "flag": [True, False, True],
        "band": pd.Categorical(["x", None, "y"]),
        "whole": pd.array([1, None, 3], dtype="Int64"),
    }
    dataset = _dataset(_Grey(3))
    dataset = Dataset(
        dataset.samples.assign(**attributes), dataset.images, tuple(attributes), "test"
    )
    table = _run(tmp_path, dataset, _Returns(lambda x: x.mean((2, 3))))
    assert table["flag"].tolist() == ["True", "False", "True"]
    assert table["band"].fillna("-").tolist() == ["x", "-", "y"]
    assert pd.api.types.is_numeric_dtype(table["whole"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: {"logits": x}, r"expected logits of shape \(4, 3\).*returned dict: wrap it"),
        (lambda x: x, r"got \(4, 3, 8, 8\) for an input of shape \(4, 3, 8, 8\)"),
        (lambda x: x.mean((2, 3))[:1], r"got \(1, 3\)"),
        (lambda x: x.mean((2, 3)).repeat(1, 2), r"got 6 columns: name all 6 classes"),
        (lambda x: x.mean((2, 3)).to(torch.complex64), r"got torch.complex64"),
        (
            lambda x: x @ torch.ones(5, 5),
            r"_Returns raised RuntimeError \(test_predict\.py, line \d+\) on an input of shape \(4, 3",
        ),
    ],
)  # fmt: skip
def test_network_without_logits_raises(
    tmp_path: Path, make: Callable[[torch.Tensor], Any], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        _run(tmp_path, _dataset(_Grey(4)), _Returns(make))
    assert not list(tmp_path.glob("part-*"))


@pytest.mark.parametrize("batch_size", [1, 4])
def test_images_of_different_sizes_raise(tmp_path: Path, files: Dataset, batch_size: int) -> None:
    with pytest.raises(
        DataError, match=r"0.png becomes 12 × 15 .* 1.png becomes 13 × 15.*preprocess.resize"
    ):
        _run(tmp_path / "out", files, _Returns(lambda x: x.mean((2, 3))), batch_size=batch_size)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate"),
    ],
)
def test_batches_that_do_not_fit_into_memory_are_halved(tmp_path: Path, error: Exception) -> None:
    seen: list[int] = []

    def make(images: torch.Tensor) -> torch.Tensor:
        seen.append(len(images))
        if len(images) > 2:
            raise error
        return images.mean((2, 3))

    table = _run(tmp_path, _dataset(_Grey(9)), _Returns(make), batch_size=8)
    assert seen == [8, 4, 2, 2, 2, 2, 1]
    assert (table["status"] == "ok").all()

    def never(_: torch.Tensor) -> torch.Tensor:
        raise error

    with pytest.raises(ModelError, match=r"one image of shape \(1, 3, 8, 8\) does not fit"):
        _run(tmp_path / "never", _dataset(_Grey(9)), _Returns(never), batch_size=8)


def test_interrupt_ends_the_workers(tmp_path: Path) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _run(
            tmp_path, _dataset(_Grey(65)), _Returns(lambda x: x.mean((2, 3))), workers=2, advance=interrupt
        )  # fmt: skip
    assert not multiprocessing.active_children()


def test_predict_leaves_the_network_unchanged(tmp_path: Path) -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    _run(tmp_path, _dataset(_Grey(4)), net, 4)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert not net.training
    assert all(one.grad is None and one.requires_grad for one in net.parameters())


def test_rows_have_the_properties_and_the_fingerprint_of_the_image(
    tmp_path: Path, files: Dataset
) -> None:
    table = _run(tmp_path / "out", files, _Net(), preprocess=PREPROCESS).set_index("sample")
    image = files.images[1]
    expected, fingerprint = measure(image.image, image.stored)
    for name, value in zip(NAMES, expected, strict=True):
        found = table[property_column(name)]["1.png"]
        assert (found == pytest.approx(value)) if value is not None else bool(pd.isna(found))
    assert table.loc["1.png", "phash"] == fingerprint
    broken = table.loc["5.png", ["phash", *map(property_column, NAMES)]]
    assert broken.isna().all()
