"""Names of files that are no valid UTF-8, as text that every document can hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pandas as pd

from auditor.console import printable
from auditor.datasets.tables import unique_ids
from auditor.records import Dataset


def with_printable_names(dataset: Dataset) -> Dataset:
    """The data set with visible escapes in ids, paths, labels and attributes, where they need them.

    Linux allows any bytes in the name of a file. Python keeps those that are no UTF-8 as lone surrogates,
    which neither Parquet nor JSON nor HTML can hold. The images are still opened by their real names.
    """
    samples = _table(dataset.samples)
    ids = [str(one) for one in samples.index]
    if not _is_text(ids):
        samples = samples.set_axis(
            pd.Index(unique_ids([printable(one) for one in ids]), name="sample")
        )
    reference = None if dataset.reference is None else _table(dataset.reference)
    classes = dataset.classes
    if classes is not None and not _is_text(classes):
        classes = tuple(printable(name) for name in classes)
    return replace(dataset, samples=samples, reference=reference, classes=classes)


def _table(table: pd.DataFrame) -> pd.DataFrame:
    changed = {
        name: column.map(_cell)
        for name, column in table.items()
        if pd.api.types.is_object_dtype(column) or pd.api.types.is_string_dtype(column)
        if not _is_text(_texts(column))
    }
    return table.assign(**{str(name): column for name, column in changed.items()})


def _texts(cells: Iterable[Any]) -> Iterable[str]:
    for cell in cells:
        if isinstance(cell, str):
            yield cell
        elif isinstance(cell, tuple | list):
            yield from (one for one in cell if isinstance(one, str))


def _cell(cell: Any) -> Any:
    if isinstance(cell, tuple | list):
        return tuple(_cell(one) for one in cell)
    return printable(cell) if isinstance(cell, str) else cell


def _is_text(texts: Iterable[str]) -> bool:
    """Whether all of them can be written in UTF-8."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return False
    return True
