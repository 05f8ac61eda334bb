"""Judge: every check's claims under one correction, and what is left of them as findings.

The ladder: a claim whose test survives the correction over *all* tests of the audit is
``supported``, and ``confirmed`` where an intervention on the pictures that survives it as well
brings the same about; one that does not, but whose effect exceeds what was called acceptable, is
``observed``; the rest is no finding. The severity comes from the effect and its interval alone.
What was counted (copies, leaked pictures) needs no test: it is ``observed``, and as grave as what is
counted can be where its interval lies above what was called acceptable.
Claims on the same attributes tell of one cause and become one finding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np

from auditor.checks import Check
from auditor.checks._tally import Identity, identity
from auditor.records import (
    SEVERITIES,
    Claim,
    DataFaults,
    Estimate,
    Evidence,
    Finding,
    Severity,
    Skipped,
    SliceRecord,
    Verdict,
)
from auditor.stages._correction import Correction, correct, level_of
from auditor.stages._faults import data_faults
from auditor.statistics import wilson

_SAMPLES = 12
_ALIKE = 0.5
"""Nameless claims tell of one cause where the smaller shares so much of its failures."""
_TOLD = 3
"""How many further pieces of evidence a finding's text tells; its table holds them all."""
_VERDICTS: tuple[Verdict, ...] = ("confirmed", "supported", "observed", "untestable")

Advance = Callable[[int], object]
_Group = tuple[frozenset[str], bool, int | None]


@dataclass(frozen=True)
class Judged:
    """The outcome of an audit.

    Attributes:
        findings: gravest first; of one severity the better supported, then what accounts for more
            failures.
        slices: every slice with its error rate, and its gap and test where there was one.
        skipped: what could not be examined, and why.
        tests: how many hypotheses were tested, by which correction, and how many survived it.
        data_faults: failures that the findings suspect to be the data's fault.
    """

    findings: list[Finding]
    slices: list[SliceRecord]
    skipped: list[Skipped]
    tests: dict[str, Any]
    data_faults: DataFaults


def judge(
    checks: Mapping[str, Check], evidence: Evidence, advance: Advance | None = None
) -> Judged:
    """Runs the checks and decides what is a finding.

    Args:
        checks: the checks to run, by name.
        evidence: what they may look at.
        advance: called with 1 after each check.

    Returns:
        Findings, slices, what was skipped, and the account of the tests.
    """
    claims: list[Claim] = []
    skipped: list[Skipped] = []
    for check in checks.values():
        brought = check.examine(evidence)
        claims += brought.claims
        skipped += brought.skipped
        if advance is not None:
            advance(1)
    correction = correct(claims, evidence.alpha)
    confirmed = frozenset(
        identity(key)
        for claim, q_value in zip(claims, correction.q_values, strict=True)
        if q_value <= evidence.alpha
        for key in claim.confirms
    )
    weighed = [_Weighed(claim, k, correction, confirmed) for k, claim in enumerate(claims)]
    causes = _causes([one for one in weighed if one.told])
    skipped += _counted(one.claim for one in weighed if one.claim.untestable and not one.told)
    by_check = Counter(one.claim.check for one in weighed if one.q_value is not None)
    return Judged(
        findings=[cause.finding(f"F{k}") for k, cause in enumerate(causes, start=1)],
        slices=_slices(evidence, weighed),
        skipped=skipped,
        tests=correction.account() | {"by_check": dict(sorted(by_check.items()))},
        data_faults=data_faults([one.claim for one in weighed if one.told], evidence.predictions),
    )


