"""Reads what a run folder stores about the previous audit.

`auditor.comparison.previous` writes it, from ``report.previous`` or ``auditor render RUN --previous``.
Documents are rendered from this file alone.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from auditor.errors import DataError
from auditor.manifest import PREVIOUS
from auditor.records.expectations import first_fault
from auditor.records.previous_audit import PreviousAudit
from auditor.run_files import read_regular


def read_previous(folder: Path) -> PreviousAudit | None:
    """What a run stores about the previous audit; None if it stores nothing.

    Raises:
        DataError: the file is damaged.
    """
    path = folder / PREVIOUS
    try:
        return PreviousAudit.model_validate_json(read_regular(path))
    except FileNotFoundError:
        return None
    except (ValidationError, OSError) as error:
        reason = first_fault(error) if isinstance(error, ValidationError) else error.strerror
        raise DataError(
            f"{path}: expected what `auditor render --previous` wrote; {reason}: write it again"
        ) from error
