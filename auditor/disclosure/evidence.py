"""Evidence of claims without small cells of sensitive attributes, and without single samples of these."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from auditor.disclosure.cells import Cell
from auditor.disclosure.texts import Wording, has_word
from auditor.records import (
    Contingency,
    Curve,
    HeldFixed,
    Intervention,
    Quantities,
    SampleGroups,
    Table,
    ValueSpread,
)
from auditor.records.evidence import EvidencePart


def evidence(part: EvidencePart, wording: Wording, about: tuple[str, ...]) -> EvidencePart | None:
    """A part of the evidence as it may be shown; None if nothing of it may.

    Args:
        part: as it stands in ``audit.json``.
        wording: what may be said.
        about: sensitive attributes that define the slice of the claim.
    """
    rule = _RULES.get(type(part))
    return part if rule is None else rule(part, wording, about)


def curve(part: Curve, wording: Wording) -> Curve | None:
    """A curve without withheld points; None if fewer than two remain.

    Of a sensitive attribute, it is shown only if its points are slices: the samples between an edge of
    another band and one of a slice would be the difference of two counts. The smooth curve is left out,
    because its ends are numbers of single samples.
    """
    if part.x_name not in wording.sensitive:
        return part
    if not all(_is_slice(part.x_name, one.name, one.support, wording) for one in part.points):
        return None
    kept = tuple(
        one
        for one in part.points
        if one.support >= wording.least and not _is_withheld(part.x_name, one.name, wording)
    )
    if len(kept) < 2:
        return None
    return part.model_copy(update={"points": kept, "smooth": ()})


def _is_withheld(attribute: str, value: str, wording: Wording) -> bool:
    cell: Cell = frozenset({(attribute, value)})
    return cell in wording.withheld


def foreign_bands(curves: Iterable[Curve], wording: Wording) -> frozenset[tuple[str, str]]:
    """The bands of sensitive attributes that are not slices: attribute and name of each."""
    return frozenset(
        (part.x_name, one.name)
        for part in curves
        if part.x_name in wording.sensitive
        for one in part.points
        if not _is_slice(part.x_name, one.name, one.support, wording)
    )


def _is_slice(attribute: str, value: str, support: int, wording: Wording) -> bool:
    """Whether a value of an attribute is one of its slices, with the same samples."""
    return wording.counts.get(frozenset({(attribute, value)})) == support


def _curve(part: Curve, wording: Wording, _about: tuple[str, ...]) -> Curve | None:
    return curve(part, wording)


def _spread(part: ValueSpread, wording: Wording, _about: tuple[str, ...]) -> ValueSpread | None:
    if part.attribute not in wording.sensitive:
        return part
    if not all(_is_slice(part.attribute, one.value, one.support, wording) for one in part.values):
        return None
    hidden = {
        one.value
        for one in part.values
        if one.support < wording.least or _is_withheld(part.attribute, one.value, wording)
    }
    if not hidden:
        return part
    kept = tuple(one for one in part.values if one.value not in hidden)
    named = {*part.furthest_apart, *(one.compared_with for one in kept)}
    if len(kept) < 2 or named & hidden:
        return None
    return part.model_copy(update={"values": kept})


def _contingency(
    part: Contingency, wording: Wording, _about: tuple[str, ...]
) -> Contingency | None:
    if part.attribute not in wording.sensitive:
        return part
    small = any(n < wording.least for row in part.counts for n in row)
    hidden = any(_is_withheld(part.attribute, one, wording) for one in part.values)
    totals = [sum(column) for column in zip(*part.counts, strict=True)]
    foreign = part.source == "audited" and not all(
        _is_slice(part.attribute, value, total, wording)
        for value, total in zip(part.values, totals, strict=True)
    )
    return None if small or hidden or foreign else part


def _table(part: Table, wording: Wording, about: tuple[str, ...]) -> Table | None:
    named = tuple(
        one
        for one in wording.sensitive
        if one in about
        or any(has_word(text, one) for text in _texts(part))
        or any(has_word(text, wording.names.of_attribute(one)) for text in _texts(part))
    )
    if not named:
        return part
    units = part.units or (None,) * len(part.columns)
    counts = [place for place, unit in enumerate(units) if unit == "count"]
    rows = tuple(
        row
        for row in part.rows
        if wording.allows(" · ".join(str(cell) for cell in row if isinstance(cell, str)), named)
        and all(_is_large(row[place], wording.least) for place in counts)
    )
    # A single missing row could be computed from the others.
    if len(part.rows) - len(rows) == 1 or not rows:
        return None
    return part.model_copy(update={"rows": rows})


def _texts(part: Table) -> Iterator[str]:
    yield from (part.title, *part.columns)
    yield from (cell for row in part.rows for cell in row if isinstance(cell, str))


def _is_large(cell: Any, least: int) -> bool:
    return not isinstance(cell, int | float) or cell >= least


def _quantities(part: Quantities, wording: Wording, about: tuple[str, ...]) -> Quantities | None:
    items = tuple(
        one
        for one in part.items
        if wording.allows(one.name, about)
        and not (about and one.unit == "count" and not _is_large(one.value, wording.least))
    )
    return part.model_copy(update={"items": items}) if items else None


def _held_fixed(part: HeldFixed, wording: Wording, about: tuple[str, ...]) -> HeldFixed:
    return part.model_copy(update={"sentences": tuple(wording.sentences(part.sentences, about))})


def _intervention(part: Intervention, _wording: Wording, about: tuple[str, ...]) -> Intervention:
    """Examples are single samples, whose values their slice would reveal."""
    return part.model_copy(update={"examples": ()}) if about else part


def _groups(part: SampleGroups, _wording: Wording, about: tuple[str, ...]) -> SampleGroups | None:
    return None if about else part


_RULES: dict[type[Any], Callable[[Any, Wording, tuple[str, ...]], Any]] = {
    Contingency: _contingency,
    Curve: _curve,
    HeldFixed: _held_fixed,
    Intervention: _intervention,
    Quantities: _quantities,
    SampleGroups: _groups,
    Table: _table,
    ValueSpread: _spread,
}
