"""Evidence of an audit for compliance rules: one function for each kind that a rule can ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from auditor.phrasing import count, date, limits, percent, plural
from auditor.records import DATA_NOTE, MISSING, AuditResult
from auditor.records.selection import SelectionRates
from auditor.report.view.criteria import criteria_text, criterion_views


@dataclass(frozen=True)
class ComplianceEvidence:
    """Something in the report that answers a part of a clause.

    Attributes:
        text: what it is.
        anchor: its address in the report.
    """

    text: str
    anchor: str


def of_check(
    name: str, result: AuditResult, anchors: Mapping[str, str]
) -> Sequence[ComplianceEvidence]:
    """What a check contributed; nothing if it was not run.

    Args:
        name: of the check.
        result: the audit.
        anchors: address of each finding in the report, by its id.
    """
    findings = [one for one in result.findings if one.check == name]
    tested = None if result.tests is None else result.tests.by_check.get(name)
    if tested is None and not findings:
        return ()
    text = f"check {name}"
    if tested is not None:
        text += f", {plural(tested, 'hypothesis', 'hypotheses')}"
    if not findings:
        return (ComplianceEvidence(f"{text}: no finding of its own", "slices"),)
    return (
        ComplianceEvidence(f"{text}: {plural(len(findings), 'finding')}", anchors[findings[0].id]),
    )


SELECTION_KINDS = (
    "selection-rates",
    "impact-ratios",
    "selection-intersections",
    "selection-unknown",
)
"""Kinds of evidence that need `about.selected` and `about.sensitive`."""


def of_selection(kind: str, rates: SelectionRates) -> ComplianceEvidence:
    """What the selection rates show.

    Args:
        kind: one of `SELECTION_KINDS`.
        rates: of the audit.
    """
    single = [one for one in rates.tables if len(one.attributes) == 1]
    n_crossed = len(rates.tables) - len(single)
    names = ", ".join(one.attributes[0] for one in single) or "no attribute of the data"
    ratios = [item.ratio for one in single for item in one.categories if item.ratio is not None]
    unknown = ", ".join(
        f"{one.attributes[0]} {'not shown' if one.unknown is None else count(one.unknown)}"
        for one in single
    )
    text = {
        "selection-rates": f"selection rates (“{rates.selected}” predicted) by {names}",
        "impact-ratios": f"impact ratios; the lowest is {min(ratios):.2f}"
        if ratios
        else "no impact ratio: no one is selected",
        "selection-intersections": (
            f"rates and ratios of {plural(n_crossed, 'intersection')} of two attributes"
        ),
        "selection-unknown": f"left out because unknown: {unknown or 'not counted'}",
    }[kind]
    return ComplianceEvidence(text, "selection")


def _accuracy(result: AuditResult) -> ComplianceEvidence | None:
    one = result.summary.accuracy
    if one is None:
        return None
    return ComplianceEvidence(
        f"accuracy {percent(one.value, 1)} (95 % interval {limits(one, 'share')}) on "
        f"{count(result.summary.n_evaluated)} samples",
        "classes",
    )


def _slices(result: AuditResult) -> ComplianceEvidence | None:
    tested = sum(one.gap is not None and not one.computed for one in result.slices)
    if not tested:
        return None
    return ComplianceEvidence(f"{plural(tested, 'slice')} tested against the rest", "slices")


def _intersections(result: AuditResult) -> ComplianceEvidence | None:
    crossed = [one for one in result.slices if len(one.attributes) > 1]
    if not crossed:
        return None
    tested = sum(one.gap is not None for one in crossed)
    return ComplianceEvidence(
        f"{count(tested)} of {count(len(crossed))} intersections of attributes tested", "slices"
    )


def _missing(result: AuditResult) -> ComplianceEvidence | None:
    single = [
        one
        for one in result.slices
        if one.label is None and len(one.attributes) == 1 and not one.computed
    ]
    unknown = [one for one in single if MISSING in one.attributes.values()]
    if not single:
        return None  # no sample lacks a value of no attribute, but that is no evidence
    if not unknown:
        return ComplianceEvidence("no sample lacks an attribute value", "slices")
    counts = ", ".join(f"{next(iter(one.attributes))} {count(one.support)}" for one in unknown)
    return ComplianceEvidence(
        f"samples without a value, as slices of their own: {counts}", "slices"
    )


def _untested(result: AuditResult) -> ComplianceEvidence:
    n = sum(one.gap is None for one in result.slices)
    not_done = sum(one.check != DATA_NOTE for one in result.skipped)
    return ComplianceEvidence(
        f"list of {plural(n, 'slice')} too small to test and {plural(not_done, 'check')} not done",
        "limits",
    )


def _unusable(result: AuditResult) -> ComplianceEvidence:
    n = result.summary.n_unusable
    return ComplianceEvidence(
        f"list of {plural(n, 'sample')} that could not be used, with reasons", "limits"
    )


def _reference(result: AuditResult) -> ComplianceEvidence | None:
    n = result.provenance.data.n_reference
    if n is None:
        return None
    return ComplianceEvidence(f"training data examined, {plural(n, 'row')}", "findings")


def _sanity(result: AuditResult) -> ComplianceEvidence | None:
    if not (result.explanations.map_tests or result.explanations.sanity):
        return None
    return ComplianceEvidence("tests of the maps", "maps")


def _gate(result: AuditResult) -> ComplianceEvidence | None:
    if result.gate is None:
        return None
    return ComplianceEvidence(f"gate at “{result.gate}”, limits fixed in advance", "provenance")


def _criteria(result: AuditResult) -> ComplianceEvidence | None:
    text = criteria_text(criterion_views(result.criteria))
    return ComplianceEvidence(text.removesuffix("."), "criteria") if text else None


def _reasons(result: AuditResult) -> ComplianceEvidence | None:
    reasons = {one.criterion: one.why for one in result.criteria if one.configured and one.why}
    if not reasons:
        return None
    stated = "; ".join(f"{name}: {why}" for name, why in reasons.items())
    return ComplianceEvidence(f"reasons stated for the limits of criteria ({stated})", "criteria")


def _fixed(text: str, anchor: str) -> Callable[[AuditResult], ComplianceEvidence]:
    """Evidence that every audit has."""
    return lambda _result: ComplianceEvidence(text, anchor)


KINDS: Mapping[str, Callable[[AuditResult], ComplianceEvidence | None]] = {
    "accuracy": _accuracy,
    "actions": _fixed("what to do next, for each finding", "findings"),
    "criteria": _criteria,
    "criteria-reasons": _reasons,
    "classes": _fixed("recall and precision of each class, confusions", "classes"),
    "date": lambda result: ComplianceEvidence(
        f"date of the audit: {date(result.run.created_at)}", "provenance"
    ),
    "findings": lambda result: ComplianceEvidence(
        f"{plural(len(result.findings), 'finding')} with evidence", "findings"
    ),
    "gate": _gate,
    "intersections": _intersections,
    "limits": _fixed("what was not tested", "limits"),
    "maps": _fixed("attribution maps of failures, with their limits", "maps"),
    "method": _fixed("method, tests and correction for multiple testing", "maps"),
    "missing": _missing,
    "provenance": _fixed("fingerprints of weights and data, versions, seed", "provenance"),
    "reference": _reference,
    "sanity": _sanity,
    "signatures": _fixed("sign-off block of the PDF", "provenance"),
    "slices": _slices,
    "unusable": _unusable,
    "untested": _untested,
}
"""Kinds of evidence by the name that rules use; None where this audit has none of it."""
