"""Alerts about missed criteria, in front of the findings of the checks."""

from __future__ import annotations

from collections.abc import Sequence

from auditor.phrasing import class_and_slice, percents, plural, points, quoted, several
from auditor.records import ClaimRecord, CriterionResult, Finding, SliceKey
from auditor.records.outcome import ACCEPTANCE_CRITERIA

_CHECK_OF_METRIC = {
    "overconfidence": "calibration-gap",
    "calibration-error": "calibration-gap",
    "recall": "class-gap",
}
"""The check that reports the same number as a metric."""
_OF_CLASSES = (
    "Check the order of the classes, the preprocessing and the weights first, then look at the "
    "failures."
)
_OF_SLICES = (
    "Examine the failures of these slices, and add training images that resemble them. Then audit again "
    "with the same criteria."
)


def with_missed_criteria(
    findings: Sequence[Finding], criteria: Sequence[CriterionResult]
) -> list[Finding]:
    """Puts one alert for each missed criterion before the findings.

    A criterion that does not block the gate becomes a note, after the findings. A check's finding
    about the same number becomes a supporting claim of the alert.

    Args:
        findings: of the checks, most severe first.
        criteria: of the audit.

    Returns:
        The findings, renumbered.
    """
    missed: dict[tuple[str, str, bool], list[CriterionResult]] = {}
    for one in criteria:
        if one.state == "missed":
            missed.setdefault((one.criterion or one.metric, one.bound, one.blocking), []).append(
                one
            )
    alerts = [_finding(group, findings) for group in missed.values()]
    covered = {id(one) for group in missed.values() for one in _same_number(group, findings)}
    found = [
        *(one for one in alerts if one.severity == "alert"),
        *(one for one in findings if id(one) not in covered),
        *(one for one in alerts if one.severity != "alert"),
    ]
    return [one.model_copy(update={"id": f"F{k}"}) for k, one in enumerate(found, start=1)]


def _same_number(missed: Sequence[CriterionResult], findings: Sequence[Finding]) -> list[Finding]:
    """The findings of checks about the numbers that these criteria judge."""
    check = _CHECK_OF_METRIC.get(missed[0].metric)
    slices = [one.slice for one in missed]
    return [one for one in findings if one.check == check and one.slice in slices]


def _finding(missed: Sequence[CriterionResult], findings: Sequence[Finding]) -> Finding:
    """An alert about criteria of one kind, such as the recall of several classes."""
    first = missed[0]
    same = _same_number(missed, findings)
    return Finding(
        id="",
        check=ACCEPTANCE_CRITERIA,
        kind="outcome",
        title=_missed_title(missed),
        severity="alert" if first.blocking else "note",
        verdict="observed",
        slice=first.slice if len(missed) == 1 else SliceKey(),
        effect=None,
        p_value=None,
        q_value=None,
        support=sum(one.support for one in missed),
        samples=[],
        statement=[one.statement for one in missed],
        action=_OF_SLICES if first.slice.attributes else _OF_CLASSES,
        limits="A criterion describes the samples of this audit; other data may give other values.",
        supporting=[claim for one in same for claim in (_as_claim(one), *one.supporting)],
    )


def _as_claim(finding: Finding) -> ClaimRecord:
    return ClaimRecord(**{name: getattr(finding, name) for name in ClaimRecord.model_fields})


def _missed_title(missed: Sequence[CriterionResult]) -> str:
    first = missed[0]
    if first.configured:
        if len(missed) == 1:
            return f"Missed: {first.name}"
        subjects = several([class_and_slice(one.class_name, one.slice) for one in missed])
        return f"Missed: {first.criterion}, for {subjects}"
    measured = first.estimate.value if first.estimate is not None else 0.0
    if first.metric == "accuracy":
        accuracy, constant = percents(measured, first.threshold)
        return (
            f"Accuracy is {accuracy}, no better than always predicting the most frequent class "
            f"({constant})"
        )
    if first.metric == "recall":
        names = several([quoted(one.class_name or "") for one in missed])
        classes = plural(len(missed), "class is", "classes are")
        return f"{classes} not recognised better than by chance: {names}"
    if first.metric == "overconfidence":
        return f"The mean confidence is {points(measured)} above the accuracy"
    return first.statement.removesuffix(".")
