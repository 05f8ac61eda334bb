"""Findings as a report shows them: texts in order, evidence by its type, images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from auditor.records import (
    SEVERITIES,
    AuditResult,
    ClaimRecord,
    Contingency,
    Finding,
    HeldFixed,
    Severity,
    SliceRecord,
    ValueSpread,
)
from auditor.report.view.curves import CurveView, curves
from auditor.report.view.details import details
from auditor.report.view.held_fixed import held_fixed_table
from auditor.report.view.image_differences import ImageDifferenceView, image_differences
from auditor.report.view.interventions import InterventionView, interventions
from auditor.report.view.map_shifts import MapShiftView, map_shifts
from auditor.report.view.marks import Marks
from auditor.report.view.sample_cards import MeanView, SampleCard, anchor
from auditor.report.view.sample_groups import MatchedImages, SampleGroupsView, sample_groups
from auditor.report.view.supporting import SupportingClaimView, supporting_claims
from auditor.report.view.tables import TextTable
from auditor.report.view.units import UnitView
from auditor.report.view.value_spreads import ValueSpreadView, value_spreads

FINDING_CARDS = 6
"""Maximum number of samples shown with their maps below a finding."""
FINDING_CONTRASTS = 3
"""Maximum number of correct samples shown beside them."""
SUPPORTING_SHOWN = 4
"""Maximum number of supporting claims in the text of a finding; the others are collapsed."""


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
        facts: the further sentences.
        held_fixed: the remaining gap with other attributes held fixed; None without such evidence.
        value_spreads: values of an attribute, each compared with the best or a reference value.
        supporting: further claims with the same cause.
        interventions: changes of images.
        map_shifts: comparisons of mean maps.
        image_differences: differences of mean images.
        curves: quantities along an ordered attribute.
        units: channels that carry much of the evidence.
        groups: of a finding about the data, samples that belong together, with their images.
        cards: explained samples that it names, the most informative first; none where there are groups.
        contrasts: correct samples of the same slice.
        means: mean maps of the attributes that it concerns.
        numbers: further numbers behind it, names and values as text.
        tables: further tables behind it.
        cells: slices of one of its attributes (by label where they exist), for its chart.
        marks: what charts mark.
    """

    number: int
    anchor: str
    record: Finding
    blocks: bool
    attributes: tuple[str, ...]
    lead: str
    facts: tuple[str, ...]
    held_fixed: TextTable | None
    value_spreads: tuple[ValueSpreadView, ...]
    supporting: tuple[SupportingClaimView, ...]
    interventions: tuple[InterventionView, ...]
    map_shifts: tuple[MapShiftView, ...]
    image_differences: tuple[ImageDifferenceView, ...]
    curves: tuple[CurveView, ...]
    units: tuple[UnitView, ...]
    groups: tuple[SampleGroupsView, ...]
    cards: tuple[SampleCard, ...]
    contrasts: tuple[SampleCard, ...]
    means: tuple[MeanView, ...]
    numbers: tuple[tuple[str, str], ...]
    tables: tuple[TextTable, ...]
    cells: tuple[SliceRecord, ...]
    marks: Marks


@dataclass(frozen=True)
class FindingSources:
    """The data from which views of findings are made.

    Attributes:
        result: the audit.
        attributes: names of the attributes.
        failures: explained failures.
        contrasts: explained correct samples.
        means: mean maps.
        units: units by the id of their finding.
        images: images of groups.
        marks: what charts mark.
    """

    result: AuditResult
    attributes: tuple[str, ...]
    failures: Sequence[SampleCard]
    contrasts: Sequence[SampleCard]
    means: Sequence[MeanView]
    units: Mapping[str, tuple[UnitView, ...]]
    images: MatchedImages
    marks: Marks


def severity_counts(findings: Sequence[Finding]) -> tuple[tuple[Severity, int], ...]:
    """How many findings of each severity, the gravest first."""
    return tuple(
        (severity, sum(one.severity == severity for one in findings))
        for severity in reversed(SEVERITIES)
    )


