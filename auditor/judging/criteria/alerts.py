"""Alerts about missed criteria, in front of the findings of the checks."""

from __future__ import annotations

from collections.abc import Sequence

from auditor.phrasing import percent, plural, points, quoted, several
from auditor.records import ClaimRecord, CriterionResult, Finding, SliceKey
from auditor.records.outcome import ACCEPTANCE_CRITERIA

_CHECK_OF_METRIC = {"overconfidence": "calibration-gap", "calibration-error": "calibration-gap"}
"""The check that reports the same number as a metric."""


def with_missed_criteria(
    findings: Sequence[Finding], criteria: Sequence[CriterionResult]
) -> list[Finding]:
    """Puts one alert for each kind of missed criterion before the findings.

    A check's finding about the same number, on all samples, becomes a supporting claim of the alert.

    Args:
        findings: of the checks, most severe first.
        criteria: of the audit.

    Returns:
        The findings, renumbered.
    """
    missed: dict[tuple[str, str, bool], list[CriterionResult]] = {}
    for one in criteria:
        if one.state == "missed":
            missed.setdefault((one.metric, one.bound, one.configured), []).append(one)
    alerts = [_finding(group, findings) for group in missed.values()]
    covered = {id(one) for group in missed.values() for one in _same_number(group, findings)}
    found = [*alerts, *(one for one in findings if id(one) not in covered)]
    return [one.model_copy(update={"id": f"F{k}"}) for k, one in enumerate(found, start=1)]


def _same_number(missed: Sequence[CriterionResult], findings: Sequence[Finding]) -> list[Finding]:
    """The findings of checks about the number that these criteria judge, on all samples."""
    check = _CHECK_OF_METRIC.get(missed[0].metric)
    return [one for one in findings if one.check == check and one.slice == missed[0].slice]


def _finding(missed: Sequence[CriterionResult], findings: Sequence[Finding]) -> Finding:
    """An alert about criteria of one kind, such as the recall of several classes."""
    first = missed[0]
    same = _same_number(missed, findings)
    return Finding(
        id="",
        check=ACCEPTANCE_CRITERIA,
        kind="outcome",
        title=_missed_title(missed),
        severity="alert",
        verdict="observed",
        slice=first.slice if len(missed) == 1 else SliceKey(),
        effect=None,
        p_value=None,
        q_value=None,
        support=sum(one.support for one in missed),
        samples=[],
        statement=[one.statement for one in missed],
        action=(
            "Check the order of the classes, the preprocessing and the weights first; then the failures "
            "of these classes."
        ),
        limits="A criterion describes the samples of this audit; other data may give other values.",
        supporting=[claim for one in same for claim in (_as_claim(one), *one.supporting)],
    )


def _as_claim(finding: Finding) -> ClaimRecord:
    return ClaimRecord(**{name: getattr(finding, name) for name in ClaimRecord.model_fields})


def _missed_title(missed: Sequence[CriterionResult]) -> str:
    first = missed[0]
    if first.configured:
        return f"Missed: {several([one.name for one in missed])}"
    measured = first.estimate.value if first.estimate is not None else 0.0
    if first.metric == "accuracy":
        return (
            f"Accuracy is {percent(measured)}, no better than always predicting the most frequent class "
            f"({percent(first.threshold)})"
        )
    if first.metric == "recall":
        names = several([quoted(one.class_name or "") for one in missed])
        classes = plural(len(missed), "class is", "classes are")
        return f"{classes} not recognised better than by chance: {names}"
    if first.metric == "overconfidence":
        return f"The mean confidence is {points(measured)} above the accuracy"
    return first.statement.removesuffix(".")
