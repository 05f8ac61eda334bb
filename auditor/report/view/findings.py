"""Findings as a report shows them: the words in order, the further evidence, the images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from auditor.records import AuditResult, Effect, Finding, Severity, SliceRecord, Verdict
from auditor.report import words
from auditor.report.view.interventions import (
    DRAWN,
    InterventionView,
    Shift,
    UnitView,
    interventions,
    shifts,
)
from auditor.report.view.sample_cards import MeanView, SampleCard, anchor

FINDING_CARDS = 6
"""Samples shown with their maps below a finding."""
FINDING_CONTRASTS = 3
"""Correct samples shown beside them."""
FURTHER = 4
"""Further pieces of evidence that stand in the text; the others fold away."""


@dataclass(frozen=True)
class TextTable:
    """A small table of texts."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class FurtherEvidence:
    """A further piece of evidence for the same finding."""

    check: str
    title: str
    severity: Severity
    verdict: Verdict
    effect: str
    q_value: float | None
    support: int


@dataclass(frozen=True)
class FindingView:
    """One finding with everything that is shown for it.

    Attributes:
        number: its place in the report, from 1.
        anchor: its address in the document.
        record: the finding as it stands in ``audit.json``.
        blocks: whether it reaches the gate's severity.
        attributes: the attributes that it concerns.
        lead: the first sentence of its statement.
        facts: what the statement adds of the finding itself, sentence by sentence.
        held: what is left of a gap with other attributes held fixed; None where none was.
        pieces: further evidence: its own check's first, then one of each other in turn, notes behind.
        proofs: regions that were swapped.
        shifts: mean maps compared.
        units: channels that carry much of the evidence.
        shots: explained samples that it names, the most telling first.
        contrasts: correct samples of the same slice.
        means: mean maps of the attributes that it concerns.
        numbers: its scalar evidence, names and values in words.
        tables: its tabular evidence by name.
        cells: slices of one of its attributes (by label where they exist), for its chart.
        limit: the effect from which on it matters, where it is stated.
    """

    number: int
    anchor: str
    record: Finding
    blocks: bool
    attributes: tuple[str, ...]
    lead: str
    facts: tuple[str, ...]
    held: TextTable | None
    pieces: tuple[FurtherEvidence, ...]
    interventions: tuple[InterventionView, ...]
    shifts: tuple[Shift, ...]
    units: tuple[UnitView, ...]
    cards: tuple[SampleCard, ...]
    contrasts: tuple[SampleCard, ...]
    means: tuple[MeanView, ...]
    numbers: tuple[tuple[str, str], ...]
    tables: tuple[tuple[str, TextTable], ...]
    cells: tuple[SliceRecord, ...]
    limit: float | None


@dataclass(frozen=True)
class Material:
    """What findings draw upon.

    Attributes:
        result: the audit.
        attributes: names of the attributes.
        failures: explained failures.
        contrasts: explained correct samples.
        means: mean maps.
        units: by finding.
        max_gap: the largest acceptable gap, where it is stated.
    """

    result: AuditResult
    attributes: tuple[str, ...]
    failures: Sequence[SampleCard]
    contrasts: Sequence[SampleCard]
    means: Sequence[MeanView]
    units: Mapping[str, tuple[UnitView, ...]]
    max_gap: float | None


def finding_view(number: int, record: Finding, blocks: bool, material: Material) -> FindingView:
    """Lays out a finding.

    Args:
        number: its place in the report, from 1.
        record: as it stands in ``audit.json``.
        blocks: whether it reaches the gate's severity.
        material: what it draws upon.
    """
    evidence = record.evidence
    named = {*record.slice.attributes, *_named(evidence)}
    cut = (name for one in material.result.slices for name in one.attributes)
    names = dict.fromkeys((*material.attributes, *cut))
    concerned = tuple(name for name in names if name in named)
    by_sample = {one.sample: one for one in (*material.contrasts, *material.failures)}
    shown = [by_sample[one] for one in record.samples if one in by_sample][:FINDING_CARDS]
    others = [one for one in material.contrasts if one not in shown]
    means = [one for one in material.means if one.attribute in concerned]
    pieces = tuple(_pieces(evidence, record.check))
    lead, *sentences = words.sentences(_own(record.statement, pieces))
    held = _held_table(evidence)
    limit = evidence.get("limit")
    if not isinstance(limit, int | float):
        limit = material.max_gap if record.check == "performance-gap" else None
    address = anchor("finding", record.id)
    claims = [record.model_dump() | dict(evidence), *evidence.get("pieces", ())]
    found = interventions(claims, address, means)
    first = {
        record.slice.label,
        *(one.label for intervention in found for one in intervention.means),
    }
    means.sort(key=lambda one: (one.label not in first, one.label, one.attribute, one.value))
    return FindingView(
        number=number,
        anchor=address,
        record=record,
        blocks=blocks,
        attributes=concerned,
        lead=lead,
        facts=tuple(one for one in sentences if held is None or not _is_of_held(one)),
        held=held,
        pieces=pieces,
        interventions=found,
        shifts=shifts(claims, address),
        units=material.units.get(record.id, ()),
        cards=tuple(shown),
        contrasts=_contrasts(record, others)[:FINDING_CONTRASTS],
        means=tuple(means),
        numbers=pairs({k: v for k, v in evidence.items() if k not in DRAWN and not _is_table(v)}),
        tables=tuple(_tables({k: v for k, v in evidence.items() if k not in DRAWN})),
        cells=_cells(material.result.slices, concerned),
        limit=None if limit is None else float(limit),
    )


