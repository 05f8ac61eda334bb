"""Causes: claims that tell of the same thing become one finding, the clearest in front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from auditor.judging.graded_claim import GradedClaim
from auditor.judging.multiple_testing import level_of
from auditor.records import SEVERITIES, Finding, Severity

_SAMPLES = 12
_ALIKE = 0.5
"""Nameless claims tell of one cause where the smaller shares so much of its failures."""
_TOLD = 3
"""How many further pieces of evidence a finding's text tells; its table holds them all."""

_Group = tuple[frozenset[str], bool, int | None]


@dataclass(frozen=True)
class Cause:
    """Claims that tell of the same cause, the one that speaks for it first."""

    pieces: tuple[GradedClaim, ...]

    @property
    def severity(self) -> Severity:
        """Of the gravest piece: a cause is as grave as what it explains."""
        return max((one.severity for one in self.pieces), key=SEVERITIES.index)

    @property
    def rank(self) -> tuple[int, int, float]:
        """Sorts the gravest first."""
        return (-SEVERITIES.index(self.severity), *self.pieces[0].rank[1:])

    def finding(self, name: str) -> Finding:
        """The finding with that id."""
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
    def _telling(self) -> list[GradedClaim]:
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
        """What to do: with what was found, and about the data behind it.

        What was found without a name asks for one; where an attribute speaks first, it is there.
        """
        named = bool(self.pieces[0].claim.slice.attributes)
        data = [
            one
            for one in self._telling
            if level_of(one.claim) == "data or maps"
            and one.severity != "note"
            and (one.claim.slice.attributes or not named)
        ]
        actions = [self.pieces[0].claim.action, *(one.claim.action for one in data[:2])]
        return " ".join(dict.fromkeys(actions))

    def _samples(self) -> list[str]:
        """The pieces' samples in turn, so that each shows some."""
        shown = [self.pieces[0], *self._telling]
        grave = [one.claim.samples for one in shown if one.severity == shown[0].severity]
        turns = [name for turn in zip_longest(*grave) for name in turn if name is not None]
        return list(dict.fromkeys(turns))[:_SAMPLES]


def causes(told: Sequence[GradedClaim]) -> list[Cause]:
    """Groups claims by their cause.

    Claims that name the same attributes tell of one cause; so do those that name none and account
    for the same failures. What another attribute explains goes to the cause of that attribute, behind
    its own claims. Where two explain each other, the data can't tell which it is, and they are one
    cause with equal rights.
    """
    groups: dict[_Group, list[GradedClaim]] = {}
    same = _same_failures(told)
    for place, one in enumerate(told):
        names = frozenset(one.claim.slice.attributes)
        group: _Group = (names, one.verdict == "untestable", None if names else same[place])
        groups.setdefault(group, []).append(one)
    for claims in groups.values():
        claims.sort(key=lambda one: one.rank)
    root_of = {name: _root(name, groups) for name in groups}
    by_root: dict[_Group, list[GradedClaim]] = {}
    for name in sorted(groups, key=lambda name: (name != root_of[name], groups[name][0].rank)):
        by_root.setdefault(root_of[name], []).extend(groups[name])
    return sorted((Cause(tuple(pieces)) for pieces in by_root.values()), key=lambda one: one.rank)


def _same_failures(told: Sequence[GradedClaim]) -> dict[int, int]:
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


def _root(name: _Group, groups: Mapping[_Group, Sequence[GradedClaim]]) -> _Group:
    """The group that explains a group, or explains what explains it, and so on."""
    way = [name]
    while True:
        pieces = groups[way[-1]]
        first = pieces[0]
        # What a nameless cause is, any of its pieces may know; an attribute's own first claim does.
        telling = pieces[:1] if first.claim.slice.attributes else pieces
        named = dict.fromkeys(cause for one in telling for cause in one.claim.explained_by)
        candidates: list[_Group] = [(frozenset({cause}), False, None) for cause in named]
        found = [
            one for one in candidates if one in groups and groups[one][0].holds and first.holds
        ]
        if not found:
            return way[-1]
        if found[0] in way:  # they explain each other: the gravest of them speaks for all
            return min(way[way.index(found[0]) :], key=lambda one: groups[one][0].rank)
        way.append(found[0])
