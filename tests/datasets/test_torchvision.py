from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision import datasets

from auditor.datasets.labels import label_codes
from auditor.datasets.torchvision import Torchvision
from auditor.errors import DataError


def _idx(values: np.ndarray) -> bytes:
    """The IDX format of MNIST: two zeros, type 8 (uint8), rank, sizes, values."""
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    return bytes([0, 0, 8, values.ndim]) + sizes + values.astype(np.uint8).tobytes()


def test_open_torchvision_reads_the_stored_data_set(tmp_path: Path) -> None:
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    images = np.arange(2 * 28 * 28).reshape(2, 28, 28) % 251
    for part, codes in (("t10k", [9, 3]), ("train", [1, 2])):
        (raw / f"{part}-images-idx3-ubyte").write_bytes(_idx(images))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(_idx(np.array(codes)))
    data = Torchvision(dataset="FashionMNIST", root=tmp_path).open()
    assert data.samples.index.tolist() == ["FashionMNIST/test/000000", "FashionMNIST/test/000001"]
    assert data.samples["label"].tolist() == [9, 3]
    assert data.classes is not None
    assert data.classes[9] == "Ankle boot"
    image = data.images[1]
    assert np.array_equal(np.asarray(image.image), np.repeat(images[1][..., None], 3, 2))
    assert image.sha256 != data.images[0].sha256
    trained = Torchvision(dataset="FashionMNIST", root=tmp_path, train=True).open()
    assert trained.samples["label"].tolist() == [1, 2]
    assert len(pickle.loads(pickle.dumps(data.images))) == 2  # noqa: S301  # just written here


def test_open_torchvision_folders_called_by_numbers_are_labels_by_name(tmp_path: Path) -> None:
    # Sorted as text: 0, 1, 10, 2. The index 2 belongs to the folder 10.
    for name in ("0", "1", "2", "10"):
        folder = tmp_path / name
        folder.mkdir()
        Image.new("RGB", (4, 4)).save(folder / "a.png")
    data = Torchvision(dataset="ImageFolder", root=tmp_path).open()
    assert data.classes == ("0", "1", "10", "2")
    paths = [Path(path).parent.name for path, _ in datasets.ImageFolder(tmp_path).samples]
    codes = label_codes(data.samples["label"], data.classes)
    assert [data.classes[code] for code in codes] == paths


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset": "FashonMNIST"}, r"no 'FashonMNIST'; did you mean 'FashionMNIST'\?"),
        ({"dataset": "FashionMNIST"}, "can't open it: .*auditor downloads nothing"),
        ({"dataset": "FashionMNIST", "split": "test"}, "set data.train to true or false"),
        ({"dataset": "SVHN"}, "such as `split: test`"),
        ({"dataset": "FakeData"}, "torchvision stores none"),
    ],
)
def test_open_torchvision_wrong_option_raises(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        Torchvision(root=tmp_path, **options).open()