def pairs(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Names and values in words."""
    return tuple((words.phrase(name), words.value(value)) for name, value in values.items())


def _own(statement: str, pieces: Iterable[FurtherEvidence]) -> str:
    """A statement without the titles that the judge appended: they stand in a list of their own."""
    ends = [statement.find(f" {one.title}.") for one in pieces if one.title]
    return statement[: min((end for end in ends if end > 0), default=len(statement))]


def _is_of_held(sentence: str) -> bool:
    """Whether the table of what was held fixed says it as well."""
    return " held fixed" in sentence or sentence.startswith("A regression on all attributes")


_HELD: Mapping[str, str] = {
    "explains": "it explains the gap",
    "weakens": "it explains a part of the gap",
    "reverses": "the gap reverses",
    "remains": "the gap remains",
    "inseparable": "can’t be told apart from it: what {} evenly divided samples are worth is left",
    "undecided": "too few samples to tell",
}


def _held_table(evidence: Mapping[str, Any]) -> TextTable | None:
    """What is left of the gap with other attributes held fixed."""
    rows = [
        (
            str(one["attribute"]),
            "–" if one["gap"] is None else _gap(one["gap"]),
            _HELD.get(one["state"], str(one["state"])).format(words.count(int(one["worth"]))),
        )
        for one in evidence.get("held_fixed") or ()
    ]
    together = evidence.get("regression")
    if rows and together is not None:
        rows.append(("all of them and the label, by a regression", _gap(together), ""))
    return (
        TextTable(("Held fixed", "Gap that is left, points", "What that says"), tuple(rows))
        if rows
        else None
    )


def _gap(gap: Mapping[str, float]) -> str:
    value, low, high = (words.points(gap[name]) for name in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def _pieces(evidence: Mapping[str, Any], own: str) -> Iterator[FurtherEvidence]:
    """Claims under a finding: its own check's next one, one of each other in turn, notes last.

    What two checks say in the same words is told once.
    """
    by_check: dict[str, list[FurtherEvidence]] = {}
    for one in evidence.get("pieces", ()):
        effect = one.get("effect")
        piece = FurtherEvidence(
            check=str(one.get("check", "")),
            title=str(one.get("title", "")),
            severity=one.get("severity", "note"),
            verdict=one.get("verdict", "observed"),
            effect="–" if effect is None else words.effect(Effect.model_validate(effect)),
            q_value=one.get("q_value"),
            support=int(one.get("support", 0)),
        )
        by_check.setdefault(piece.check, []).append(piece)
    same = by_check.pop(own, [])
    others = zip_longest(*by_check.values(), same[1:])
    told: dict[str, FurtherEvidence] = {}
    for piece in (piece for turn in (same[:1], *others) for piece in turn if piece):
        told.setdefault(piece.title, piece)
    yield from sorted(told.values(), key=lambda one: one.severity == "note")


def _cells(slices: Sequence[SliceRecord], concerned: Sequence[str]) -> tuple[SliceRecord, ...]:
    """Slices of one of these attributes within each label, or overall where there are no such."""
    mine = [
        one
        for one in slices
        if len(one.attributes) == 1 and next(iter(one.attributes)) in concerned
    ]
    return tuple([one for one in mine if one.label is not None] or mine)


def _contrasts(record: Finding, contrasts: Iterable[SampleCard]) -> tuple[SampleCard, ...]:
    """Correct samples that share the finding's attribute values, and its label where they can."""
    wanted = set(record.slice.attributes.items())
    if not wanted and record.slice.label is None:
        return ()
    same = [one for one in contrasts if wanted <= set(one.attributes)]
    of_label = [one for one in same if one.label == record.slice.label]
    return tuple(of_label or same)


def _named(evidence: Mapping[str, Any]) -> set[str]:
    """Attributes that a check names in its evidence beside those of its slice."""
    one, many = evidence.get("attribute"), evidence.get("attributes")
    return {str(one)} - {"None"} | {str(each) for each in many or () if isinstance(many, list)}


def _is_table(value: Any) -> bool:
    if isinstance(value, dict):
        return not {"value", "low", "high"} <= value.keys()
    return isinstance(value, list)


def _tables(evidence: Mapping[str, Any]) -> Iterable[tuple[str, TextTable]]:
    for name, value in evidence.items():
        if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
            columns = tuple(dict.fromkeys(str(key) for row in value for key in row))
            rows = tuple(tuple(words.value(row.get(column)) for column in columns) for row in value)
            yield words.phrase(name), TextTable(tuple(map(words.phrase, columns)), rows)
        elif isinstance(value, list) and value:
            yield words.phrase(name), TextTable(("",), ((words.value(value),),))
        elif isinstance(value, dict) and value and _is_table(value):
            yield (
                words.phrase(name),
                TextTable(("", ""), tuple((str(k), words.value(v)) for k, v in value.items())),
            )
