"""Data sets: samples, labels, attributes. One adapter a file.

An adapter is an options model registered as ``@plugin("dataset", name)`` that can ``open()``.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from auditor.records import Dataset


@runtime_checkable
class DatasetAdapter(Protocol):
    """What a data set plug-in does."""

    def open(self) -> Dataset:
        """Reads the list of samples; no image is decoded yet.

        Raises:
            DataError: a file or column is missing, or there are no samples.
        """
        ...
