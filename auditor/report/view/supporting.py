"""The further claims of a finding, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from auditor.records import ClaimRecord, Effect, Finding, HeldFixed, Severity, Verdict

_TITLES = 3
"""Titles of supporting claims in a text."""
_SIGNIFICANT = frozenset({"supported", "confirmed"})


@dataclass(frozen=True)
class SupportingClaimView:
    """A further claim with the same cause.

    Attributes:
        check: the check that made it.
        title: the claim in one sentence.
        severity: how much it matters.
        verdict: how certain it is.
        effect: how large it is; None where nothing was measured.
        q_value: of its test; None where nothing was tested.
        support: how many samples it is based on.
    """

    check: str
    title: str
    severity: Severity
    verdict: Verdict
    effect: Effect | None
    q_value: float | None
    support: int


def supporting_claims(finding: Finding) -> tuple[SupportingClaimView, ...]:
    """The supporting claims of a finding, each once.

    Two checks may measure the same: a slice that is confused with one class has the same gap of errors as
    of confusions.
    The next claim of the finding's own check comes first, then one of each other check in turn;
    notes come last.
    """
    unique: dict[str, ClaimRecord] = {}
    measured: set[object] = set()
    for one in _in_turn(finding.supporting, finding.check):
        key = _measurement(one)
        if key is None or key not in measured:
            unique.setdefault(one.title, one)
            measured.add(key)
    ordered = sorted(unique.values(), key=lambda one: one.severity == "note")
    return tuple(
        SupportingClaimView(
            check=one.check,
            title=one.title,
            severity=one.severity,
            verdict=one.verdict,
            effect=one.effect,
            q_value=one.q_value,
            support=one.support,
        )
        for one in ordered
    )


def _measurement(one: ClaimRecord) -> object:
    """What was measured, where, and the result; None where nothing was."""
    if one.effect is None:
        return None
    effect, place = one.effect, one.slice
    attributes = tuple(sorted(place.attributes.items()))
    return (
        attributes,
        place.label,
        one.support,
        effect.unit,
        effect.value,
        effect.low,
        effect.high,
    )


def full_statement(finding: Finding) -> str:
    """The statement of a finding for documents without its tables and lists.

    Its own sentences, those about attributes held fixed, the titles of up to three supporting claims
    that are as certain, and how many more there are.
    """
    titles = [
        one.title
        for one in supporting_claims(finding)
        if one.title != finding.title
        and (one.verdict == finding.verdict or {one.verdict, finding.verdict} <= _SIGNIFICANT)
    ]
    sentences = [*finding.statement]
    sentences += [
        one for part in finding.evidence if isinstance(part, HeldFixed) for one in part.sentences
    ]
    sentences += [f"{title}." for title in titles[:_TITLES]]
    if len(titles) > _TITLES:
        sentences.append(f"Further supporting claims: {len(titles) - _TITLES}.")
    return " ".join(sentences)


def _in_turn(claims: Sequence[ClaimRecord], own_check: str) -> Iterator[ClaimRecord]:
    by_check: dict[str, list[ClaimRecord]] = {}
    for one in claims:
        by_check.setdefault(one.check, []).append(one)
    own = by_check.pop(own_check, [])
    yield from own[:1]
    for turn in zip_longest(*by_check.values(), own[1:]):
        yield from (one for one in turn if one is not None)
