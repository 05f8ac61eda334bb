"""A result as documents may show it: sensitive attributes only in cells with enough samples."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from auditor.disclosure.cells import LABEL, Cell, cell_of, touches, withheld_outcomes
from auditor.disclosure.claims import claim, criterion, reason, tested
from auditor.disclosure.evidence import curve, foreign_bands
from auditor.disclosure.texts import Wording, is_few, without_examples
from auditor.records import (
    AuditResult,
    Curve,
    ExplanationsRecord,
    MetricValue,
    Skipped,
    SliceKey,
    SliceRecord,
)
from auditor.records.attributes import AttributeRecord
from auditor.records.display_names import DisplayNames
from auditor.records.explanations import MeanMap
from auditor.records.population import PopulationRecord


@dataclass(frozen=True)
class Disclosed:
    """What may be shown.

    Attributes:
        result: without withheld cells.
        sensitive: names of the sensitive attributes, as in the data.
        least: smallest number of samples of a cell that is shown.
        n_withheld: number of cells of slices that are not shown.
        wording: what sentences may say.
    """

    result: AuditResult
    sensitive: tuple[str, ...]
    least: int
    n_withheld: int
    wording: Wording


def disclosed(result: AuditResult, names: DisplayNames | None = None) -> Disclosed:
    """The part of a result that documents may show; the outcome stays as it is.

    Args:
        result: with the names of the data.
        names: display names that its sentences have; None: those of its configuration.
    """
    stated = result.provenance.stated
    sensitive, least = stated.about.sensitive, stated.report.min_cell
    names = stated.display_names if names is None else names
    if not sensitive:
        return Disclosed(result, (), least, 0, Wording(frozenset(), (), least, names))
    few = stated.report.min_failures
    counts = _counts(result)
    withheld = withheld_outcomes(counts, failures_of(result), sensitive, least, few)
    ends = frozenset(_withheld_ends(result.slices, withheld, sensitive, least, few))
    wording = Wording(withheld | ends, sensitive, least, names, few, counts)
    wording = replace(wording, bands=foreign_bands(_curves(result), wording))
    findings = [claim(one, wording) for one in result.findings]
    criteria = [criterion(one, wording) for one in result.criteria]
    titles = {one.id: f"{one.title}." for one in findings}
    titles |= {one.id: f"{one.name}: {one.state}." for one in criteria}
    reasons = [reason(one, titles, wording) for one in result.outcome.reasons]
    curves = (curve(one, wording) for one in result.error_curves)
    changes = {
        "slices": [one for one in result.slices if cell_of(one) not in wording.withheld],
        "attributes": [
            _attribute(one, sensitive)
            for one in result.attributes
            if not _has_withheld(one.name, withheld)
        ],
        "findings": findings,
        "tested": [found for one in result.tested if (found := tested(one, wording)) is not None],
        "criteria": criteria,
        "outcome": result.outcome.model_copy(update={"reasons": reasons}),
        "skipped": _skipped(result.skipped, wording),
        "error_curves": [one for one in curves if one is not None],
        "metrics": _metrics(result.metrics, wording),
        "curves": [
            one
            for one in result.curves
            if not _is_withheld(one.slice, min(one.n_positives, one.n_negatives), wording)
        ],
        "explanations": _explanations(result.explanations, wording),
    }
    if result.population is not None:
        changes["population"] = _population(result.population, wording)
    shown = result.model_copy(update=changes)
    return Disclosed(shown, sensitive, least, len(withheld), wording)


def _population(record: PopulationRecord, wording: Wording) -> PopulationRecord:
    """Without withheld values, and without a small number of samples that have another value."""
    values = [
        one
        for one in record.values
        if not _is_withheld(SliceKey(attributes={one.attribute: one.value}), one.n_samples, wording)
    ]
    sensitive = record.source == "shares" and set(record.names) & set(wording.sensitive)
    hidden = sensitive and 0 < (record.n_left_out or 0) < wording.least
    return record.model_copy(update={"values": values} | ({"n_left_out": None} if hidden else {}))


def _curves(result: AuditResult) -> Iterator[Curve]:
    yield from result.error_curves
    for one in result.findings:
        for claimed in (one, *one.supporting):
            yield from (part for part in claimed.evidence if isinstance(part, Curve))


def _counts(result: AuditResult) -> dict[Cell, int]:
    """The counts that readers of a report see."""
    counts: dict[Cell, int] = {frozenset(): result.summary.n_evaluated}
    counts |= {frozenset({(LABEL, one.name)}): one.support for one in result.classes}
    # The ends of an ordered attribute overlap its values and belong to no row.
    counts |= {cell_of(one): one.support for one in result.slices if not one.tail}
    return counts


def failures_of(result: AuditResult) -> dict[Cell, int]:
    """The numbers of failures that readers of a report see, or can compute."""
    failures: dict[Cell, int] = {frozenset(): result.summary.n_failures}
    failures |= {
        frozenset({(LABEL, one.name)}): round(one.support * (1 - one.recall.value))
        for one in result.classes
        if one.recall is not None
    }
    return failures | {cell_of(one): one.n_failures for one in result.slices if not one.tail}


def _has_withheld(name: str, withheld: Iterable[Cell]) -> bool:
    """Whether a value of an attribute is withheld."""
    return any(len(cell) == 1 and next(iter(cell))[0] == name for cell in withheld)


def _is_withheld(key: SliceKey, support: int, wording: Wording) -> bool:
    cell = cell_of(key)
    return cell in wording.withheld or (
        touches(cell, wording.sensitive) and support < wording.least
    )


def _withheld_ends(
    slices: Sequence[SliceRecord],
    withheld: Collection[Cell],
    sensitive: Collection[str],
    least: int,
    few: int,
) -> Iterator[Cell]:
    """The ends of sensitive attributes that must not be shown.

    An end is shown only where all values are. It is at most half of the value that contains it, so that the
    rest of this value is as large.
    """
    values = [one for one in slices if len(one.attributes) == 1 and not (one.label or one.tail)]
    for one in slices:
        if not one.tail or not touches(cell_of(one), sensitive):
            continue
        rests = (
            (each.n_failures - one.n_failures, each.support - one.support)
            for each in values
            if each.attributes.keys() == one.attributes.keys() and each.support > one.support
        )
        if (
            one.support < least
            or any(_has_withheld(name, withheld) for name in one.attributes)
            or is_few(one.n_failures, one.support, few)
            or any(is_few(*rest, few) for rest in rests)
        ):
            yield cell_of(one)


def _attribute(one: AttributeRecord, sensitive: Collection[str]) -> AttributeRecord:
    """An attribute without examples of its values, if it is sensitive."""
    if one.name not in sensitive:
        return one
    left_out = None if one.left_out is None else without_examples(one.left_out)
    return one.model_copy(update={"reason": without_examples(one.reason), "left_out": left_out})


def _skipped(skipped: Iterable[Skipped], wording: Wording) -> list[Skipped]:
    """Reasons without withheld cells; notes on sensitive attributes without examples of their values."""
    changed = []
    for one in skipped:
        named = wording.named(one.reason)
        reason = without_examples(one.reason) if named else one.reason
        changed.append(one.model_copy(update={"reason": wording.text(reason, named)}))
    return changed


def _metrics(metrics: Iterable[MetricValue], wording: Wording) -> list[MetricValue]:
    """Metrics of cells that are shown.

    Where one rests on too few samples, such as few positive ones, those that rest on a part of the slice
    are all withheld: their numbers of samples add up to that of the slice. Where one reveals a small number
    of failures or correct predictions, all of the slice are withheld: together they would reveal it.
    """
    listed = list(metrics)
    sizes: dict[Cell, list[int]] = {}
    few: set[Cell] = set()
    for one in listed:
        sizes.setdefault(cell_of(one.slice), []).append(one.support)
        if one.estimate is not None and one.unit == "share":
            n = round(one.estimate.value * one.support)
            if is_few(n, one.support, wording.least_failures):
                few.add(cell_of(one.slice))
    kept = []
    for one in listed:
        cell = cell_of(one.slice)
        if touches(cell, wording.sensitive):
            of_slice = sizes[cell]
            partial = min(of_slice) < wording.least and one.support < max(of_slice)
            if _is_withheld(one.slice, one.support, wording) or partial or cell in few:
                continue
        kept.append(one)
    return kept


def _explanations(record: ExplanationsRecord, wording: Wording) -> ExplanationsRecord:
    """Without contact sheets, places and mean maps that reveal the value of single samples."""
    changes: dict[str, object] = {
        "means": [one for one in record.means if not _is_small_mean(one, wording)],
        "sheets": [
            one for one in record.sheets if not touches(cell_of(one.slice), wording.sensitive)
        ],
    }
    if record.failure_map is not None:
        slices = record.failure_map.slices
        shown = [k for k, one in enumerate(slices) if not touches(cell_of(one), wording.sensitive)]
        places = {k: new for new, k in enumerate(shown)}
        points = [
            one if one.slice is None else one.model_copy(update={"slice": places.get(one.slice)})
            for one in record.failure_map.points
        ]
        changes["failure_map"] = record.failure_map.model_copy(
            update={"slices": [slices[k] for k in shown], "points": points}
        )
    return record.model_copy(update=changes)


def _is_small_mean(one: MeanMap, wording: Wording) -> bool:
    if one.attribute not in wording.sensitive:
        return False
    value = frozenset({(one.attribute, one.value)})
    return (
        one.n < wording.least
        or value in wording.withheld
        or value | {(LABEL, one.label)} in wording.withheld
    )
