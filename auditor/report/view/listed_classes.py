"""The classes in the tables of documents that are read page by page."""

from __future__ import annotations

from collections.abc import Sequence

from auditor.records import ClassRecord

_MOST = 60
"""Rows of the table: about two pages."""


def listed_classes(classes: Sequence[ClassRecord]) -> tuple[ClassRecord, ...]:
    """All classes, or the 60 with the lowest recall if there are more, in their own order."""
    if len(classes) <= _MOST:
        return tuple(classes)
    recall = [2.0 if one.recall is None else one.recall.value or 0.0 for one in classes]
    lowest = sorted(range(len(classes)), key=lambda k: (recall[k], -classes[k].support))[:_MOST]
    return tuple(classes[k] for k in sorted(lowest))
