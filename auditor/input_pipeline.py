"""Input pipeline: images are decoded in worker processes and normalised on the device."""

from __future__ import annotations

import multiprocessing
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader, get_worker_info
from torch.utils.data import Dataset as TorchDataset

from auditor import interrupts
from auditor.config import Preprocess
from auditor.datasets.user_samples import UserImages
from auditor.errors import DataError, LostImageError, UnreadableImageError
from auditor.imaging import prepare
from auditor.imaging.decode_limit import TOO_SLOW, ended_when_too_slow, was_too_slow
from auditor.imaging.properties import measure
from auditor.imaging.small_copies import small_copy
from auditor.records import Dataset, Images, ImageSubset, UnchangedImages
from auditor.records.image_properties import Properties
from auditor.records.predictions import OK, PATH
from auditor.records.small_copies import Detail, SmallCopy
from auditor.worker_deaths import deaths_are_noticed_when_waiting, is_death_of_worker

Measured = tuple[Properties, str | None]
"""The properties of an image, and its perceptual fingerprint."""

_FEW = 64
"""Up to so many images are decoded in this process: starting workers would take longer."""


_MOST_DEATHS = 3
"""After so many deaths of worker processes, the rest is decoded in this process."""


class Batch(NamedTuple):
    """Decoded samples, in the order in which they were requested.

    Attributes:
        rows: (B,) positions in the data set, int64.
        status: B words, ``ok`` or the reason why the image can't be read.
        sha256: B fingerprints, None where the image can't be read.
        measured: B pairs of properties and perceptual fingerprint, None where the image can't be
            read or nothing was measured.
        copies: B small copies, None where the image can't be read or no copies were wanted.
        images: (n, 3, H, W) uint8, those with status ``ok``.
        repeated: whether the worker process that should have decoded them died.
    """

    rows: NDArray[np.int64]
    status: list[str]
    sha256: list[str | None]
    measured: list[Measured | None]
    copies: list[SmallCopy | None]
    images: torch.Tensor
    repeated: bool = False


def batches(  # noqa: PLR0913 - keyword-only options
    dataset: Dataset,
    rows: NDArray[np.int64],
    preprocess: Preprocess,
    *,
    batch_size: int | Sequence[int],
    workers: int | None = None,
    pinned: bool = False,
    measured: bool = False,
    copied: Detail | None = None,
) -> Iterator[Batch]:
    """Decodes images batch by batch, in the order given.

    Where a worker process dies, usually because memory ran out, its batch is decoded again in this process.

    Args:
        dataset: where the images come from.
        rows: positions in the data set, int64.
        preprocess: images are resized and cropped here, and normalised by :func:`normalised`.
        batch_size: images in one batch; or how many are in each, for batches that end at certain images.
        workers: processes that decode; 0 decodes in this process, None chooses by the machine. Up
            to 64 images are always decoded in this process.
        pinned: whether to put the images into page-locked memory, for faster copies to CUDA.
        measured: whether to measure the properties of the images, too.
        copied: detail of the small copies that are made, too; None: no copies.

    Yields:
        The batches; the worker processes end with the iterator.

    Raises:
        DataError: two images have different sizes after preprocessing.
    """
    workers = default_workers() if workers is None else workers
    method = _start_method()
    if len(rows) <= _FEW or not (workers and _reaches_workers(dataset.images, method)):
        workers = 0
    if isinstance(batch_size, int):
        ends = np.arange(batch_size, len(rows), batch_size)
    else:
        ends = np.cumsum(batch_size)
    cut = [part for part in np.split(rows, ends) if len(part)]
    first: _Size | None = None
    slow: frozenset[int] = frozenset()
    done = deaths = 0
    repeat = False
    while done < len(cut):
        # The batch of a worker that died is repeated in this process; so is the rest after a few deaths.
        part = cut[done : done + 1] if repeat else cut[done:]
        used = 0 if repeat or deaths >= _MOST_DEATHS else workers
        repeated, repeat = repeat, False
        decoded = _Decoded(
            dataset.images,
            np.concatenate(part),
            preprocess,
            measured,
            copied,
            slow,
            _current_rows(used),
        )
        try:
            for batch, sizes in _loaded(decoded, part, used, method, pinned=pinned):
                for size in sizes:
                    first = first or size
                    if (size.height, size.width) != (first.height, first.width):
                        names = dataset.samples.index
                        raise different_sizes(
                            (names[first.row], first.height, first.width),
                            (names[size.row], size.height, size.width),
                        )
                done += 1
                yield batch._replace(repeated=repeated)
        except _TooSlowError as error:
            slow |= error.rows
        except RuntimeError as error:
            if not is_death_of_worker(error):
                raise
            interrupts.raise_again()  # of which the workers died
            repeat, deaths = True, deaths + 1


