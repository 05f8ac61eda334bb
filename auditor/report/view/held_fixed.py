"""The table of a gap with other attributes held fixed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from auditor.phrasing import NOT_AVAILABLE, change, count, limits, several
from auditor.records import Estimate, HeldFixed, HeldFixedGap, HeldFixedState
from auditor.report.view.tables import TextTable

_MEANINGS: Mapping[HeldFixedState, str] = {
    "explains": "it explains the gap",
    "weakens": "it explains a part of the gap",
    "reverses": "the gap reverses",
    "remains": "the gap remains",
    "inseparable": "cannot be separated from the slice: only {} effective samples remain",
    "undecided": "too few samples to decide",
}
_TOGETHER: Mapping[HeldFixedState, str] = {
    **_MEANINGS,
    "explains": "they explain the gap",
    "weakens": "they explain a part of the gap",
}
_LISTED = 6


def held_fixed_table(part: HeldFixed) -> TextTable:
    """The remaining gap with each attribute held fixed, with all of them, and without mediators."""
    rows = [(one.attribute, _gap(one.gap), _meaning(one)) for one in part.gaps]
    rows += [*_jointly(part), *_mediated(part)]
    return TextTable("", ("Held fixed", "Remaining gap, points", "What this means"), tuple(rows))


def _jointly(part: HeldFixed) -> Iterator[tuple[str, str, str]]:
    if part.jointly is None:
        return
    named = several(part.held, _LISTED) if part.held else "all of them and the label"
    meanings = _TOGETHER if len(part.held) > 1 else _MEANINGS
    meaning = "" if part.state is None else meanings[part.state]
    yield f"{named}, by a regression", _gap(part.jointly), meaning


def _mediated(part: HeldFixed) -> Iterator[tuple[str, str, str]]:
    if part.not_mediated is None:
        return
    names = [one.attribute for one in part.mediated]
    one = len(names) == 1
    yield (
        f"{several(names, _LISTED)}, declared {'a mediator' if one else 'mediators'}",
        _gap(part.not_mediated),
        f"this part does not go through {'it' if one else 'them'}",
    )


def _meaning(one: HeldFixedGap) -> str:
    return _MEANINGS[one.state].format(count(one.effective_samples))


def _gap(gap: Estimate | None) -> str:
    return NOT_AVAILABLE if gap is None else f"{change(gap.value)} ({limits(gap, 'points')})"
