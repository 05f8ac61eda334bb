"""Whether two folders with blocks belong to the same audit; needs no torch."""

from __future__ import annotations

from pathlib import Path

from auditor.errors import DataError
from auditor.resume_state import Hashes, ResumeState, changed_rows, changes

State = tuple[ResumeState, Hashes]
"""What an audit depends on, and the hashes of its samples."""


def require_same_audit(folder: Path, found: State | None, expected: State, what: str = "") -> None:
    """Makes sure that the blocks in a folder are of an audit.

    Args:
        folder: with the blocks.
        found: its state; None where its file is missing or damaged.
        expected: of the audit.
        what: where that state comes from, such as another folder; empty: the present configuration.

    Raises:
        DataError: something differs; the message lists it.
    """
    if found is None:
        raise DataError(
            f"{folder}: expected the state of an audit in resume.parquet; it is missing or damaged: "
            "compute it again"
        )
    names = (f"number {k}" for k in range(1, len(found[1]) + 1))
    different = [*changes(expected[0], found[0]), *changed_rows(expected[1], found[1], names)]
    if different:
        raise DataError(
            f"{folder}: expected the same audit as {what or 'the configuration describes'}; in it, "
            f"{'; '.join(different)}: compute it again with the same configuration, model, data and versions"
        )
