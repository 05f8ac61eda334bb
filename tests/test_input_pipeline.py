from __future__ import annotations

import multiprocessing
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torchvision.transforms import functional

from auditor.config import Preprocess
from auditor.datasets.user_samples import UserImages
from auditor.errors import DataError, UnreadableImageError
from auditor.input_pipeline import (
    _reaches_workers,
    _start_method,
    batches,
    default_workers,
    normalised,
    readable,
)
from auditor.records import Dataset, DecodedImage


@dataclass(frozen=True)
class Grey:
    """Six uniform images; the third can't be read."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> DecodedImage:
        if index == 2:
            raise UnreadableImageError("truncated")
        return DecodedImage(Image.new("RGB", (4, 4), (index,) * 3), str(index))


def dataset() -> Dataset:
    names = [f"{k}.png" for k in range(6)]
    return Dataset(pd.DataFrame({"path": names, "label": 0}, index=names), Grey(), (), "test")


def test_batches_have_the_requested_order_and_only_readable_images() -> None:
    rows = np.array([5, 2, 0])
    (batch,) = batches(dataset(), rows, Preprocess(), batch_size=4, workers=0)
    assert batch.rows.tolist() == [5, 2, 0]
    assert batch.status == ["ok", "truncated", "ok"]
    assert batch.sha256 == ["5", None, "0"]
    assert batch.measured == [None] * 3
    assert batch.images[:, 0, 0, 0].tolist() == [5, 0]


def test_readable_returns_the_images_of_a_complete_batch() -> None:
    data = dataset()
    (batch,) = batches(data, np.array([4, 1]), Preprocess(), batch_size=4, workers=0)
    assert readable(batch, data)[:, 0, 0, 0].tolist() == [4, 1]


def test_readable_with_an_unreadable_image_raises_with_its_path() -> None:
    data = dataset()
    (batch,) = batches(data, np.array([1, 2]), Preprocess(), batch_size=4, workers=0)
    with pytest.raises(DataError, match=r"2\.png: expected a readable image.*now it is truncated"):
        readable(batch, data)


def test_normalised_equals_torchvisions_normalize() -> None:
    preprocess = Preprocess(mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    images = torch.randint(0, 256, (2, 3, 5, 4), dtype=torch.uint8)
    expected = functional.normalize(images / 255, list(preprocess.mean), list(preprocess.std))
    assert torch.equal(normalised(images, preprocess, torch.device("cpu")), expected)


def test_default_workers_are_between_1_and_16() -> None:
    assert 1 <= default_workers() <= 16


class InMemory(list[tuple[np.ndarray, str]]):
    """A data set of a module, which a spawned process can import."""


def test_images_reach_spawned_workers_only_if_they_can_be_sent() -> None:
    pair = (np.zeros((4, 4, 3), np.uint8), "cat")
    assert _reaches_workers(UserImages(InMemory([pair])), "spawn")
    local = type("Local", (list,), {})
    assert not _reaches_workers(UserImages(local([pair])), "spawn")
    assert _reaches_workers(UserImages(local([pair])), "fork")
    # Files are opened by the workers.
    assert _reaches_workers(Grey(), "spawn")


def test_workers_start_as_the_process_has_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _start_method() == multiprocessing.get_all_start_methods()[0]
    monkeypatch.setattr(multiprocessing, "get_start_method", lambda **_: "spawn")
    assert _start_method() == "spawn"
