"""Claims, tests and criteria without the numbers of withheld cells."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import TypeVar

from auditor.disclosure.cells import cell_of, touches
from auditor.disclosure.evidence import evidence
from auditor.disclosure.texts import Wording
from auditor.records import (
    ClaimRecord,
    Contingency,
    CriterionResult,
    Curve,
    Finding,
    OutcomeReason,
    SliceKey,
    TestedRecord,
    ValueSpread,
)

Record = TypeVar("Record", bound=ClaimRecord)

ACTION = "Ask the team that ran the audit: its predictions contain the attribute."
"""What to do about a withheld finding."""
NO_SAMPLES = (
    "It shows no single sample, because it is about an attribute that is marked as sensitive."
)
"""Addition to the limits of a finding whose samples are not named."""


def claim(one: Record, wording: Wording) -> Record:
    """A claim or finding as it may be shown: severity and verdict always, numbers where they may be."""
    about = _about_claim(one, wording)
    changes: dict[str, object] = {}
    limits = wording.text(one.limits, about)
    if isinstance(one, Finding):
        changes["supporting"] = [claim(each, wording) for each in one.supporting]
        if about and one.samples:
            changes["samples"] = []  # that they are in the slice tells their value
            limits = f"{limits} {NO_SAMPLES}".strip()
    if _is_withheld(one.slice, one.support, wording):
        return one.model_copy(
            update=changes
            | {
                "title": wording.title(one.slice),
                "slice": wording.key(one.slice),
                "effect": None,
                "graded_by": None,
                "p_value": None,
                "q_value": None,
                "support": 0,
                "statement": [wording.note],
                "action": ACTION,
                "limits": limits,
                "evidence": [],
            }
        )
    parts = (evidence(part, wording, about) for part in one.evidence)
    title = one.title if wording.allows(one.title, about) else wording.title(one.slice)
    return one.model_copy(
        update=changes
        | {
            "title": title,
            "statement": wording.sentences(one.statement, about),
            "action": wording.text(one.action, about),
            "limits": limits,
            "evidence": [part for part in parts if part is not None],
        }
    )


def tested(one: TestedRecord, wording: Wording) -> TestedRecord | None:
    """A tested hypothesis; None if its slice is withheld."""
    about = _about(one.slice, wording)
    if _is_withheld(one.slice, one.support, wording) or not wording.allows(one.title, about):
        return None
    if not about or one.intervention is None:
        return one
    return one.model_copy(
        update={"intervention": one.intervention.model_copy(update={"examples": ()})}
    )


def criterion(one: CriterionResult, wording: Wording) -> CriterionResult:
    """A criterion: its state always, its numbers where they may be shown."""
    within = one.slice.model_copy(update={"label": one.slice.label or one.class_name})
    if not (
        _is_withheld(one.slice, one.support, wording) or _is_withheld(within, one.support, wording)
    ):
        about = _about(one.slice, wording)
        return one.model_copy(update={"statement": wording.text(one.statement, about)})
    return one.model_copy(
        update={
            "name": f"{one.metric} of {wording.title(one.slice)[0].lower()}{wording.title(one.slice)[1:]}",
            "criterion": wording.text(one.criterion, wording.named(one.criterion)),
            "slice": wording.key(one.slice),
            "estimate": None,
            "p_value": None,
            "support": 0,
            "statement": wording.note,
            "missing_samples": None,
            "missing_clusters": None,
        }
    )


def reason(one: OutcomeReason, titles: Mapping[str, str], wording: Wording) -> OutcomeReason:
    """A reason of the outcome.

    Args:
        one: as it stands in ``audit.json``.
        titles: what to say of findings and criteria, by their ids.
        wording: what may be said.
    """
    if wording.allows(one.text, wording.named(one.text)):
        return one
    text = titles.get(one.reference or "", wording.note)
    return one.model_copy(update={"text": text, "missing_samples": None, "missing_clusters": None})


def _about(key: SliceKey, wording: Wording) -> tuple[str, ...]:
    """The sensitive attributes that define a slice."""
    return tuple(name for name in key.attributes if name in wording.sensitive)


def _about_claim(one: ClaimRecord, wording: Wording) -> tuple[str, ...]:
    """The sensitive attributes that a claim is about."""
    found = {*_about(one.slice, wording), *wording.named(one.title)}
    for part in one.evidence:
        if isinstance(part, Contingency | ValueSpread):
            found.add(part.attribute)
        elif isinstance(part, Curve):
            found.add(part.x_name)
    return tuple(name for name in wording.sensitive if name in found)


def _is_withheld(key: SliceKey, support: int, wording: Wording) -> bool:
    cell = cell_of(key)
    if not touches(cell, wording.sensitive):
        return False
    if support < wording.least or cell in wording.withheld:
        return True
    # Or it lies within a withheld slice.
    return any(
        frozenset(parts) in wording.withheld
        for n in range(1, len(cell))
        for parts in combinations(cell, n)
    )