@dataclass(frozen=True)
class _Weighed:
    """A claim with its adjusted p-value, and the slices whose gaps were brought about."""

    claim: Claim
    index: int
    correction: Correction
    confirmed: frozenset[Identity]

    @property
    def q_value(self) -> float | None:
        q = float(self.correction.q_values[self.index])
        return None if np.isnan(q) else q

    @property
    def verdict(self) -> Verdict:
        if self.claim.untestable is not None:
            return "untestable"
        if not self.holds:
            return "observed"
        # What speaks of the data or of maps alone is not what the pictures were changed for.
        outcome = self.claim.ceiling == "alert" and identity(self.claim.slice) in self.confirmed
        return "confirmed" if outcome else "supported"

    @property
    def holds(self) -> bool:
        """Whether its test survives the correction."""
        return self.q_value is not None and self.q_value <= self.correction.alpha

    @property
    def told(self) -> bool:
        """Whether it is a finding, or a part of one."""
        claim = self.claim
        if self.verdict == "untestable":
            return len(claim.slice.attributes) == 1 and claim.slice.label is None
        # A difference within what was called acceptable before it was seen accuses nobody, however
        # sure it is; it stands in the table of slices.
        if claim.counted:
            return claim.effect is not None and claim.effect.value > 0
        if claim.effect is None or claim.effect.value <= max(claim.limit, 0.0):
            return False
        if self.holds:
            return True
        # What chance alone makes large is told of single values only: pairs are many and small, and
        # so are the bands of properties that nobody asked for.
        return len(claim.slice.attributes) < 2 and not claim.computed

    @property
    def severity(self) -> Severity:
        effect = self.claim.effect
        if self.claim.counted and effect is not None:
            return self.claim.ceiling if effect.low > self.claim.limit else "note"
        if not self.holds or effect is None or effect.value <= self.claim.limit:
            return "note"
        if effect.low <= 0:
            return "note"  # something is there, but how much of it could be next to nothing
        nearest = effect.value - (effect.value - effect.low) * self.correction.widening(self.index)
        grade: Severity = "alert" if nearest > self.claim.limit else "warning"
        return min(grade, self.claim.ceiling, key=SEVERITIES.index)

    @property
    def rank(self) -> tuple[int, int, float]:
        """Sorts the gravest first."""
        return (
            -SEVERITIES.index(self.severity),
            _VERDICTS.index(self.verdict),
            -self.claim.weight,
        )

    @property
    def statement(self) -> str:
        """The claim's own words, and how sure it is."""
        if self.q_value is None:
            return self.claim.statement
        after = (
            f"q = {_small(self.q_value)} after correction for all {self.correction.n_tests} tests"
        )
        if self.holds:
            sure = f"Were there no such difference, chance would hardly show it: {after}."
        else:
            sure = f"That may be chance: {after}."
        return f"{self.claim.statement} {sure}"

    def record(self) -> dict[str, Any]:
        """The claim as one piece of a finding's evidence."""
        claim = self.claim
        return {
            "check": claim.check,
            "title": claim.title,
            "slice": claim.slice.model_dump(),
            "effect": None if claim.effect is None else claim.effect.model_dump(),
            "limit": claim.limit,
            "p_value": claim.p_value,
            "q_value": self.q_value,
            "support": claim.support,
            "severity": self.severity,
            "verdict": self.verdict,
            "statement": claim.statement,
            "action": claim.action,
            "limits": claim.limits,
            **dict(claim.evidence),
        }


@dataclass(frozen=True)
class _Cause:
    """Claims that tell of the same cause, the one that speaks for it first."""

    pieces: tuple[_Weighed, ...]

    @property
    def severity(self) -> Severity:
        """Of the gravest piece: a cause is as grave as what it explains."""
        return max((one.severity for one in self.pieces), key=SEVERITIES.index)

    @property
    def rank(self) -> tuple[int, int, float]:
        """Sorts the gravest first."""
        return (-SEVERITIES.index(self.severity), *self.pieces[0].rank[1:])

    def finding(self, name: str) -> Finding:
        first, *others = self.pieces
        claim = first.claim
        return Finding(
            id=name,
            check=claim.check,
            title=self._title(),
            severity=self.severity,
            verdict=first.verdict,
            slice=claim.slice,
            effect=claim.effect,
            p_value=claim.p_value,
            q_value=first.q_value,
            support=claim.support,
            samples=self._samples(),
            statement=self._statement(),
            action=self._action(),
            limits=claim.limits,
            evidence=dict(claim.evidence) | {"pieces": [one.record() for one in others]},
        )

    @property
    def _telling(self) -> list[_Weighed]:
        """The further pieces that are as well supported as the first."""
        first = self.pieces[0]
        return [
            one
            for one in self.pieces[1:]
            if one.verdict == first.verdict or (one.holds and first.holds)
        ]

    def _title(self) -> str:
        first, more = self.pieces[0], self._telling
        if first.verdict == "untestable" and more:
            return f"{first.claim.title}, and {len(more)} more values likewise"
        return first.claim.title

    def _statement(self) -> str:
        """The first piece, then titles: its own check's next one, then one of each other in turn."""
        own = self.pieces[0].claim
        seen = {own.title}
        by_check: dict[str, list[str]] = {}
        for one in self._telling:
            if one.claim.title not in seen:
                seen.add(one.claim.title)
                by_check.setdefault(one.claim.check, []).append(one.claim.title)
        same = by_check.pop(own.check, [])
        others = zip_longest(*by_check.values(), same[1:])
        turns = [title for turn in (same[:1], *others) for title in turn if title]
        told = [own.statement, *(f"{title}." for title in turns[:_TOLD])]
        if len(turns) > _TOLD:
            told.append(f"Further pieces of evidence: {len(turns) - _TOLD}.")
        return " ".join(told)

    def _action(self) -> str:
        """What to do: with what was found, and about the data behind it."""
        data = [
            one
            for one in self._telling
            if level_of(one.claim) == "data or maps" and one.severity != "note"
        ]
        actions = [self.pieces[0].claim.action, *(one.claim.action for one in data[:2])]
        return " ".join(dict.fromkeys(actions))

    def _samples(self) -> list[str]:
        """The pieces' samples in turn, so that each shows some."""
        shown = [self.pieces[0], *self._telling]
        grave = [one.claim.samples for one in shown if one.severity == shown[0].severity]
        turns = [name for turn in zip_longest(*grave) for name in turn if name is not None]
        return list(dict.fromkeys(turns))[:_SAMPLES]


