"""Correction for multiple testing over a whole audit, in two accounts.

**Outcomes of annotated attributes.** The first question is whether an attribute value has a higher error
rate than the rest. It holds most of the error that the audit may make; finer questions (with the other
attributes held fixed, between values, within a label, pairs of values, calibration …) hold a reserve, and
gain what the first question no longer needs once it is answered. The probability of accusing any
attribute value falsely stays below alpha, however many true causes there are: `gatekeeping`.

**Everything else**: interventions, data, attribution maps, properties computed from images, and slices
without an attribute. The false discovery rate is controlled over causes, and within each cause that is
found over its tests, so that one strong cause, which shows in dozens of tests, does not loosen the bound
for others. A cause whose outcomes were found counts as found here too.

Procedures and shares were chosen by simulated audits. Benjamini and Bogomolov's procedure for all tests
found a gap of 10 points in half of 1,000 samples in 94 % of audits, and one in 30 % of them in 91 %;
within a cause it bounds only the expected share of false claims, so a cause with twenty true claims came
with a false one on an innocent value. `gatekeeping` reaches 95 % at a smaller rate of false accusations. For
interventions and maps it fails: their permutation tests cannot reach the small levels that it leaves to
fine questions.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from auditor.judging.selected_causes import adjust_by_cause
from auditor.records import Claim, MultipleTestingRecord, Question
from auditor.statistics import Floats, gatekeeping

CONFIDENCE = 0.95
OUTCOMES = 0.92
"""Part of alpha for the outcomes of annotated attributes; the rest is for everything else. Where only one
of the two was tested, it has all of alpha."""
SHARES: dict[Question, float] = {
    "value": 0.86,
    "others held fixed": 0.04,
    "values compared": 0.04,
    "value within label": 0.02,
    "pair of values": 0.02,
    "further question": 0.02,
}
"""Shares of the questions on outcomes; the shares of questions without a test go to the others in
proportion."""
_SMALLEST = 1e-3
"""Smallest relative level of a test."""


@dataclass(frozen=True)
class Correction:
    """Adjusted p-values of an audit's claims.

    Attributes:
        q_values: (n,) adjusted p-values, one a claim; NaN where nothing was tested.
        levels: (n,) the level that each test was held to: among outcomes it is significant if its p-value
            is at most this; elsewhere, at least then. NaN where nothing was tested.
        alpha: bound on the probability of a false claim about an outcome.
        n_causes: how many causes were tested.
        for_outcomes: part of alpha that went to outcomes of annotated attributes, 0 to 1.
    """

    q_values: Floats
    levels: Floats
    alpha: float
    n_causes: int
    for_outcomes: float

    @property
    def n_tests(self) -> int:
        """How many hypotheses were tested."""
        return int((~np.isnan(self.q_values)).sum())

    @property
    def n_significant(self) -> int:
        """How many of them are significant after the correction."""
        return int((self.q_values <= self.alpha).sum())

    def account(self, by_check: Mapping[str, int]) -> MultipleTestingRecord:
        """The account of the correction, as it is written to ``audit.json``.

        Args:
            by_check: number of tests of each check.
        """
        return MultipleTestingRecord(
            n_tests=self.n_tests,
            n_significant=self.n_significant,
            n_causes=self.n_causes,
            correction="gatekeeping over attributes for outcomes, which bounds the probability of any "
            "false accusation; Benjamini–Hochberg over causes and within each for interventions, data, "
            "maps and computed properties",
            alpha=self.alpha,
            interval_confidence=CONFIDENCE,
            shares={
                **{str(one): self.for_outcomes * share for one, share in SHARES.items()},
                "other than outcomes": 1 - self.for_outcomes,
            },
            by_check=dict(by_check),
        )


def adjust(claims: Sequence[Claim], alpha: float) -> Correction:
    """Adjusts the p-values of all claims together.

    Args:
        claims: everything that was examined; claims without a p-value do not count.
        alpha: bound on the probability of a false claim about an outcome, and on the false discovery
            rate of all else.

    Returns:
        The adjusted values, never below the p-value itself, and the levels given.
    """
    tests = list(_tests(claims))
    outcomes = [one for one in tests if one.question is not None]
    others = [one for one in tests if one.question is None]
    part = OUTCOMES if outcomes and others else float(bool(outcomes))
    first = _gatekept(outcomes, alpha, part)
    found: dict[frozenset[str], float] = {}
    for one, value in zip(outcomes, first.q_values, strict=True):
        found[one.cause] = min(found.get(one.cause, 1.0), float(value))
    places = [place for one in others for place in one.members]
    second = _by_cause([claims[place] for place in places], alpha, found, 1 - part)
    q_values, levels = np.full(len(claims), np.nan), np.full(len(claims), np.nan)
    for one, value, level in zip(outcomes, first.q_values, first.levels, strict=True):
        for place in one.members:
            p_value = _p(claims[place])
            levels[place] = level
            own = 0.0 if p_value == one.p_value else p_value * alpha / level
            q_values[place] = max(value, own)
    q_values[places], levels[places] = second.q_values, second.levels
    n_causes = len({one.cause for one in tests})
    return Correction(np.minimum(q_values, 1.0), levels, alpha, n_causes, part)


def question_of(claim: Claim) -> Question | None:
    """Which question on an outcome a claim answers; None for everything else."""
    if claim.kind != "outcome" or claim.computed:
        return None
    if claim.question is not None or not claim.slice.attributes:
        return claim.question
    if len(claim.slice.attributes) > 1:
        return "pair of values"
    return "further question" if claim.slice.label is None else "value within label"


@dataclass(frozen=True)
class _Test:
    """A claim, or claims that their check adjusted together.

    Attributes:
        members: their positions.
        p_value: the smallest.
        check: the check's name.
        cause: the attributes that it is about.
        question: on outcomes; None for everything else.
        level_weight: its part of the level of its question, beside the other tests of its check.
    """

    members: tuple[int, ...]
    p_value: float
    check: str
    cause: frozenset[str]
    question: Question | None
    level_weight: float


def _tests(claims: Sequence[Claim]) -> Iterator[_Test]:
    groups: dict[Hashable, list[int]] = {}
    for place, one in enumerate(claims):
        if one.p_value is not None:
            groups.setdefault((one.check, place if one.joint is None else one.joint), []).append(
                place
            )
    for members in groups.values():
        first = claims[members[0]]
        yield _Test(
            members=tuple(members),
            p_value=min(_p(claims[place]) for place in members),
            check=first.check,
            cause=frozenset(name for place in members for name in claims[place].slice.attributes),
            question=question_of(first),
            level_weight=max(_SMALLEST, *(claims[place].level_weight for place in members)),
        )


@dataclass(frozen=True)
class _Adjusted:
    """Adjusted p-values, and the levels that tests were held to."""

    q_values: Floats
    levels: Floats


def _gatekept(tests: Sequence[_Test], alpha: float, part: float) -> _Adjusted:
    """Outcomes: the error of a question goes evenly to its causes, then to their checks."""
    if not tests:
        return _Adjusted(np.empty(0), np.empty(0))
    whole: dict[Hashable, float] = {}
    for one in tests:
        group = (one.cause, one.question, one.check)
        whole[group] = whole.get(group, 0.0) + one.level_weight
    questions = list(SHARES)
    kept = gatekeeping(
        [one.p_value for one in tests],
        [one.cause for one in tests],
        [questions.index(one.question) for one in tests if one.question is not None],
        list(SHARES.values()),
        [one.level_weight / whole[one.cause, one.question, one.check] for one in tests],
        part * alpha,
    )
    return _Adjusted(kept.p_value / part, kept.level)


def _by_cause(
    claims: Sequence[Claim],
    alpha: float,
    found: Mapping[frozenset[str], float],
    part: float,
) -> _Adjusted:
    """Everything but outcomes: over all causes, or within a cause whose outcomes were found."""
    if not claims:
        return _Adjusted(np.empty(0), np.empty(0))
    adjusted = adjust_by_cause(claims)
    cause = np.array([found.get(frozenset(one.slice.attributes), 1.0) for one in claims])
    return _Adjusted(
        np.minimum(adjusted.q_values / part, np.fmax(cause, adjusted.within)),
        alpha * np.where(cause <= alpha, adjusted.shares_within, part * adjusted.shares),
    )


def _p(claim: Claim) -> float:
    return 1.0 if claim.p_value is None else claim.p_value
