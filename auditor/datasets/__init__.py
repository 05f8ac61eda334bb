"""Data sets: samples, labels and attributes. One adapter per file.

An adapter is an options model that is registered as ``@plugin("dataset", name)`` and has ``open()``.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from auditor.records import Dataset


@runtime_checkable
class DatasetAdapter(Protocol):
    """Interface of a data set plug-in."""

    def open(self) -> Dataset:
        """Lists the samples without decoding any image.

        Raises:
            DataError: a file or column is missing, or there are no samples.
        """
        ...
