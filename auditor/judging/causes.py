"""Group claims that have the same cause into one finding, the clearest claim first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from auditor.judging.explained_slices import explained_sentences, title_of_explained
from auditor.judging.graded_claim import GradedClaim
from auditor.records import SEVERITIES, Claim, Finding, HeldFixed, Question, Severity

_SAMPLES = 12
"""Maximum number of sample ids in a finding."""
_OVERLAP = 0.5
"""Two claims without an attribute have the same cause if the smaller one shares this part of its failures."""
_DATA_ACTIONS = 2
"""Maximum number of actions of data claims that are added to the action of a finding."""
_DECIDING: frozenset[Question] = frozenset({"value", "others held fixed"})
"""Questions whose claims decide whether other attributes explain all claims on an attribute."""

_Group = tuple[frozenset[str], bool, int | None]
"""Attribute names; whether the claims are untestable; without an attribute, the position of the first
claim about the same failures."""


@dataclass(frozen=True)
class Cause:
    """Claims with the same cause, the leading one first."""

    claims: tuple[GradedClaim, ...]

    @property
    def severity(self) -> Severity:
        """The severity of the most severe claim."""
        return max((one.severity for one in self.claims), key=SEVERITIES.index)

    @property
    def rank(self) -> tuple[int, int, float]:
        """Sort key: most severe first, then by the rank of the leading claim."""
        return (-SEVERITIES.index(self.severity), *self.claims[0].rank[1:])

    def finding(self, name: str) -> Finding:
        """The finding with the given id."""
        leading, *others = self.claims
        record = leading.record()
        return Finding(
            **{field: getattr(record, field) for field in type(record).model_fields}
            | {
                "title": self._title(),
                "statement": [*record.statement, *explained_sentences(leading, self._as_certain)],
                "severity": self.severity,
                "action": self._action(),
                "id": name,
                "samples": self._samples(),
                "supporting": [one.record() for one in others],
            }
        )

    @property
    def _as_certain(self) -> list[GradedClaim]:
        """The further claims that are as well supported as the leading one."""
        leading = self.claims[0]
        return [
            one
            for one in self.claims[1:]
            if one.verdict == leading.verdict or (one.is_significant and leading.is_significant)
        ]

    def _title(self) -> str:
        leading, more = self.claims[0], self._as_certain
        if leading.verdict == "untestable" and more:
            return f"{leading.claim.title}; so are {len(more)} more values"
        return leading.claim.title + title_of_explained(leading, more)

    def _action(self) -> str:
        """What to collect, the action of the leading claim, and actions about the data.

        Data claims without an attribute add nothing where the leading claim has one.
        """
        has_attribute = bool(self.claims[0].claim.slice.attributes)
        data = [
            one
            for one in self._as_certain
            if one.claim.kind in {"data", "map"}
            and one.severity != "note"
            and (one.claim.slice.attributes or not has_attribute)
        ]
        chosen = [self.claims[0].claim, *(one.claim for one in data[:_DATA_ACTIONS])]
        plans = [one.plan for one in chosen]
        actions = [one.action for one in chosen if one is chosen[0] or not one.plan]
        return " ".join(dict.fromkeys(text for text in (*plans, *actions) if text))

    def _samples(self) -> list[str]:
        """Samples of all claims in turn, so that each claim contributes some."""
        shown = [self.claims[0], *self._as_certain]
        samples = [one.claim.samples for one in shown if one.severity == shown[0].severity]
        turns = [name for turn in zip_longest(*samples) for name in turn if name is not None]
        return list(dict.fromkeys(turns))[:_SAMPLES]


def causes(reported: Sequence[GradedClaim]) -> list[Cause]:
    """Groups claims by their cause.

    Claims on the same attributes have the same cause, and so do claims without an attribute that
    account for the same failures. If another attribute explains the gaps of a cause, its claims are
    appended to the cause of that attribute. If two attributes explain each other, the data cannot
    separate them, and they form one cause.

    Args:
        reported: the claims that are reported.

    Returns:
        The causes, most severe first.
    """
    groups: dict[_Group, list[GradedClaim]] = {}
    same = _same_failures(reported)
    for position, one in enumerate(reported):
        names = frozenset(one.claim.slice.attributes)
        group: _Group = (names, one.verdict == "untestable", None if names else same[position])
        groups.setdefault(group, []).append(one)
    for claims in groups.values():
        claims.sort(key=lambda one: one.rank)
    root_of = {name: _root(name, groups) for name in groups}
    by_root: dict[_Group, list[GradedClaim]] = {}
    for name in sorted(groups, key=lambda name: (name != root_of[name], groups[name][0].rank)):
        by_root.setdefault(root_of[name], []).extend(groups[name])
    return sorted((Cause(tuple(claims)) for claims in by_root.values()), key=lambda one: one.rank)


def _same_failures(reported: Sequence[GradedClaim]) -> dict[int, int]:
    """For each claim without an attribute, the highest-ranked claim about the same failures."""
    without = [k for k, one in enumerate(reported) if not one.claim.slice.attributes]
    first_of: dict[int, int] = {}
    for position in sorted(without, key=lambda k: reported[k].rank):
        own = reported[position]
        similar = (
            first
            for first in dict.fromkeys(first_of.values())
            if own.is_significant
            and reported[first].is_significant
            and _have_one_cause(own.claim, reported[first].claim)
        )
        first_of[position] = next(similar, position)
    return first_of


def _have_one_cause(one: Claim, other: Claim) -> bool:
    """Whether two claims belong to one story, or account for the same failures."""
    if one.story is not None or other.story is not None:
        return one.story == other.story
    return _overlap(one.accounts_for, other.accounts_for) >= _OVERLAP


def _overlap(one: frozenset[int], other: frozenset[int]) -> float:
    """Overlap coefficient: shared part of the smaller of two sets; 0 if one is empty."""
    return len(one & other) / max(min(len(one), len(other)), 1)


def _root(name: _Group, groups: Mapping[_Group, Sequence[GradedClaim]]) -> _Group:
    """Follows the explanations of a group to the group that nothing else explains."""
    path = [name]
    while True:
        claims = groups[path[-1]]
        first = claims[0]
        explanations = dict.fromkeys(_explanations(claims))
        candidates: list[_Group] = [(frozenset({cause}), False, None) for cause in explanations]
        found = [
            one
            for one in candidates
            if one in groups and groups[one][0].is_significant and _may_join(first)
        ]
        if not found:
            return path[-1]
        if found[0] in path:  # they explain each other: the highest-ranked one leads
            return min(path[path.index(found[0]) :], key=lambda one: groups[one][0].rank)
        path.append(found[0])


def _may_join(first: GradedClaim) -> bool:
    """Whether a cause with this leading claim may join another: it is significant, or only described."""
    return first.is_significant or (first.claim.p_value is None and not first.claim.counted)


def _explanations(claims: Sequence[GradedClaim]) -> Iterator[str]:
    """The attributes that explain a cause.

    Claims about the error rate of a value decide for all claims on the same attribute: all of them must
    be explained, and no claim may have a gap that is shown to remain above the limit.
    """
    asked = [one for one in claims if one.claim.question in _DECIDING]
    if not claims[0].claim.slice.attributes:
        deciding = claims  # any of them may have an explanation
    elif not asked:
        deciding = claims[:1]
    elif all(one.claim.explained_by for one in asked) and not any(map(_remains, claims)):
        deciding = asked[:1]
    else:
        deciding = []
    return (cause for one in deciding for cause in one.claim.explained_by)


def _remains(one: GradedClaim) -> bool:
    held = one.claim.part(HeldFixed)
    return (
        held is not None
        and held.state in {"remains", "weakens"}
        and held.jointly is not None
        and one.claim.effect is not None
        and one.claim.effect.unit == "points"
        and held.jointly.low > one.claim.limit
    )
