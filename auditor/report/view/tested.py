"""Hypotheses that were tested and did not become a finding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.phrasing import count, plural
from auditor.records import Effect, TestedRecord


@dataclass(frozen=True)
class TestedView:
    """A hypothesis that was tested and did not become a finding.

    Attributes:
        check: the check that tested it.
        title: what was measured, in one sentence.
        effect: the effect; None if no limit applies to it.
        q_value: q-value of the test.
        reason: why it is not a finding, in a few words.
    """

    check: str
    title: str
    effect: Effect | None
    q_value: float
    reason: str


def view_of_tested(one: TestedRecord) -> TestedView:
    """A row of the table of tested hypotheses that did not become a finding."""
    return TestedView(one.check, one.title, one.effect, one.q_value, _reason(one))


def count_tested(n_tested: int) -> str:
    """The number of tested hypotheses that did not become a finding, in a sentence."""
    verb = "was" if n_tested == 1 else "were"
    return (
        f"{plural(n_tested, 'hypothesis', 'hypotheses')} {verb} tested without becoming a finding."
    )


def describe_tested(tested: Sequence[TestedRecord], alpha: float) -> str:
    """Their number, and why they are not findings; empty if there are none.

    Args:
        tested: records of the audit.
        alpha: a q-value up to this is significant.
    """
    if not tested:
        return ""
    n_significant = sum(one.reason != "may be chance" for one in tested)
    text = (
        f"{count_tested(len(tested))} A q-value above {alpha:g} means that an effect may be due to chance, "
        "even if its interval, which is not corrected for all tests, excludes zero."
    )
    if n_significant:
        one = n_significant == 1
        text += (
            f" {count(n_significant)} {'is' if one else 'are'} significant, but the effect is within its "
            "limit, is no excess (its counterpart may be a finding), or has no limit (such as a "
            "shift of maps)."
        )
    return text


def _reason(one: TestedRecord) -> str:
    if one.reason == "no effect of this kind":
        return "no limit applies"
    if one.reason == "within the limit" and one.effect is not None:
        nothing = 1.0 if one.effect.unit == "ratio" else 0.0
        return "no excess" if one.effect.value < nothing else "within the limit"
    return one.reason
