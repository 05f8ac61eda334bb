"""Acceptance criteria as they are shown: one row each, with a row for each class and slice below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.phrasing import class_and_slice, plural, several
from auditor.records import CriterionResult, CriterionState

_STATES: tuple[CriterionState, ...] = ("met", "missed", "undecided")
_LISTED = 4
"""Maximum number of criteria named in the summary for each state."""


@dataclass(frozen=True)
class CriterionRow:
    """One class and slice of a criterion.

    Attributes:
        subject: the class and slice.
        state: whether it is met.
        statement: the result in a sentence or two.
    """

    subject: str
    state: CriterionState
    statement: str


@dataclass(frozen=True)
class CriterionView:
    """One acceptance criterion.

    Attributes:
        name: in a few words.
        state: met if it is met for all classes and slices, missed if it is missed for one of them.
        statement: the result; for several classes and slices, how many are met, missed and undecided.
        rows: its classes and slices, if there are several.
        configured: whether the configuration states it.
        why: the reason for the limit; empty if none is stated.
        blocking: whether it blocks the gate.
    """

    name: str
    state: CriterionState
    statement: str
    rows: tuple[CriterionRow, ...]
    configured: bool
    why: str
    blocking: bool

    @property
    def set_by(self) -> str:
        """Who set it, and whether it only informs."""
        if not self.configured:
            return "default"
        return "configuration" if self.blocking else "configuration, for information"


def criterion_views(results: Sequence[CriterionResult]) -> tuple[CriterionView, ...]:
    """Groups the results of each criterion."""
    groups: dict[tuple[str, bool], list[CriterionResult]] = {}
    for one in results:
        groups.setdefault((one.criterion or one.name, one.configured), []).append(one)
    return tuple(_view(name, group) for (name, _), group in groups.items())


def criteria_text(views: Sequence[CriterionView]) -> str:
    """How many configured criteria are met, and which are not; empty if there are none."""
    configured = [one for one in views if one.configured]
    if not configured:
        return ""
    parts = []
    for state in _STATES:
        names = [one.name for one in configured if one.state == state]
        if names:
            parts.append(f"{len(names)} {state} ({'; '.join(_several(names))})")
    return (
        f"{plural(len(configured), 'criterion', 'criteria')} fixed in advance: {', '.join(parts)}."
    )


def _several(names: Sequence[str]) -> list[str]:
    more = len(names) - _LISTED
    return [*names[:_LISTED], *([f"and {more} more"] if more > 0 else [])]


def _view(name: str, group: Sequence[CriterionResult]) -> CriterionView:
    states = [one.state for one in group]
    state: CriterionState = "undecided"
    if "missed" in states:
        state = "missed"
    elif all(one == "met" for one in states):
        state = "met"
    first = group[0]
    rows = tuple(
        CriterionRow(class_and_slice(one.class_name, one.slice), one.state, one.statement)
        for one in group
    )
    several_rows = len(group) > 1
    return CriterionView(
        name=name,
        state=state,
        statement=_counts(group) if several_rows else first.statement,
        rows=rows if several_rows else (),
        configured=first.configured,
        why=first.why or "",
        blocking=first.blocking,
    )


def _counts(group: Sequence[CriterionResult]) -> str:
    parts = []
    for state in _STATES:
        subjects = [
            class_and_slice(one.class_name, one.slice) for one in group if one.state == state
        ]
        if subjects and state != "met":
            parts.append(f"{len(subjects)} {state} ({several(subjects)})")
        elif subjects:
            parts.append(f"{len(subjects)} {state}")
    return f"Of {len(group)} comparisons: {', '.join(parts)}."
