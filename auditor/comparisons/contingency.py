"""Label × attribute tables of the audited data or the reference, and what would even them out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from auditor.phrasing import several
from auditor.records import MISSING, AuditData
from auditor.statistics import Floats, collection_plan

_PLANNED = 2000
"""Tables with more cells get no plan: it would be no list that a person can work through."""


@dataclass(frozen=True)
class ContingencyTable:
    """How many samples have which label and which value of an attribute.

    Attributes:
        source: ``"reference"`` or ``"audited"``.
        attribute: name of the column.
        labels: (K,) class names.
        values: (V,) values, without ``(missing)``.
        counts: (K, V) samples.
    """

    source: str
    attribute: str
    labels: tuple[str, ...]
    values: tuple[str, ...]
    counts: Floats

    @property
    def data(self) -> str:
        """The data in words."""
        return "training data" if self.source == "reference" else "audited data"

    def plan(self, limit: float) -> list[tuple[str, str, int]]:
        """Label, value and number of the images to add, most first; empty where none is needed."""
        if self.counts.size > _PLANNED:
            return []
        added = collection_plan(self.counts, limit)
        cells = [
            (self.labels[row], self.values[column], int(added[row, column]))
            for row, column in np.argwhere(added > 0)
        ]
        return sorted(cells, key=lambda cell: -cell[2])

    def plan_in_words(self, limit: float) -> str | None:
        """What to collect, as a sentence; None where nothing is needed."""
        cells = self.plan(limit)
        if not cells:
            return None
        listed = several(
            [f"{n} more {label} with {self.attribute} = {value}" for label, value, n in cells], 4
        )
        return (
            f"To bring the association of {self.attribute} and label in the {self.data} to "
            f"{limit:g}, collect {sum(n for _, _, n in cells)} images: {listed}."
        )


def tables(audit: AuditData) -> Iterator[ContingencyTable]:
    """The tables of every attribute, of the reference (where it has the column) and the audit."""
    for name in audit.attributes:
        reference = table_of(audit, name, "reference")
        if reference is not None:
            yield reference
        audited = table_of(audit, name, "audited")
        if audited is not None:
            yield audited


def table_of(audit: AuditData, attribute: str, source: str) -> ContingencyTable | None:
    """One table; None where the data is not there."""
    frame = audit.predictions if source == "audited" else audit.reference
    if frame is None or attribute not in frame:
        return None
    column = frame[attribute].cat
    n_labels, n_values = len(audit.classes), len(column.categories)
    label = frame["label"].cat.codes.to_numpy(dtype=np.int64)
    value = column.codes.to_numpy(dtype=np.int64)
    counts = np.bincount(label * n_values + value, minlength=n_labels * n_values)
    categories = [str(value) for value in column.categories]
    kept = [k for k, value in enumerate(categories) if value != MISSING]
    return ContingencyTable(
        source=source,
        attribute=attribute,
        labels=audit.classes,
        values=tuple(categories[k] for k in kept),
        counts=counts.reshape(n_labels, n_values)[:, kept].astype(np.float64),
    )
