"""Label × attribute tables of the audited or the training data, and how to balance them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from auditor.phrasing import attribute_name, condition, count, plural, quoted, several
from auditor.records import MISSING, AuditData, Contingency
from auditor.records.predictions import codes
from auditor.statistics import Floats, collection_plan

Source = Literal["audited", "reference"]

_NAMED = 4
"""Combinations of label and value that a plan names."""
_PLANNED = 2000
"""Tables with more cells get no plan, because it would be too long."""


@dataclass(frozen=True)
class ContingencyTable:
    """Number of samples with each label and each value of an attribute.

    Attributes:
        source: the audited data, or the reference (training data).
        attribute: name of the column.
        labels: (K,) class names.
        values: (V,) values, without ``(missing)``.
        counts: (K, V) samples.
    """

    source: Source
    attribute: str
    labels: tuple[str, ...]
    values: tuple[str, ...]
    counts: Floats

    @property
    def data(self) -> str:
        """The data in words."""
        return "training data" if self.source == "reference" else "audited data"

    @property
    def totals(self) -> dict[str, float]:
        """Number of samples with each value."""
        return dict(zip(self.values, self.counts.sum(0).tolist(), strict=True))

    def as_evidence(self) -> Contingency:
        """The table as evidence of a claim."""
        return Contingency(
            source=self.source,
            attribute=self.attribute,
            labels=self.labels,
            values=self.values,
            counts=tuple(tuple(int(n) for n in row) for row in self.counts),
        )

    def plan(self, limit: float) -> list[tuple[str, str, int]]:
        """Label, value and number of images to add, largest number first; empty if none are needed."""
        if self.counts.size > _PLANNED:
            return []
        added = collection_plan(self.counts, limit)
        cells = [
            (self.labels[row], self.values[column], int(added[row, column]))
            for row, column in np.argwhere(added > 0)
        ]
        return sorted(cells, key=lambda cell: -cell[2])

    def plan_in_words(self, limit: float) -> str:
        """The images to collect, in two sentences; empty if none are needed."""
        cells = self.plan(limit)
        if not cells:
            return ""
        named = [
            f"{count(n)} {quoted(label)} with {condition(self.attribute, value)}"
            for label, value, n in cells[:_NAMED]
        ]
        if len(cells) > _NAMED:
            combinations = plural(len(cells) - _NAMED, "other combination")
            named.append(f"{count(sum(n for *_, n in cells[_NAMED:]))} of {combinations}")
        listed = several(named, len(named))
        images = plural(sum(n for _, _, n in cells), "more image")
        return (
            f"Collect {images} for the {self.data}: {listed}. That lowers the association of "
            f"{attribute_name(self.attribute)} and label there to {limit:g} (Cramér's V)."
        )


def tables(audit: AuditData) -> Iterator[ContingencyTable]:
    """For every attribute, the tables of the reference (if it has the column) and of the audited data."""
    for name in audit.attributes:
        for source in ("reference", "audited"):
            table = table_of(audit, name, source)
            if table is not None:
                yield table


def table_of(audit: AuditData, attribute: str, source: Source) -> ContingencyTable | None:
    """One table; None if the data has no such column."""
    frame = audit.predictions if source == "audited" else audit.reference
    if frame is None or attribute not in frame:
        return None
    column = frame[attribute]
    n_labels, n_values = len(audit.classes), len(column.cat.categories)
    cells = codes(frame["label"]) * n_values + codes(column)
    counts = np.bincount(cells, minlength=n_labels * n_values)
    categories = [str(value) for value in column.cat.categories]
    kept = [k for k, value in enumerate(categories) if value != MISSING]
    return ContingencyTable(
        source=source,
        attribute=attribute,
        labels=audit.classes,
        values=tuple(categories[k] for k in kept),
        counts=counts.reshape(n_labels, n_values)[:, kept].astype(np.float64),
    )