def _causes(told: Sequence[_Weighed]) -> list[_Cause]:
    """Groups claims by their cause.

    Claims that name the same attributes tell of one cause; so do those that name none and account
    for the same failures. What another attribute explains goes to the cause of that attribute, behind
    its own claims. Where two explain each other, the data can't tell which it is, and they are one
    cause with equal rights.
    """
    groups: dict[_Group, list[_Weighed]] = {}
    same = _same_failures(told)
    for place, one in enumerate(told):
        names = frozenset(one.claim.slice.attributes)
        group: _Group = (names, one.verdict == "untestable", None if names else same[place])
        groups.setdefault(group, []).append(one)
    for claims in groups.values():
        claims.sort(key=lambda one: one.rank)
    root_of = {name: _root(name, groups) for name in groups}
    causes: dict[_Group, list[_Weighed]] = {}
    for name in sorted(groups, key=lambda name: (name != root_of[name], groups[name][0].rank)):
        causes.setdefault(root_of[name], []).extend(groups[name])
    return sorted((_Cause(tuple(pieces)) for pieces in causes.values()), key=lambda one: one.rank)


def _same_failures(told: Sequence[_Weighed]) -> dict[int, int]:
    """For each claim without a name, the gravest one that accounts for the same failures."""
    nameless = [place for place, one in enumerate(told) if not one.claim.slice.attributes]
    first_of: dict[int, int] = {}
    for place in sorted(nameless, key=lambda place: told[place].rank):
        own = told[place]
        like = (
            first
            for first in dict.fromkeys(first_of.values())
            if own.holds
            and told[first].holds
            and _shared(own.claim.accounts_for, told[first].claim.accounts_for) >= _ALIKE
        )
        first_of[place] = next(like, place)
    return first_of


def _shared(one: frozenset[int], other: frozenset[int]) -> float:
    """How much of the smaller of two sets lies in the other; 0 where one is empty."""
    return len(one & other) / max(min(len(one), len(other)), 1)


def _root(name: _Group, groups: Mapping[_Group, Sequence[_Weighed]]) -> _Group:
    """The group that explains a group, or explains what explains it, and so on."""
    way = [name]
    while True:
        pieces = groups[way[-1]]
        first = pieces[0]
        # What a nameless cause is, any of its pieces may know; an attribute's own first claim does.
        telling = pieces[:1] if first.claim.slice.attributes else pieces
        causes = dict.fromkeys(cause for one in telling for cause in one.claim.explained_by)
        candidates: list[_Group] = [(frozenset({cause}), False, None) for cause in causes]
        found = [
            one for one in candidates if one in groups and groups[one][0].holds and first.holds
        ]
        if not found:
            return way[-1]
        if found[0] in way:  # they explain each other: the gravest of them speaks for all
            return min(way[way.index(found[0]) :], key=lambda one: groups[one][0].rank)
        way.append(found[0])


def _counted(claims: Iterable[Claim]) -> list[Skipped]:
    """One line a check for the slices that were too small, instead of one a slice."""
    counts = Counter(claim.check for claim in claims)
    return [
        Skipped(
            check=check,
            reason=f"{n} slices within one label could not be tested for want of samples; the table "
            "of slices says what gap each could have shown",
        )
        for check, n in counts.items()
    ]


def _slices(evidence: Evidence, weighed: Sequence[_Weighed]) -> list[SliceRecord]:
    compared: dict[Identity, _Weighed] = {
        identity(one.claim.slice): one for one in weighed if "detectable_gap" in one.claim.evidence
    }
    # Of the properties, the values alone: within labels they are many, and findings bring their own.
    computed = [one for one in evidence.computed_slices if one.key.label is None]
    slices = [*evidence.slices, *computed]
    failure = evidence.predictions["failure"].to_numpy(dtype=bool)
    failures = [int(failure[one.rows].sum()) for one in slices]
    rates = wilson(failures, [one.support for one in slices])
    records = []
    for place, (one, n, rate) in enumerate(zip(slices, failures, rates, strict=True)):
        test = compared.get(identity(one.key))
        found: Mapping[str, Any] = {} if test is None else test.claim.evidence
        records.append(
            SliceRecord(
                attributes=one.key.attributes,
                label=one.key.label,
                support=one.support,
                n_failures=n,
                error_rate=Estimate(value=rate.value, low=rate.low, high=rate.high)
                if one.support
                else None,
                gap=Estimate(**found["gap"]) if "gap" in found else None,
                p_value=None if test is None else test.claim.p_value,
                q_value=None if test is None else test.q_value,
                detectable_gap=found.get("detectable_gap"),
                computed=place >= len(evidence.slices),
            )
        )
    return records


def _small(number: float) -> str:
    return f"{number:.2g}" if number >= 1e-4 else "under 0.0001"
