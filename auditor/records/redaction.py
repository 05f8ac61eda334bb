"""What was taken out of a redacted copy of a run."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from auditor.records.base import Record
from auditor.records.selection import SelectionRates


class RedactionRecord(Record):
    """A note in ``audit.json`` of a redacted copy."""

    at: datetime
    of_seal: str
    """Seal of the original, which covers all its files."""
    of_results_seal: str
    """Seal of the original's results, which never changes."""
    images: Literal["blur", "drop", "keep"]
    paths: bool
    """Whether paths were taken out."""
    ids: bool
    """Whether ids are pseudonyms."""
    n_withheld: int
    """Number of cells of sensitive attributes that are not shown."""
    selection: SelectionRates | None = None
    """The selection rates, which cannot be computed without the sensitive attributes."""