def _loaded(
    decoded: _Decoded,
    cut: Sequence[NDArray[np.int64]],
    workers: int,
    method: str,
    *,
    pinned: bool,
) -> Iterator[tuple[Batch, list[_Size]]]:
    """Batches, decoded by worker processes that end with the iterator."""
    ends = np.cumsum([len(part) for part in cut]).tolist()
    loader: DataLoader[_Item] = DataLoader(
        decoded,
        batch_sampler=(
            list(range(end - len(part), end)) for part, end in zip(cut, ends, strict=True)
        ),
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=pinned,
        worker_init_fn=_silence_bomb_warning if workers else None,
        multiprocessing_context=method if workers else None,
    )
    with torch.device("cpu"):  # where torch draws the seed of the workers
        iterator = iter(loader)
    try:
        with deaths_are_noticed_when_waiting() if workers else nullcontext():
            yield from iterator
    except RuntimeError as error:
        slow = _too_slow_rows(iterator, decoded) if is_death_of_worker(error) else frozenset()
        if slow:
            raise _TooSlowError(slow) from error
        raise
    finally:
        # Its finaliser ends the workers: now, not when the last traceback is released.
        del iterator


def readable(batch: Batch, dataset: Dataset) -> torch.Tensor:
    """The images of a batch whose samples have all been read before.

    Args:
        batch: what `batches` yielded.
        dataset: the data set that it was read from.

    Returns:
        (B, 3, H, W) uint8, one image per sample.

    Raises:
        LostImageError: an image can no longer be read.
    """
    for row, status in zip(batch.rows, batch.status, strict=True):
        if status != OK:
            raise LostImageError(
                f"{dataset.samples[PATH].iloc[row]}: expected a readable image, as at the start of "
                f"the audit; now it is {status}: do not change the data while an audit runs"
            )
    return batch.images


def normalised(images: torch.Tensor, preprocess: Preprocess, device: torch.device) -> torch.Tensor:
    """The network's input: scaled, minus the mean, divided by the standard deviation; in RGB order.

    Args:
        images: (N, 3, H, W), uint8.
        preprocess: scale, and mean and standard deviation of each channel.
        device: where to compute.

    Returns:
        (N, 3, H, W), float32, on the device.
    """
    mean, std = (
        torch.tensor(values, dtype=torch.float32, device=device).view(1, 3, 1, 1)
        for values in (preprocess.rgb_mean, preprocess.rgb_std)
    )
    inputs = images.to(device, non_blocking=True).to(torch.float32)
    return inputs.div_(255).sub_(mean).div_(std)


