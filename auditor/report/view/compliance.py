"""Which clause of which rule this audit helps to answer, and with what evidence.

The rules lie in ``configs/compliance/*.yaml``: each clause names kinds of evidence. Nothing here
says that anything complies: a clause is answered in part, or not covered by this audit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from auditor import resources
from auditor.errors import ConfigError
from auditor.records import MISSING, AuditResult
from auditor.report import words
from auditor.report.view.selection_rates import Selection

FOLDER = "compliance"

ABOUT: Mapping[str, str] = {
    "purpose": "Intended purpose",
    "provider": "Provider",
    "version": "Version of the model",
    "data": "Where the data comes from",
    "persons": "Responsible persons",
    "criteria": "Acceptance criteria, and why",
    "sensitive": "Attributes that deserve special protection",
    "selected": "Class that counts as selected, where people are chosen",
}
"""What only people know: keys of the ``about:`` section and how they are called."""


class Clause(BaseModel):
    """A clause of a rule, in our words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    clause: str
    asks: str
    answers: tuple[str, ...]
    remains: str


class Rule(BaseModel):
    """One file of ``configs/compliance``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    source: str
    url: str
    written: date
    basis: str
    """What the file was drawn up from."""
    checked: date | None
    """When somebody held it against the official text; null: nobody did yet."""
    clauses: tuple[Clause, ...]


@dataclass(frozen=True)
class ComplianceEvidence:
    """What this audit has to show.

    Attributes:
        text: in words.
        anchor: where it stands in the report.
    """

    text: str
    anchor: str


@dataclass(frozen=True)
class Answer:
    """A clause with what there is to show for it.

    Attributes:
        clause: which.
        asks: what it asks for.
        evidence: what this audit has; empty where it is not covered.
        missing: statements that only people can make, and nobody made.
        remains: what no audit of this kind can answer.
    """

    clause: str
    asks: str
    evidence: tuple[ComplianceEvidence, ...]
    missing: tuple[str, ...]
    remains: str


@dataclass(frozen=True)
class Mapped:
    """A rule with its answers."""

    title: str
    source: str
    url: str
    standing: str
    """What the rule’s file rests on, and whether it was held against the official text."""
    answers: tuple[Answer, ...]


def rules(names: Sequence[str] | None = None) -> tuple[Rule, ...]:
    """The rules that come with this package.

    Args:
        names: files without ``.yaml``; None for all, in alphabetical order.

    Raises:
        ConfigError: there is no rule of that name.
    """
    folder = resources.folder("configs") / FOLDER
    known = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    for name in names or ():
        if name not in known:
            raise ConfigError(
                f"report.compliance: expected some of {', '.join(known)}; got {name!r}"
            )
    return tuple(_read(known[name]) for name in (known if names is None else names))


def mapped(
    result: AuditResult, anchors: Mapping[str, str], chosen: Selection | None = None
) -> tuple[Mapped, ...]:
    """Holds the audit against the rules.

    Args:
        result: the audit.
        anchors: address of each finding in the report, by its id.
        chosen: who is selected how often, where the configuration says what selection is.

    Raises:
        ConfigError: the configuration names a rule that there is none of.
    """
    section = result.provenance.config.get("report")
    names = section.get("compliance") if isinstance(section, dict) else None
    return tuple(
        Mapped(
            rule.title,
            rule.source,
            rule.url,
            _standing(rule),
            tuple(_answer(one, result, anchors, chosen) for one in rule.clauses),
        )
        for rule in rules(names)
    )


def about(result: AuditResult) -> tuple[tuple[str, str], ...]:
    """What people stated about the model and its data: name and text, empty where missing."""
    stated = result.provenance.config.get("about")
    given: Mapping[str, Any] = stated if isinstance(stated, dict) else {}
    return tuple(
        (name, "" if given.get(key) is None else words.value(given[key]))
        for key, name in ABOUT.items()
    )


def _read(path: Path) -> Rule:
    try:
        return Rule.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path}: {place}: {first['msg']}") from error


def _standing(rule: Rule) -> str:
    checked = (
        f"held against the official text on {rule.checked.isoformat()}"
        if rule.checked is not None
        else "not yet held against the official text: do so before you rely on it"
    )
    return f"Written {rule.written.isoformat()} from {rule.basis}; {checked}."


def _answer(
    clause: Clause, result: AuditResult, anchors: Mapping[str, str], chosen: Selection | None
) -> Answer:
    evidence: list[ComplianceEvidence] = []
    missing: list[str] = []
    for name in clause.answers:
        kind, _, argument = name.partition(":")
        if kind == "about":
            text = dict(about(result))[ABOUT[argument]]
            if text:
                evidence.append(ComplianceEvidence(f"{ABOUT[argument]}: {text}", "about"))
            else:
                missing.append(ABOUT[argument])
        elif kind == "check":
            evidence += _of_check(argument, result, anchors)
        elif name in SELECTION:
            evidence += [] if chosen is None else [_of_selection(name, chosen)]
        else:
            evidence += [one for one in [_KINDS[name](result)] if one is not None]
    return Answer(clause.clause, clause.asks, tuple(evidence), tuple(missing), clause.remains)


def _of_check(
    name: str, result: AuditResult, anchors: Mapping[str, str]
) -> list[ComplianceEvidence]:
    findings = [one for one in result.findings if one.check == name]
    tested = result.tests.get("by_check", {}).get(name)
    if tested is None and not findings:
        return []
    text = f"check {name}" + (f", {words.count(tested)} hypotheses" if tested is not None else "")
    if not findings:
        return [ComplianceEvidence(f"{text}: no finding of its own", "slices")]
    numbers = f"{len(findings)} finding{'s' if len(findings) > 1 else ''}"
    return [ComplianceEvidence(f"{text}: {numbers}", anchors[findings[0].id])]


SELECTION = ("selection-rates", "impact-ratios", "selection-intersections", "selection-unknown")
"""Kinds of evidence that rest on `about.selected` and `about.sensitive`."""


def _of_selection(kind: str, chosen: Selection) -> ComplianceEvidence:
    single = [one for one in chosen.comparisons if len(one.attributes) == 1]
    crossed = [one for one in chosen.comparisons if len(one.attributes) > 1]
    names = ", ".join(one.attributes[0] for one in single) or "no attribute of the data"
    ratios = [item.ratio for one in single for item in one.categories if item.ratio is not None]
    text = {
        "selection-rates": f"selection rates (“{chosen.selected}” predicted) by {names}",
        "impact-ratios": f"impact ratios; the lowest is {min(ratios):.2f}"
        if ratios
        else "no impact ratio: nobody is selected",
        "selection-intersections": f"rates and ratios of {len(crossed)} crossings of two attributes",
        "selection-unknown": "left out as unknown: "
        + (", ".join(f"{one.attributes[0]} {one.unknown}" for one in single) or "nothing counted"),
    }[kind]
    return ComplianceEvidence(text, "selection")


def _accuracy(result: AuditResult) -> ComplianceEvidence | None:
    one = result.summary.accuracy
    if one is None:
        return None
    return ComplianceEvidence(
        f"accuracy {words.percent(one.value, 1)} (95 % interval {words.interval(one)}) on "
        f"{words.count(result.summary.n_evaluated)} samples",
        "classes",
    )


def _slices(result: AuditResult) -> ComplianceEvidence | None:
    tested = sum(one.gap is not None for one in result.slices)
    if not tested:
        return None
    return ComplianceEvidence(f"{words.count(tested)} slices tested against the rest", "slices")


def _intersections(result: AuditResult) -> ComplianceEvidence | None:
    crossed = [one for one in result.slices if len(one.attributes) > 1]
    tested = sum(one.gap is not None for one in crossed)
    return (
        ComplianceEvidence(
            f"{tested} of {len(crossed)} intersections of attributes tested", "slices"
        )
        if crossed
        else None
    )


def _missing(result: AuditResult) -> ComplianceEvidence | None:
    single = [one for one in result.slices if one.label is None and len(one.attributes) == 1]
    unknown = [one for one in single if MISSING in one.attributes.values()]
    if not single:
        return None
    if not unknown:
        return ComplianceEvidence("no sample lacks an attribute value", "slices")
    counts = ", ".join(f"{next(iter(one.attributes))} {one.support}" for one in unknown)
    return ComplianceEvidence(f"samples without a value, a slice of their own: {counts}", "slices")


def _untested(result: AuditResult) -> ComplianceEvidence | None:
    n = sum(one.gap is None for one in result.slices)
    return ComplianceEvidence(
        f"{n} slices too small to test and {len(result.skipped)} checks not done, listed", "limits"
    )


def _unusable(result: AuditResult) -> ComplianceEvidence | None:
    n = result.summary.n_unusable
    return ComplianceEvidence(
        f"{words.count(n)} samples could not be used, listed with reasons", "limits"
    )


def _reference(result: AuditResult) -> ComplianceEvidence | None:
    n = result.provenance.data.n_reference
    return (
        None
        if n is None
        else ComplianceEvidence(f"training data examined, {words.count(n)} rows", "findings")
    )


def _sanity(result: AuditResult) -> ComplianceEvidence | None:
    return (
        ComplianceEvidence("the maps' own sanity checks", "maps")
        if result.explanations.sanity
        else None
    )


def _findings(result: AuditResult) -> ComplianceEvidence | None:
    return ComplianceEvidence(f"{len(result.findings)} findings with their evidence", "findings")


def _gate(result: AuditResult) -> ComplianceEvidence | None:
    return (
        None
        if result.gate is None
        else ComplianceEvidence(f"gate at “{result.gate}”, limits fixed beforehand", "provenance")
    )


_KINDS: Mapping[str, Callable[[AuditResult], ComplianceEvidence | None]] = {
    "accuracy": _accuracy,
    "actions": lambda _: ComplianceEvidence("each finding says what to do next", "findings"),
    "classes": lambda _: ComplianceEvidence(
        "recall and precision of each class, confusions", "classes"
    ),
    "date": lambda result: ComplianceEvidence(
        f"date of the audit: {words.date(result.run.created_at)}", "provenance"
    ),
    "findings": _findings,
    "gate": _gate,
    "intersections": _intersections,
    "limits": lambda _: ComplianceEvidence("what was not tested", "limits"),
    "maps": lambda _: ComplianceEvidence("attribution maps of failures, with their limits", "maps"),
    "method": lambda _: ComplianceEvidence("method, tests and their correction", "maps"),
    "missing": _missing,
    "provenance": lambda _: ComplianceEvidence(
        "fingerprints of weights and data, versions, seed", "provenance"
    ),
    "reference": _reference,
    "sanity": _sanity,
    "signatures": lambda _: ComplianceEvidence("sign-off block of the PDF", "provenance"),
    "slices": _slices,
    "unusable": _unusable,
    "untested": _untested,
}
