"""The failures on a plane, with the slices of findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from auditor.phrasing import count, percent, plural, quoted, slice_name
from auditor.records import AuditResult, EmbeddedFailure
from auditor.records.predictions import PREDICTED, SAMPLE
from auditor.report.view.marks import Marks

_CLASSES = 3
"""Predicted classes that are shown where no finding is about a slice."""
Point = tuple[float, float]


@dataclass(frozen=True)
class PlaneGroup:
    """Failures with the same sign on the map.

    Attributes:
        name: of the slice or the predicted class; empty for all others.
        marked: whether charts and tables mark the slice.
        points: places.
    """

    name: str
    marked: bool
    points: tuple[Point, ...]


@dataclass(frozen=True)
class FailurePlane:
    """The map of the failures.

    Attributes:
        groups: those with a name first, in the order of the findings.
        method: how the map was made, in a sentence.
    """

    groups: tuple[PlaneGroup, ...]
    method: str


def failure_plane(
    result: AuditResult, evaluated: pd.DataFrame, marks: Marks
) -> FailurePlane | None:
    """The map of the failures; None where the audit made none.

    Args:
        result: the audit.
        evaluated: the evaluated samples.
        marks: what charts and tables mark.
    """
    record = result.explanations.failure_map
    if record is None:
        return None
    if record.slices:
        names = [slice_name(one) for one in record.slices]
        marked = [
            one.predicted is None and marks.slice(one.attributes, one.label)
            for one in record.slices
        ]
        places = [one.slice for one in record.points]
    else:
        names, places = _predicted(record.points, evaluated)
        marked = [False] * len(names)
    shown = len(record.points)
    drawn = (
        ""
        if shown == record.n_failures
        else f" {count(shown)} of them, drawn at random, are shown."
    )
    return FailurePlane(
        groups=tuple(_groups(record.points, names, marked, places)),
        method=f"The {plural(record.n_failures, 'failure')} by the features that the network has of them at "
        f"its target layer, on their first two principal components (PCA), which carry "
        f"{percent(record.explained)} of the variance.{drawn} Failures close to each other look alike to "
        "the network. The axes have no unit.",
    )


def _predicted(
    points: Sequence[EmbeddedFailure], evaluated: pd.DataFrame
) -> tuple[list[str], list[int | None]]:
    """The most frequent predicted classes, and which of them each failure has."""
    wanted = {one.sample for one in points}
    table = evaluated[evaluated[SAMPLE].astype(str).isin(wanted)]
    of_sample = dict(zip(table[SAMPLE].astype(str), table[PREDICTED].astype(str), strict=True))
    classes = [of_sample.get(one.sample, "") for one in points]
    most = [name for name, _ in Counter(classes).most_common(_CLASSES) if name]
    return [f"predicted {quoted(one)}" for one in most], [
        most.index(one) if one in most else None for one in classes
    ]


def _groups(
    points: Sequence[EmbeddedFailure],
    names: Sequence[str],
    marked: Sequence[bool],
    places: Sequence[int | None],
) -> Iterator[PlaneGroup]:
    for place, (name, mark) in enumerate(zip(names, marked, strict=True)):
        yield PlaneGroup(name, mark, _points(points, places, place))
    others = _points(points, places, None)
    if others:
        yield PlaneGroup("", marked=False, points=others)


def _points(
    points: Sequence[EmbeddedFailure], places: Sequence[int | None], place: int | None
) -> tuple[Point, ...]:
    return tuple((one.x, one.y) for one, of in zip(points, places, strict=True) if of == place)
