"""Images on their way into the network: decoded in worker processes, normalised on the device."""

from __future__ import annotations

import multiprocessing
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from auditor.config import Preprocess
from auditor.errors import DataError, UnreadableImageError
from auditor.imaging import prepare
from auditor.imaging.properties import measure
from auditor.records import Dataset, Images
from auditor.records.image_properties import Properties
from auditor.records.predictions import OK

Measured = tuple[Properties, str | None]
"""What was measured of an image, and its perceptual fingerprint."""


class Batch(NamedTuple):
    """Samples in reading order, decoded.

    Attributes:
        rows: (B,) positions in the data set, int64.
        status: B words, ``ok`` or why the image can't be read.
        sha256: B fingerprints, None where there is no image.
        measured: B times the properties and the perceptual fingerprint, None where there is no
            image or nothing was to be measured.
        images: (n, 3, H, W) uint8, those with status ``ok``.
    """

    rows: NDArray[np.int64]
    status: list[str]
    sha256: list[str | None]
    measured: list[Measured | None]
    images: torch.Tensor


def batches(
    dataset: Dataset,
    rows: NDArray[np.int64],
    preprocess: Preprocess,
    *,
    batch_size: int,
    workers: int | None = None,
    pinned: bool = False,
    measured: bool = False,
) -> Iterator[Batch]:
    """Decodes images batch by batch, in the order given.

    Args:
        dataset: where they come from.
        rows: positions in it, int64.
        preprocess: resize and crop are done here, normalising is left to :func:`normalised`.
        batch_size: images in one batch.
        workers: processes that decode; 0 decodes in this one, None chooses by the machine.
        pinned: whether the images shall lie in page-locked memory, for a faster copy to CUDA.
        measured: whether the properties of the images are measured on the way.

    Yields:
        The batches; the worker processes end with the iterator.

    Raises:
        DataError: two images come out of the preprocessing in different sizes.
    """
    workers = default_workers() if workers is None else workers
    loader: DataLoader[_Item] = DataLoader(
        _Decoded(dataset.images, rows, preprocess, measured),
        batch_size=batch_size,
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=pinned,
        worker_init_fn=_quiet if workers else None,
        multiprocessing_context=_context() if workers else None,
    )
    first: _Size | None = None
    iterator = iter(loader)
    try:
        for rows_, status, sha256, properties, images, sizes in iterator:
            for size in sizes:
                first = first or size
                if (size.height, size.width) != (first.height, first.width):
                    raise DataError(_uneven(dataset, first, size))
            yield Batch(rows_, status, sha256, properties, images)
    finally:
        # Its finaliser ends the workers, now and not when the last traceback is forgotten.
        del iterator


def normalised(images: torch.Tensor, preprocess: Preprocess, device: torch.device) -> torch.Tensor:
    """The network's input: divided by 255, mean subtracted, divided by the deviation.

    Args:
        images: (N, 3, H, W), uint8.
        preprocess: names mean and deviation, one a channel.
        device: where the work is done.

    Returns:
        (N, 3, H, W), float32, on the device.
    """
    mean, std = (
        torch.tensor(values, dtype=torch.float32, device=device).view(1, 3, 1, 1)
        for values in (preprocess.mean, preprocess.std)
    )
    inputs = images.to(device, non_blocking=True).to(torch.float32)
    return inputs.div_(255).sub_(mean).div_(std)


def default_workers() -> int:
    """How many processes decode: one a core that this process may use, at most 16."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(usable or 1, 16)


class _Size(NamedTuple):
    row: int
    height: int
    width: int


class _Item(NamedTuple):
    row: int
    status: str
    sha256: str | None
    measured: Measured | None
    pixels: NDArray[np.uint8] | None


@dataclass(frozen=True)
class _Decoded(TorchDataset[_Item]):
    """What the worker processes hold: no more than it takes to open an image."""

    images: Images
    rows: NDArray[np.int64]
    preprocess: Preprocess
    measured: bool

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, position: int) -> _Item:
        row = int(self.rows[position])
        try:
            image = self.images[row]
            pixels = prepare(
                image.image,
                self.preprocess.resize,
                self.preprocess.crop,
                self.preprocess.interpolation,
            )
        except UnreadableImageError as error:
            return _Item(row, error.reason, None, None, None)
        found = measure(image.image, image.stored) if self.measured else None
        return _Item(row, OK, image.sha256, found, pixels)


def _collate(
    items: Sequence[_Item],
) -> tuple[
    NDArray[np.int64],
    list[str],
    list[str | None],
    list[Measured | None],
    torch.Tensor,
    list[_Size],
]:
    """Stacks what could be read; images of uneven sizes are left out, and their sizes tell why."""
    usable = [item.pixels for item in items if item.pixels is not None]
    shapes = {pixels.shape for pixels in usable}
    if len(shapes) == 1:
        images = torch.from_numpy(np.stack(usable))
    else:
        images = torch.empty((0, 3, 0, 0), dtype=torch.uint8)
    sizes: dict[tuple[int, ...], _Size] = {}
    for item in items:
        if item.pixels is not None:
            shape = item.pixels.shape
            sizes.setdefault(shape, _Size(item.row, shape[1], shape[2]))
    return (
        np.array([item.row for item in items], np.int64),
        [item.status for item in items],
        [item.sha256 for item in items],
        [item.measured for item in items],
        images,
        list(sizes.values()),
    )


def _uneven(dataset: Dataset, first: _Size, other: _Size) -> str:
    names = dataset.samples.index
    return (
        f"preprocess: expected images of one size; {names[first.row]} comes out as "
        f"{first.height} × {first.width} pixels and {names[other.row]} as "
        f"{other.height} × {other.width}: set preprocess.resize and preprocess.crop"
    )


def _quiet(_worker: int) -> None:
    """An image above Pillow's limit becomes a row of its own; the warning has nothing to add."""
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def _context() -> str | None:
    """Forked workers start at once and open no device; elsewhere the platform's own way."""
    return "fork" if multiprocessing.get_all_start_methods()[0] == "fork" else None
