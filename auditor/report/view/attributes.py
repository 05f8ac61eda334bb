"""The table of the attributes with their types."""

from __future__ import annotations

from collections.abc import Sequence

from auditor.phrasing import count, plural
from auditor.records import OTHER_VALUES, AttributeRecord
from auditor.report.view.tables import TextTable


def attribute_table(records: Sequence[AttributeRecord]) -> TextTable | None:
    """Type, values and slices of each attribute; None if nothing was recorded."""
    if not records:
        return None
    rows = (
        (
            one.name,
            one.type,
            f"guessed: {one.reason}" if one.guessed else "stated",
            count(one.n_values),
            count(one.n_missing),
            _slices(one),
        )
        for one in records
    )
    columns = ("Attribute", "Type", "Why", "Values", "Missing", "Slices")
    return TextTable("Types of the attributes", columns, tuple(rows))


def _slices(one: AttributeRecord) -> str:
    if one.left_out is not None:
        return f"none: {one.left_out}"
    if one.edges is not None:
        edges = ", ".join(f"{edge:g}" for edge in one.edges)
        return f"bands with {plural(len(one.edges), 'edge')}: {edges}"
    if one.n_pooled:
        return f"{one.n_values - one.n_pooled} values, and {count(one.n_pooled)} in {OTHER_VALUES}"
    return "each value"
