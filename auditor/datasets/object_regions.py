"""Where the object is in an image, from boxes or masks; regions that can't be used are removed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor import imaging
from auditor.config import Preprocess
from auditor.datasets.images import FileImages
from auditor.errors import DataError, UnreadableImageError
from auditor.imaging import Box
from auditor.imaging.annotated_masks import AnnotatedMask
from auditor.phrasing import count, plural
from auditor.records import DataNote, Dataset

BOX, MASK = "box", "mask"
Mask = str | AnnotatedMask
"""The path of a mask, or a mask of an annotation file."""


def has_regions(dataset: Dataset) -> bool:
    """Whether the data has boxes or masks."""
    return not {BOX, MASK}.isdisjoint(dataset.samples)


def object_mask(dataset: Dataset, position: int, preprocess: Preprocess) -> NDArray[np.bool_]:
    """Where the object is in the network's input.

    Args:
        dataset: the samples.
        position: of the sample.
        preprocess: resize and crop of the images.

    Returns:
        (H, W), True on the object: the union of its masks, else of its boxes.

    Raises:
        DataError: a mask has another size than its image.
        UnreadableImageError: an image or mask can't be read.
    """
    width, height = _size(dataset, position)
    geometry = imaging.resize_geometry(width, height, preprocess.resize, preprocess.crop)
    paths = _masks(dataset, position)
    if paths:
        drawn = Image.fromarray(_union(paths, width, height)).convert("RGB")
        pixels = imaging.prepare(drawn, preprocess.resize, preprocess.crop, "nearest")
        return np.asarray(pixels[0] > 127, dtype=np.bool_)
    inside = np.zeros((geometry.height, geometry.width), dtype=np.bool_)
    for box in _boxes(dataset, position, width, height):
        visible = geometry.box(box)
        if visible is not None:
            left, top, right, bottom = visible
            rows = slice(round(top), max(round(bottom), round(top) + 1))
            columns = slice(round(left), max(round(right), round(left) + 1))
            inside[rows, columns] = True
    return inside


def usable_regions(
    dataset: Dataset, positions: NDArray[np.int64]
) -> tuple[Dataset, tuple[DataNote, ...]]:
    """Removes the boxes and masks that can't be used, so that only their own samples are affected.

    Args:
        dataset: the samples.
        positions: (n,) samples to examine, each once; their images can be read.

    Returns:
        The data set, where samples with an unusable region have none, and notes on the reasons.
    """
    if not has_regions(dataset):
        return dataset, ()
    with ThreadPoolExecutor() as pool:
        problems = list(pool.map(lambda row: _problem(dataset, int(row)), positions.tolist()))
    by_reason: dict[str, list[int]] = defaultdict(list)
    for row, problem in zip(positions.tolist(), problems, strict=True):
        if problem is not None:
            by_reason[problem].append(row)
    removed = [row for reason, rows in by_reason.items() if reason not in _KEPT for row in rows]
    samples = dataset.samples.copy()
    for name in {BOX, MASK} & set(samples):
        column = samples[name].astype(object)
        column.iloc[removed] = None
        samples[name] = column
    notes = tuple(
        _note(dataset, reason, rows, len(positions)) for reason, rows in by_reason.items()
    )
    return replace(dataset, samples=samples), notes


_PARTLY = "boxes that reach beyond the image; the part inside counts"
_KEPT = frozenset({_PARTLY})
"""Reasons that do not make a region unusable."""


def _note(dataset: Dataset, reason: str, rows: Sequence[int], total: int) -> DataNote:
    have = "has" if len(rows) == 1 else "have"
    text = (
        f"{count(len(rows))} of {plural(total, 'sample')} {have} {reason}, such as "
        f"{dataset.samples.index[rows[0]]}"
    )
    return DataNote(text if reason in _KEPT else f"{text}; no object is known there")


def _problem(dataset: Dataset, position: int) -> str | None:
    """What is wrong with the region of one sample; None if nothing is, or it has none."""
    try:
        width, height = _size(dataset, position)
    except UnreadableImageError:
        return None
    paths = _masks(dataset, position)
    if not paths:
        return _box_problem(_boxes(dataset, position, width, height), width, height)
    try:
        inside = _union(paths, width, height)
    except UnreadableImageError as error:
        return f"a mask that can't be read ({error.reason})"
    except DataError:
        return "a mask whose size is not that of the image"
    return None if inside.any() else "a mask that is black everywhere"


def _box_problem(boxes: Sequence[Box], width: int, height: int) -> str | None:
    if not boxes:
        return None
    overlaps = [x0 < width and y0 < height and x1 > 0 and y1 > 0 for x0, y0, x1, y1 in boxes]
    if not any(overlaps):
        return "a box outside of the image"
    beyond = [min(x0, y0) < -1 or x1 > width + 1 or y1 > height + 1 for x0, y0, x1, y1 in boxes]
    return _PARTLY if any(beyond) else None


def _size(dataset: Dataset, position: int) -> tuple[int, int]:
    """(width, height) of the upright image."""
    images = dataset.images
    if isinstance(images, FileImages):
        return imaging.image_size(images.path(position))
    return images[position].image.size


def _union(masks: Sequence[Mask], width: int, height: int) -> NDArray[np.bool_]:
    inside = np.zeros((height, width), dtype=np.bool_)
    for one in masks:
        mask = one if isinstance(one, AnnotatedMask) else imaging.open_mask(Path(one))
        if mask.shape != inside.shape:
            name = "annotation" if isinstance(one, AnnotatedMask) else one
            raise DataError(
                f"{name}: expected a mask of {width} × {height} pixels, the size of its image; got "
                f"{mask.shape[1]} × {mask.shape[0]}"
            )
        inside |= mask.draw() if isinstance(mask, AnnotatedMask) else mask
    return inside


def _masks(dataset: Dataset, position: int) -> tuple[Mask, ...]:
    cell = dataset.samples[MASK].iloc[position] if MASK in dataset.samples else None
    if isinstance(cell, str | AnnotatedMask):
        return (cell,)
    return cell if isinstance(cell, tuple) else ()


def _boxes(dataset: Dataset, position: int, width: int, height: int) -> tuple[Box, ...]:
    """The boxes of a sample in pixels."""
    cell = dataset.samples[BOX].iloc[position] if BOX in dataset.samples else None
    if not isinstance(cell, tuple) or not cell:
        return ()
    boxes = cast("tuple[Box, ...]", cell if isinstance(cell[0], tuple) else (cell,))
    if not dataset.relative_boxes:
        return boxes
    return tuple((x0 * width, y0 * height, x1 * width, y1 * height) for x0, y0, x1, y1 in boxes)
