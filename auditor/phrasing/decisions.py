"""The task of an audit and its thresholds, in a sentence for every document."""

from __future__ import annotations

from auditor.phrasing.names import quoted, several
from auditor.phrasing.numbers import count, plural, probability
from auditor.records import Summary
from auditor.records.decisions import DecisionRecord

_SHOWN = 6
"""Labels whose thresholds are listed."""


def decision_text(decision: DecisionRecord, summary: Summary) -> str:
    """What the classifier decides, and from which probability on; empty for a single-label task.

    Args:
        decision: the decision rule of the audit.
        summary: the number of decisions.
    """
    if decision.task == "single-label":
        return ""
    source = f" ({decision.source})" if decision.source else ""
    pairs = list(zip(decision.positive, decision.thresholds, strict=True))
    if decision.task == "binary":
        ((positive, threshold),) = pairs
        return (
            f"The positive class, {quoted(positive)}, is predicted from a probability of "
            f"{probability(threshold)}{source}."
        )
    n_decisions = summary.n_decisions or 0
    labels = f"Each sample may have any of {count(len(pairs))} labels"
    if len(pairs) == 1:
        labels = f"Each sample has the label {quoted(pairs[0][0])} or not"
    text = (
        f"{labels}, which makes {plural(n_decisions, 'decision')}; a failure is a wrong decision. "
    )
    if len({threshold for _, threshold in pairs}) == 1:
        return (
            f"{text}A label is predicted from a probability of {probability(pairs[0][1])}{source}."
        )
    listed = several(
        [f"{quoted(label)} {probability(threshold)}" for label, threshold in pairs], _SHOWN
    )
    return f"{text}Labels are predicted from these probabilities{source}: {listed}."