def finding_view(
    number: int, record: Finding, blocks: bool, sources: FindingSources
) -> FindingView:
    """Lays out a finding.

    Args:
        number: its place in the report, from 1.
        record: as it stands in ``audit.json``.
        blocks: whether it reaches the gate's severity.
        sources: the data from which it is made.
    """
    address = anchor("finding", record.id)
    concerned = _attributes(record, sources)
    cards, contrasts = _cards(record, sources)
    means = [one for one in sources.means if one.attribute in concerned]
    claims: list[ClaimRecord] = [record, *record.supporting]
    groups = sample_groups(claims, sources.images)
    found = interventions(claims, address, means)
    held = next((one for one in record.evidence if isinstance(one, HeldFixed)), None)
    spreads = value_spreads(claims, address)
    parts = [part for part in record.evidence if not isinstance(part, ValueSpread)]
    behind = [details(part) for part in (*parts, *(one.part for one in spreads))]
    return FindingView(
        number=number,
        anchor=address,
        record=record,
        blocks=blocks,
        attributes=concerned,
        lead=next(iter(record.statement), ""),
        facts=tuple(record.statement[1:]),
        held_fixed=None if held is None else held_fixed_table(held),
        value_spreads=spreads,
        supporting=supporting_claims(record),
        interventions=found,
        map_shifts=map_shifts(claims, address),
        image_differences=image_differences(claims, address),
        curves=curves(claims, address),
        units=() if groups else sources.units.get(record.id, ()),
        groups=groups,
        # Attribution maps have nothing to say about a fault of the data.
        cards=() if groups else cards,
        contrasts=() if groups else contrasts,
        means=() if groups else _ordered(means, record, found),
        numbers=tuple(number for one in behind for number in one.numbers),
        tables=tuple(table for one in behind for table in one.tables),
        cells=_cells(sources.result.slices, concerned),
        marks=sources.marks,
    )


def _attributes(record: Finding, sources: FindingSources) -> tuple[str, ...]:
    """The attributes that a finding concerns, in the order of the data; computed ones last."""
    tables = (part for part in record.evidence if isinstance(part, Contingency))
    named = {*record.slice.attributes, *(one.attribute for one in tables)}
    of_slices = (name for one in sources.result.slices for name in one.attributes)
    return tuple(name for name in dict.fromkeys((*sources.attributes, *of_slices)) if name in named)


def _cards(
    record: Finding, sources: FindingSources
) -> tuple[tuple[SampleCard, ...], tuple[SampleCard, ...]]:
    """Explained samples that a finding names, and correct samples of the same slice."""
    by_sample = {one.sample: one for one in (*sources.contrasts, *sources.failures)}
    named = [by_sample[one] for one in record.samples if one in by_sample]
    cards = tuple(named[:FINDING_CARDS])
    return cards, _contrasts(record, [one for one in sources.contrasts if one not in cards])


def _contrasts(record: Finding, contrasts: Iterable[SampleCard]) -> tuple[SampleCard, ...]:
    """Correct samples that share the finding's attribute values, and its label if any of them do."""
    wanted = set(record.slice.attributes.items())
    if not wanted and record.slice.label is None:
        return ()
    same = [one for one in contrasts if wanted <= set(one.attributes)]
    of_label = [one for one in same if one.label == record.slice.label]
    return tuple(of_label or same)[:FINDING_CONTRASTS]


def _ordered(
    means: Iterable[MeanView], record: Finding, found: Iterable[InterventionView]
) -> tuple[MeanView, ...]:
    """Mean maps, those of labels named in the finding or an intervention first."""
    first = {record.slice.label, *(mean.label for one in found for mean in one.means)}
    return tuple(
        sorted(means, key=lambda one: (one.label not in first, one.label, one.attribute, one.value))
    )


def _cells(slices: Sequence[SliceRecord], concerned: Sequence[str]) -> tuple[SliceRecord, ...]:
    """Slices of one of these attributes within each label, or overall where there are none."""
    single = [one for one in slices if len(one.attributes) == 1]
    cells = [one for one in single if next(iter(one.attributes)) in concerned]
    return tuple([one for one in cells if one.label is not None] or cells)
