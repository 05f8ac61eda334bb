"""Columns that probably identify a patient, a video or another cluster of samples."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from auditor.attributes.cells import stored_cells
from auditor.phrasing import count, plural
from auditor.records import DataNote, Dataset

_NAME = re.compile(
    r"(patient|subject|person|participant|individual|animal|video|sequence|slide|specimen|lesion|case"
    r"|study|exam(ination)?|session|scene|burst|plot)s?[ _.-]?(id|no|nr|num|number|name|key|code|uid)?",
    re.IGNORECASE,
)
"""Names of columns that usually say which images belong together."""
_MIN_CLUSTERS = 5
_MIN_REPEATED = 3


def cluster_hints(dataset: Dataset) -> Iterator[DataNote]:
    """Notes on attributes by which samples may belong together, for data without a group.

    Args:
        dataset: its attribute columns hold numbers or text.
    """
    if dataset.group is not None:
        return
    for name in dataset.attributes:
        cells = stored_cells(dataset.samples[name])
        hint = cluster_hint(name, list(cells.counts.values()), is_text=cells.numbers is None)
        if hint is not None:
            yield hint


def cluster_hint(name: str, sizes: list[int], *, is_text: bool) -> DataNote | None:
    """A note if the values of a column may be clusters of samples; else None.

    They may be if the name says so, or if a text has almost one value per sample and several of the
    values repeat: measurements and categories do not look like this.

    Args:
        name: of the column.
        sizes: number of samples with each value.
        is_text: whether the values are text.
    """
    n_values, n_samples = len(sizes), sum(sizes)
    repeated = int((np.array(sizes) > 1).sum())
    if n_values < _MIN_CLUSTERS or n_values == n_samples:
        return None
    almost_unique = is_text and n_values > n_samples // 2 and repeated >= _MIN_REPEATED
    if not almost_unique and _NAME.fullmatch(name) is None:
        return None
    return DataNote(
        f"{name}: {count(n_values)} values for {plural(n_samples, 'sample')}, up to "
        f"{count(max(sizes))} samples with the same one; samples were taken to be independent of each "
        f"other: if those with the same {name} belong together, set `data: {{group: {name}}}`"
    )
