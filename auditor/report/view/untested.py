"""Slices that were too small to test, as the rows of a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from auditor.phrasing import count, points, slice_name
from auditor.records import AttributeRecord, SliceRecord
from auditor.records.attributes import MOSTLY_UNTESTED


@dataclass(frozen=True)
class UntestedRow:
    """One slice, or all bands of an attribute.

    Attributes:
        name: of the slice.
        samples: number of samples, as text.
        gap: the gap that could not have been detected, as text.
    """

    name: str
    samples: str
    gap: str


def untested_rows(
    slices: Iterable[SliceRecord], attributes: Iterable[AttributeRecord]
) -> tuple[UntestedRow, ...]:
    """The slices that were not tested; numeric attributes that are mostly untested have one row.

    Args:
        slices: all slices of the audit.
        attributes: the attributes with their types.
    """
    listed = list(slices)
    numeric = [one.name for one in attributes if one.type == "numeric"]
    merged = {name: row for name in numeric if (row := _whole_attribute(name, listed)) is not None}
    return tuple(_rows(listed, merged))


def _rows(slices: list[SliceRecord], merged: dict[str, UntestedRow]) -> Iterator[UntestedRow]:
    yield from merged.values()
    for one in slices:
        if one.gap is not None or (len(one.attributes) == 1 and set(one.attributes) <= set(merged)):
            continue
        gap = "any" if one.detectable_gap is None else f"under {points(one.detectable_gap)}"
        yield UntestedRow(slice_name(one), count(one.support), gap)


def _whole_attribute(name: str, slices: list[SliceRecord]) -> UntestedRow | None:
    """The row of an attribute most of whose bands were not tested; None if enough were."""
    own = [one for one in slices if set(one.attributes) == {name} and not one.tail]
    bands = [one for one in own if one.label is None]
    untested = [one for one in bands if one.gap is None]
    if len(untested) < 2 or len(untested) < MOSTLY_UNTESTED * len(bands):
        return None
    sizes = [one.support for one in untested]
    within = any(one.label is not None and one.gap is None for one in own)
    return UntestedRow(
        f"{name}: {len(untested)} of {len(bands)} bands"
        + (", and bands within labels" if within else ""),
        f"{count(min(sizes))}–{count(max(sizes))} each",
        "any",
    )
