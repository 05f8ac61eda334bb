"""Which clauses of which rules this audit helps to answer, and with what evidence.

The rules are in ``configs/compliance/*.yaml``: each clause names kinds of evidence. Nothing here
states that anything complies: a clause is answered in part, or not covered by this audit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from auditor import resources
from auditor.errors import ConfigError
from auditor.phrasing import any_value
from auditor.records import AuditResult
from auditor.records.expectations import first_fault
from auditor.records.selection import SelectionRates
from auditor.report.view.compliance_evidence import (
    KINDS,
    SELECTION_KINDS,
    ComplianceEvidence,
    of_check,
    of_selection,
)

_FOLDER = "compliance"

ABOUT: Mapping[str, str] = {
    "purpose": "Intended purpose",
    "provider": "Provider",
    "version": "Version of the model",
    "data": "Origin of the data",
    "persons": "Responsible persons",
    "criteria": "Acceptance criteria, and why",
    "sensitive": "Attributes that deserve special protection",
    "selected": "Class that counts as selected, where people are chosen",
}
"""What only people can state: keys of the ``about:`` section and their names in the report."""


class ComplianceClause(BaseModel):
    """A clause of a rule, in our words."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    clause: str
    """Its number in the rule."""
    asks: str
    """What it asks for."""
    answers: tuple[str, ...]
    """Kinds of evidence that answer it in part."""
    remains: str
    """What no audit of this kind can answer."""


class ComplianceRule(BaseModel):
    """One file of ``configs/compliance``."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    title: str
    source: str
    url: str
    written: date
    basis: str
    """What the file was written from."""
    status: str = ""
    """Its legal status, and changes that are known of."""
    checked: date | None
    """When it was checked against the official text; null if it was not."""
    clauses: tuple[ComplianceClause, ...]


@dataclass(frozen=True)
class ClauseAnswer:
    """A clause with the evidence for it.

    Attributes:
        clause: its number in the rule.
        asks: what it asks for.
        evidence: what this audit has; empty where the clause is not covered.
        missing: statements that only people can make and that were not made.
        remains: what no audit of this kind can answer.
    """

    clause: str
    asks: str
    evidence: tuple[ComplianceEvidence, ...]
    missing: tuple[str, ...]
    remains: str


@dataclass(frozen=True)
class RuleAnswers:
    """A rule with its answers.

    Attributes:
        title: name of the rule.
        source: the official document.
        url: where it is published.
        standing: what the rule's file is based on, and whether it was checked against the official
            text.
        answers: clause by clause.
    """

    title: str
    source: str
    url: str
    standing: str
    answers: tuple[ClauseAnswer, ...]


def rules(names: Sequence[str] | None = None) -> tuple[ComplianceRule, ...]:
    """The rules that come with this package.

    Args:
        names: files without ``.yaml``; None for all, in alphabetical order.

    Raises:
        ConfigError: there is no rule of that name.
    """
    folder = resources.folder("configs") / _FOLDER
    known = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    for name in names or ():
        if name not in known:
            raise ConfigError(
                f"report.compliance: expected names out of {', '.join(known)}; got {name!r}"
            )
    return tuple(_read(known[name]) for name in (known if names is None else names))


def answers(
    result: AuditResult, anchors: Mapping[str, str], rates: SelectionRates | None = None
) -> tuple[RuleAnswers, ...]:
    """What the audit contributes to each clause of the configured rules.

    Args:
        result: the audit.
        anchors: address of each finding in the report, by its id.
        rates: selection rates, where the configuration names the selected class.

    Raises:
        ConfigError: the configuration names a rule that does not exist.
    """
    names = result.provenance.stated.report.compliance
    return tuple(
        RuleAnswers(
            rule.title,
            rule.source,
            rule.url,
            _standing(rule),
            tuple(_answer(one, result, anchors, rates) for one in rule.clauses),
        )
        for rule in rules(names)
    )


def about(result: AuditResult) -> tuple[tuple[str, str], ...]:
    """What people stated about the model and its data: name and text, empty where missing."""
    given = result.provenance.stated.about.model_dump(exclude_defaults=True)
    rows = tuple(
        (name, "" if given.get(key) is None else any_value(given[key]))
        for key, name in ABOUT.items()
    )
    later = given.get("stated_at")
    return rows if later is None else (*rows, ("Stated", f"{later}, after the audit"))


def _read(path: Path) -> ComplianceRule:
    try:
        return ComplianceRule.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise ConfigError(f"{path}: {first_fault(error)}") from error


def _standing(rule: ComplianceRule) -> str:
    checked = (
        "not yet checked against the official text: do so before you rely on it"
        if rule.checked is None
        else f"checked against the official text on {rule.checked.isoformat()}"
    )
    standing = f"Written {rule.written.isoformat()} from {rule.basis}; {checked}."
    return f"{rule.status} {standing}" if rule.status else standing


def _answer(
    clause: ComplianceClause,
    result: AuditResult,
    anchors: Mapping[str, str],
    rates: SelectionRates | None,
) -> ClauseAnswer:
    evidence: list[ComplianceEvidence] = []
    missing: list[str] = []
    stated = dict(about(result))
    for name in clause.answers:
        kind, _, argument = name.partition(":")
        if kind == "about":
            statement = ABOUT[argument]
            if stated[statement]:
                evidence.append(ComplianceEvidence(f"{statement}: {stated[statement]}", "about"))
            else:
                missing.append(statement)
        elif kind == "check":
            evidence += of_check(argument, result, anchors)
        elif name in SELECTION_KINDS:
            evidence += [] if rates is None else [of_selection(name, rates)]
        else:
            found = KINDS[name](result)
            evidence += [] if found is None else [found]
    return ClauseAnswer(clause.clause, clause.asks, tuple(evidence), tuple(missing), clause.remains)
