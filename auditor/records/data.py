"""Labelled images as a data set adapter hands them over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from auditor.errors import UnreadableImageError
from auditor.records.attributes import StatedType

MISSING = "(missing)"
"""Attribute value of the samples that have none: a slice of its own, not dropped rows."""


@dataclass(frozen=True)
class DecodedImage:
    """One decoded image.

    Attributes:
        image: upright, in RGB, 8 bit.
        sha256: fingerprint of its bytes as stored (of its pixels where it is not a file).
        stored: what its file says of its making: ``jpeg_quality``, ``camera``.
    """

    image: Image.Image
    sha256: str
    stored: Mapping[str, str | float] = field(default_factory=dict)


class Images(Protocol):
    """Random access to the images of a data set; picklable, so that workers can decode."""

    def __len__(self) -> int:
        """How many images."""
        ...

    def __getitem__(self, index: int) -> DecodedImage:
        """Decodes the image at that position.

        Raises:
            UnreadableImageError: it can't be decoded; carries the reason.
        """
        ...


@dataclass(frozen=True)
class ImageSubset:
    """Some of the images of a data set.

    Attributes:
        images: all images.
        positions: (n,) which of them, int64.
    """

    images: Images
    positions: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, index: int) -> DecodedImage:
        return self.images[int(self.positions[index])]


@dataclass(frozen=True)
class UnchangedImages:
    """The images of a data set as they were when they were predicted.

    An image that was exchanged since is as good as lost: its maps would explain a prediction that was made on
    another image.

    Attributes:
        images: all images, read from where they are stored.
        rows: (N,) row of each image in ``sha256``, int64; -1: it was not evaluated.
        sha256: fingerprints, as an Arrow array: worker processes share it.
    """

    images: Images
    rows: NDArray[np.int64]
    sha256: pa.StringArray

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> DecodedImage:
        """Decodes the image at that position.

        Raises:
            UnreadableImageError: it can't be decoded, or was changed.
        """
        found, row = self.images[index], int(self.rows[index])
        if row >= 0 and found.sha256 != self.sha256[row].as_py():
            raise UnreadableImageError("changed", "it is not the image that was predicted")
        return found


@dataclass(frozen=True)
class DataNote:
    """What was left out, or assumed, when the data was read.

    Attributes:
        text: a sentence without a final full stop.
        n_left_out: number of files, folders or rows that became no sample for this reason; 0 if the
            note is about something else.
    """

    text: str
    n_left_out: int = 0


@dataclass(frozen=True)
class Dataset:
    """Labelled images with attributes.

    Attributes:
        samples: one row per sample, in reading order; the index is the sample id (str, unique). Has
            the columns ``path`` (str, as shown in the report), ``label`` (as in the data: a name or
            an index) and one column per attribute, with its cells as they were read. Where boxes or
            masks exist, ``box`` (``(x0, y0, x1, y1)`` in pixels of the upright image, or a tuple of
            such boxes) or ``mask`` (path, `AnnotatedMask`, or a tuple of these). Where a group is named,
            ``data.group``: the cluster of each sample as text, NA where it is unknown. Where a weight
            is named, ``data.weight``: float64, at least 0.
        images: the images, in the order of ``samples``.
        attributes: names of the attribute columns.
        classes: the data's own class names in the order of their indices, where it has them.
        reference: the training data's labels and attributes in the same columns, or None.
        adapter: name of the plug-in that made it.
        reference_images: the training data's images, in the order of ``reference``; None where
            they are not available.
        group: name of the column with the cluster of each sample, such as ``patient``; None where
            samples are taken to be independent.
        stated_types: types of attributes by name; those of all others are guessed.
        weight: name of the column with the weight of each sample in the target population; None
            where there is none.
        notes: what was left out or assumed; `auditor check` and the report list it.
        relative_boxes: whether the boxes are shares of the image's width and height.
        code: SHA-256 of each module of the user's code that made it, by the module's name.
    """

    samples: pd.DataFrame
    images: Images
    attributes: tuple[str, ...]
    adapter: str
    classes: tuple[str, ...] | None = None
    reference: pd.DataFrame | None = None
    reference_images: Images | None = None
    group: str | None = None
    stated_types: Mapping[str, StatedType] = field(default_factory=dict)
    weight: str | None = None
    notes: tuple[DataNote, ...] = ()
    relative_boxes: bool = False
    code: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.samples)
