"""The key ``segmentation`` of COCO's annotations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from auditor.imaging.annotated_masks import AnnotatedMask, decode_runs

_FARTHEST = 1e9
"""Pixels from the corner of an image: farther corners, and those that are no number, are no outline."""


def mask_of(
    annotation: Mapping[str, Any],
    size: tuple[int, int],
    part: tuple[int, int, int, int] | None,
) -> AnnotatedMask | None:
    """The mask of an annotation.

    Args:
        annotation: with a key ``segmentation``: polygons, or run lengths, which may be compressed.
        size: annotated width and height of the image; 0 where they are not known.
        part: of the image that the sample shows.

    Returns:
        None where there is none, or its form is not known: the box stands in for it.
    """
    width, height = size
    given = annotation.get("segmentation")
    if isinstance(given, list) and width:
        polygons = tuple(tuple(map(float, one)) for one in given if _is_polygon(one))
        return AnnotatedMask(width, height, polygons=polygons, part=part) if polygons else None
    if isinstance(given, Mapping):
        runs = _runs(given.get("counts"))
        if runs and width and given.get("size") == [height, width] and sum(runs) == width * height:
            return AnnotatedMask(width, height, runs=tuple(runs), part=part)
    return None


def _is_polygon(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) >= 6
        and len(value) % 2 == 0
        and all(isinstance(one, int | float) and abs(one) <= _FARTHEST for one in value)
    )


def _runs(counts: object) -> Sequence[int]:
    """Run lengths, none of them negative; empty if they can't be read."""
    if isinstance(counts, str):
        try:
            counts = decode_runs(counts)
        except ValueError:
            return ()
    valid = isinstance(counts, list) and all(isinstance(one, int) and one >= 0 for one in counts)
    return counts if valid else ()  # type: ignore[return-value]
