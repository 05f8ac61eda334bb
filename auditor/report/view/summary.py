"""The outcome of an audit in a few sentences, for the first page of every document."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from auditor.phrasing import count, limits, percent, plural, sentence_start
from auditor.records import (
    AuditResult,
    CriterionResult,
    DataFaults,
    OutcomeReason,
    OutcomeState,
    Summary,
)
from auditor.report.view.gate_power import gate_power_text
from auditor.report.view.label_noise import label_noise_text

_UNNAMED_FAULT = "label doubtful"
"""Label of a sample if the check has no text for it."""


_NOT_JUDGED = "whether the model is worse for some groups (bias) cannot be judged."
_NO_ATTRIBUTES = f"The data has no attributes, so no groups were compared: {_NOT_JUDGED}"
_NONE_TESTED = f"No group has enough samples to be compared: {_NOT_JUDGED}"
_NO_BIAS = " It says nothing of bias: no groups were compared."
_HEADLINES: dict[OutcomeState, str] = {
    "passes": "Passes",
    "fails": "Does not pass",
    "undecided": "Cannot be judged",
    "no-gate": "No gate was set",
}


@dataclass(frozen=True)
class VerdictText:
    """The outcome of the audit.

    Attributes:
        state: for the style of the document.
        headline: the outcome in a few words.
        reason: why, in a sentence or two.
        reasons: everything that prevents the audit from passing.
        baseline: accuracy beside that of always predicting the most frequent class; empty if unknown.
        groups: that no groups were compared, if none were; empty otherwise.
        worst_class: the class with the lowest recall; empty if unknown.
        worst_slice: the slice with the highest error rate, partially pooled where there are three or more
            values; empty if there is none.
        gate_power: power of the gate against a gap; empty without a gate.
    """

    state: OutcomeState
    headline: str
    reason: str
    reasons: tuple[OutcomeReason, ...]
    baseline: str
    groups: str
    worst_class: str
    worst_slice: str
    gate_power: str


def verdict_text(result: AuditResult) -> VerdictText:
    """The outcome of the audit; it claims no more than was tested."""
    outcome = result.outcome
    failing = sum(one.state == "fails" for one in outcome.reasons)
    undecided = len(outcome.reasons) - failing
    scope = "This holds only for what was tested here, on these samples."
    reason = {
        "passes": f"No finding reaches the severity “{result.gate}”, and {_criteria_met(result)} {scope}",
        "fails": f"{plural(failing, 'reason')} not to pass"
        + (f", and {plural(undecided, 'question')} that cannot be decided." if undecided else "."),
        "undecided": "Nothing was found that blocks the gate, but too little could be examined to pass.",
        "no-gate": f"This audit only reports. {scope}",
    }[outcome.state]
    groups = _groups(result)
    return VerdictText(
        state=outcome.state,
        headline=_HEADLINES[outcome.state],
        reason=reason + (_NO_BIAS if groups and outcome.state == "passes" else ""),
        reasons=tuple(outcome.reasons),
        baseline=next((one.statement for one in result.criteria if _is_baseline(one)), ""),
        groups=groups,
        worst_class=_worst_class(result),
        worst_slice=_worst_slice(result),
        gate_power=gate_power_text(result.slices),
    )


def _groups(result: AuditResult) -> str:
    by_attribute = [one for one in result.slices if one.attributes and not one.computed]
    if any(one.gap is not None for one in by_attribute):
        return ""
    return _NONE_TESTED if by_attribute or result.attributes else _NO_ATTRIBUTES


def _criteria_met(result: AuditResult) -> str:
    """What a passing audit says of its criteria; those for information may be missed."""
    missed, undecided = (
        {one.criterion or one.name for one in result.criteria if one.state == state}
        for state in ("missed", "undecided")
    )
    parts = [
        f"{len(names)} {'is' if len(names) == 1 else 'are'} {state}"
        for names, state in ((missed, "missed"), (undecided - missed, "undecided"))
        if names
    ]
    if not parts:
        return "every criterion is met."
    return (
        "every criterion that blocks the gate is met. Of the criteria that do not block it, "
        f"{' and '.join(parts)}."
    )


def _is_baseline(one: CriterionResult) -> bool:
    return not one.configured and one.metric == "accuracy"


def _worst_class(result: AuditResult) -> str:
    known = [(one, one.recall) for one in result.classes if one.recall is not None]
    if not known:
        return ""
    worst, recall = min(known, key=lambda one: one[1].value)
    return (
        f"{worst.name}: recall {percent(recall.value)} ({limits(recall, 'share')}; "
        f"n = {count(worst.support)})"
    )


def _worst_slice(result: AuditResult) -> str:
    known = [
        (one, one.pooled_rate or one.error_rate, one.error_rate)
        for one in result.slices
        # A small slice is comparable if its rate is pooled, and otherwise if it was tested.
        if (one.pooled_rate is not None or one.gap is not None)
        and one.error_rate is not None
        and not (one.computed or one.tail)
        if len(one.attributes) == 1 and one.label is None
    ]
    if not known:
        return ""
    worst, ranked, rate = max(known, key=lambda one: one[1].value)
    names = ", ".join(f"{name} = {value}" for name, value in worst.attributes.items())
    text = (
        f"{names}: error rate {percent(rate.value)} ({limits(rate, 'share')}; "
        f"n = {count(worst.support)})"
    )
    if worst.pooled_rate is None:
        return text
    return f"{text}; pooled estimate {percent(ranked.value)} ({limits(ranked, 'share')})"


def untested_text(n_slices: int, n_untested: int, n_skipped: int) -> str:
    """What could not be tested, in a sentence.

    Args:
        n_slices: number of slices.
        n_untested: number of slices that were too small.
        n_skipped: number of checks, or parts of them, that could not be done.
    """
    parts = []
    if n_untested:
        parts.append(f"{count(n_untested)} of {count(n_slices)} slices have too few samples")
    if n_skipped:
        parts.append(f"{plural(n_skipped, 'part')} of the checks could not be done")
    if not parts:
        return "Every slice was large enough, and every check could be done."
    return f"{sentence_start(', and '.join(parts))}."


def data_faults_text(result: AuditResult) -> str:
    """The number of failures that may be due to faults in the data, and the estimate of wrong labels.

    Empty if there is nothing of either kind, as in results of earlier versions.
    """
    found = result.data_faults
    if found is None:
        return ""
    noise = label_noise_text(found.label_noise, result.summary)
    return " ".join(one for one in (_suspected_failures(found, result.summary), noise) if one)


def _suspected_failures(found: DataFaults, summary: Summary) -> str:
    if not found.n_failures:
        return ""
    reasons = ", ".join(
        f"{_fault_name(found, check)} {count(n)}" for check, n in found.by_check.items()
    )
    twice = "; some for two reasons" if sum(found.by_check.values()) > found.n_failures else ""
    return (
        f"Of {count(summary.n_failures)} failures, {count(found.n_failures)} may be the data’s fault "
        f"({reasons}{twice}); all other numbers count them as failures."
    )


def faults_of_samples(faults: DataFaults | None) -> dict[str, str]:
    """Why each suspected failure may be due to a fault in the data, in a few words, by sample."""
    if faults is None:
        return {}
    return {
        sample: "; ".join(_faults_in_words(faults, checks))
        for sample, checks in faults.samples.items()
    }


def _fault_name(faults: DataFaults, check: str) -> str:
    return faults.labels[check].many if check in faults.labels else check


def _faults_in_words(faults: DataFaults, checks: Iterable[str]) -> Iterable[str]:
    for check in checks:
        yield faults.labels[check].one if check in faults.labels else _UNNAMED_FAULT
