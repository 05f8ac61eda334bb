"""The table of a gap with other attributes held fixed."""

from __future__ import annotations

from collections.abc import Mapping

from auditor.phrasing import NOT_AVAILABLE, change, count, limits, several
from auditor.records import Estimate, HeldFixed, HeldFixedGap, HeldFixedState
from auditor.report.view.tables import TextTable

_MEANINGS: Mapping[HeldFixedState, str] = {
    "explains": "it explains the gap",
    "weakens": "it explains a part of the gap",
    "reverses": "the gap reverses",
    "remains": "the gap remains",
    "inseparable": "cannot be separated from the slice: only {} evenly divided samples are left",
    "undecided": "too few samples to decide",
}


def held_fixed_table(part: HeldFixed) -> TextTable:
    """What is left of the gap with each attribute held fixed, and with all of them."""
    rows = [(one.attribute, _gap(one.gap), _meaning(one)) for one in part.gaps]
    if part.jointly is not None:
        rows.append(
            (
                _jointly(part),
                _gap(part.jointly),
                "" if part.state is None else _MEANINGS[part.state],
            )
        )
    if part.not_mediated is not None:
        named = several([one.attribute for one in part.mediated], 6)
        rows.append((f"{named} (mediator)", _gap(part.not_mediated), "what does not go through it"))
    return TextTable("", ("Held fixed", "Remaining gap, points", "What this means"), tuple(rows))


def _jointly(part: HeldFixed) -> str:
    if not part.held:
        return "all of them and the label, by a regression"
    return f"{several(part.held, 6)}, by a regression{' on all' if len(part.held) > 1 else ''}"


def _meaning(one: HeldFixedGap) -> str:
    return _MEANINGS[one.state].format(count(one.effective_samples))


def _gap(gap: Estimate | None) -> str:
    return NOT_AVAILABLE if gap is None else f"{change(gap.value)} ({limits(gap, 'points')})"