def default_workers() -> int:
    """Number of processes that decode: one per core that this process may use, at most 16."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(usable or 1, 16)


class _TooSlowError(Exception):
    """Worker processes were ended because some images take too long.

    Attributes:
        rows: the positions of these images in the data set.
    """

    def __init__(self, rows: frozenset[int]) -> None:
        super().__init__(rows)
        self.rows = rows


def _current_rows(workers: int) -> torch.Tensor | None:
    """Memory in which each worker process writes what it decodes; None without such processes."""
    rows = torch.full((workers,), -1, device="cpu") if workers else None
    if rows is not None:
        rows.share_memory_()  # type: ignore[no-untyped-call]
    return rows


def _too_slow_rows(iterator: object, decoded: _Decoded) -> frozenset[int]:
    """The images for which worker processes were ended."""
    processes: list[BaseProcess] = getattr(iterator, "_workers", [])
    current = [] if decoded.current is None else decoded.current.tolist()
    ended = zip(processes, current, strict=False)
    return frozenset(row for process, row in ended if was_too_slow(process.exitcode)) - {-1}


class _Size(NamedTuple):
    row: int
    height: int
    width: int


class _Item(NamedTuple):
    row: int
    status: str
    sha256: str | None
    measured: Measured | None
    copy: SmallCopy | None
    pixels: NDArray[np.uint8] | None


@dataclass(frozen=True)
class _Decoded(TorchDataset[_Item]):
    """What a worker process holds: only what it needs to open an image.

    Attributes:
        slow: positions of images that are not decoded, because they take too long.
        current: see `_current_rows`.
    """

    images: Images
    rows: NDArray[np.int64]
    preprocess: Preprocess
    measured: bool
    copied: Detail | None
    slow: frozenset[int]
    current: torch.Tensor | None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, position: int) -> _Item:
        row = int(self.rows[position])
        if row in self.slow:
            return _Item(row, TOO_SLOW, None, None, None, None)
        worker = get_worker_info()
        if worker is None or self.current is None or _is_users(self.images):
            return self._decode(row)
        self.current[worker.id] = row
        with ended_when_too_slow():
            return self._decode(row)

    def _decode(self, row: int) -> _Item:
        try:
            image = self.images[row]
            pixels = prepare(
                image.image,
                self.preprocess.resize,
                self.preprocess.crop,
                self.preprocess.interpolation,
            )
        except UnreadableImageError as error:
            return _Item(row, error.reason, None, None, None, None)
        copy = None if self.copied is None else small_copy(image, self.copied)
        found: Measured | None = None
        if copy is not None and copy.properties is not None:
            found = copy.properties, copy.phash
        elif self.measured:
            found = measure(image.image, image.stored)
        return _Item(row, OK, image.sha256, found, copy, pixels)


def _collate(items: Sequence[_Item]) -> tuple[Batch, list[_Size]]:
    """Joins samples to a batch, and lists the different sizes of their images.

    Where the sizes differ, the batch has no images.
    """
    pixels = [item.pixels for item in items if item.pixels is not None]
    sizes: dict[tuple[int, ...], _Size] = {}
    for item in items:
        if item.pixels is not None:
            shape = item.pixels.shape
            sizes.setdefault(shape, _Size(item.row, shape[1], shape[2]))
    if len(sizes) == 1:
        images = torch.from_numpy(np.stack(pixels))
    else:
        images = torch.empty((0, 3, 0, 0), dtype=torch.uint8, device="cpu")
    batch = Batch(
        rows=np.array([item.row for item in items], np.int64),
        status=[item.status for item in items],
        sha256=[item.sha256 for item in items],
        measured=[item.measured for item in items],
        copies=[item.copy for item in items],
        images=images,
    )
    return batch, list(sizes.values())


def different_sizes(first: tuple[str, int, int], other: tuple[str, int, int]) -> DataError:
    """The error about two images, each given as sample, height and width after preprocessing."""
    return DataError(
        f"preprocess: expected images of one size; {first[0]} becomes {first[1]} × {first[2]} pixels "
        f"and {other[0]} becomes {other[1]} × {other[2]}: set preprocess.resize and preprocess.crop"
    )


def _silence_bomb_warning(_worker: int) -> None:
    """Ignores Pillow's warning about huge images: the status of the sample reports them."""
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def _start_method() -> str:
    """How workers start: as this process has chosen, or else ``fork`` where it is the default.

    Forked workers start at once and open no device.
    """
    chosen = multiprocessing.get_start_method(allow_none=True)
    return chosen or multiprocessing.get_all_start_methods()[0]


def _is_users(images: Images) -> bool:
    """Whether code of the user opens the images."""
    while isinstance(images, ImageSubset | UnchangedImages):
        images = images.images
    return isinstance(images, UserImages)


def _reaches_workers(images: Images, method: str) -> bool:
    """Whether worker processes can open the images: with ``spawn``, these are sent to them.

    A data set from Python may hold what can't be sent, such as an open file or a function that was
    defined in a notebook; it is read in this process.
    """
    if method == "fork" or not _is_users(images):
        return True
    try:
        sent = bytes(ForkingPickler.dumps(images))
    except Exception:  # noqa: BLE001 - code of the user's data set may raise anything
        return False
    # Workers import the main module from its file; a notebook has none.
    return b"__main__" not in sent or hasattr(sys.modules["__main__"], "__file__")
