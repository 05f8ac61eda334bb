"""What is to be explained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from auditor.records.audit_data import Cell
from auditor.records.base import Skipped
from auditor.records.explanations import Role

JobKind = Literal["failure", "contrast", "mean"]


@dataclass(frozen=True)
class Job:
    """One sample to explain.

    Attributes:
        row: its position in the evaluated samples.
        kind: a failure; a correct sample for contrast; or a sample that only mean maps need.
        targets: which class indices are explained, and in which role, each class once.
    """

    row: int
    kind: JobKind
    targets: tuple[tuple[Role, int], ...]


@dataclass(frozen=True)
class SampleSelection:
    """What the explain stage has to do.

    Attributes:
        jobs: failures first, the worst of them foremost, then contrasts, then the rest.
        cells: the mean maps; every row of theirs is in ``jobs`` with its label as a target.
        skipped: what was left out, and why.
    """

    jobs: tuple[Job, ...]
    cells: tuple[Cell, ...]
    skipped: tuple[Skipped, ...]
