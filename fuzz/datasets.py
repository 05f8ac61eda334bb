"""Everything that an audit does with a data set before it asks the model."""

from __future__ import annotations

import contextlib

import numpy as np

from auditor.attributes.typed_columns import type_attributes
from auditor.config import AuditConfig, Preprocess
from auditor.datasets.object_regions import has_regions, object_mask, usable_regions
from auditor.datasets.tasks import match_labels
from auditor.errors import UnreadableImageError, UsageError
from auditor.records import Dataset

SINGLE = AuditConfig.parse(
    {
        "name": "fuzz",
        "model": {"adapter": "torchvision", "architecture": "resnet18", "checkpoint": "x.pt"},
        "data": {"adapter": "manifest", "path": "x.csv"},
    }
)
MULTI = SINGLE.model_copy(update={"task": "multi-label"})
_CLASSES = ("cat", "dog")
_TRIED = 3
"""Samples whose images and regions are read."""


def examine(dataset: Dataset) -> None:
    """Types the attributes, matches the labels, and reads a few images and regions."""
    for config in (SINGLE, MULTI):
        for classes in (None, _CLASSES):
            with contextlib.suppress(UsageError):
                match_labels(config, dataset, classes, None)
    with contextlib.suppress(UsageError):
        type_attributes(dataset, SINGLE.data.missing, SINGLE.slices.edges)
    readable = []
    for position in range(min(_TRIED, len(dataset))):
        try:
            dataset.images[position]
        except UnreadableImageError:
            continue
        readable.append(position)
    if not has_regions(dataset):
        return
    usable, _ = usable_regions(dataset, np.array(readable, np.int64))
    for position in readable:
        try:
            object_mask(usable, position, Preprocess(resize=32, crop=32))
        except (UnreadableImageError, UsageError):
            continue
