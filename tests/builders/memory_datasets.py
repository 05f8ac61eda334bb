"""Data sets in memory, from images with their labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from auditor.datasets.user_samples import UserImages
from auditor.records import Dataset


def in_memory(samples: Sequence[tuple[Any, str]]) -> Dataset:
    """A data set of (image, label) pairs without attributes."""
    ids = pd.Index([f"{k:06d}" for k in range(len(samples))], name="sample")
    table = pd.DataFrame({"path": ids, "label": [label for _, label in samples]}, index=ids)
    return Dataset(table, UserImages(samples), (), "in memory")
