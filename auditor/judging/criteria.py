"""Acceptance criteria: those of the configuration, and defaults that every useful model meets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from auditor.comparisons.clusters import inflation, shares_of, widened
from auditor.config.criteria import Criterion, DefaultCriterion
from auditor.errors import ConfigError
from auditor.phrasing import (
    interval,
    percent,
    percents,
    plural,
    points,
    quoted,
    several,
    signed_points,
)
from auditor.records import AuditData, ClaimRecord, Estimate, Finding, SliceKey, Unit
from auditor.records.outcome import ACCEPTANCE_CRITERIA, GROSS_OVERCONFIDENCE, CriterionResult
from auditor.records.predictions import codes
from auditor.statistics import (
    Interval,
    calibration,
    judge_against_chance,
    judge_against_majority,
    judge_interval,
    overconfidence,
    proportion,
)

LEVEL = 0.01
"""Level of the default tests: useful models pass them easily, and a guessing model in 1 of 100 audits."""
_UNITS: dict[str, Unit] = {"overconfidence": "points"}
_CHECK_OF_METRIC = {
    "overconfidence": "calibration-gap",
    "calibration-error": "calibration-gap",
    "recall": "class-gap",
}
"""The check that reports the same number as a metric."""

Mask = NDArray[np.bool_]


def examine_criteria(
    audit: AuditData,
    n_not_finite: int,
    defaults: Sequence[DefaultCriterion],
    configured: Sequence[Criterion],
) -> list[CriterionResult]:
    """Measures all criteria, the defaults first.

    Args:
        audit: the evaluated samples.
        n_not_finite: samples that could not be evaluated because an output was NaN or infinite.
        defaults: the default criteria that apply.
        configured: those of the configuration.

    Returns:
        The results, with ids C1, C2, …

    Raises:
        ConfigError: a criterion names an attribute value that no sample has.
    """
    results: list[CriterionResult] = []
    if "baseline" in defaults:
        results.append(_baseline(audit))
    if "recall" in defaults:
        results += _recalls_above_chance(audit)
    if "finite-outputs" in defaults:
        results.append(_finite_outputs(audit, n_not_finite))
    if "confidence" in defaults:
        results.append(_confidence(audit))
    for position, criterion in enumerate(configured):
        results += _configured(audit, criterion, f"criteria[{position}]")
    return [one.model_copy(update={"id": f"C{k}"}) for k, one in enumerate(results, start=1)]


def require_known_names(
    configured: Sequence[Criterion], classes: Sequence[str], attributes: Sequence[str]
) -> None:
    """Checks that criteria name existing classes and attributes, before anything is predicted.

    Raises:
        ConfigError: a criterion names another one.
    """
    for position, criterion in enumerate(configured):
        place = f"criteria[{position}]"
        if criterion.class_name not in {None, "each", *classes}:
            raise ConfigError(
                f"{place}.class: expected one of the classes {several(list(classes), 10)}, or `each`; "
                f"got {criterion.class_name!r}"
            )
        for name in criterion.slice:
            if name not in attributes:
                known = several(list(attributes), 10) if attributes else "(there are none)"
                raise ConfigError(
                    f"{place}.slice: expected one of the attributes {known}; got {name!r}"
                )


def with_missed_criteria(
    findings: Sequence[Finding], criteria: Sequence[CriterionResult]
) -> list[Finding]:
    """Puts one alert for each kind of missed criterion before the findings.

    A check's finding about the same number becomes a supporting claim of the alert.

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
        own, constant = percents(measured, first.threshold)
        baseline = f"always predicting the most frequent class ({constant})"
        return f"Accuracy is {own}, no better than {baseline}"
    if first.metric == "recall":
        names = several([quoted(one.class_name or "") for one in missed])
        classes = plural(len(missed), "class is", "classes are")
        return f"{classes} not recognised better than by chance: {names}"
    if first.metric == "overconfidence":
        return f"The mean confidence is {points(measured)} above the accuracy"
    return first.statement.removesuffix(".")


def _baseline(audit: AuditData) -> CriterionResult:
    """Accuracy against always predicting the most frequent class, on the same samples."""
    matrix = _confusion_matrix(audit)
    correct, totals = np.diagonal(matrix), matrix.sum(1)
    total = int(totals.sum())
    majority = int(totals.argmax())
    share = float(totals[majority] / max(total, 1))
    right = _correct(audit)
    accuracy = shares_of(audit, right, [np.arange(total)])[0]
    better = right.astype(np.float64) - (codes(audit.predictions["label"]) == majority)
    worth = inflation(audit, better, [np.arange(total)])
    found = judge_against_majority(np.rint(correct / worth), np.rint(totals / worth), LEVEL)
    # A model that is not better than the baseline misses the criterion, however wide the interval is.
    shows_no_use = total > 0 and correct.sum() <= totals[majority]
    return CriterionResult(
        id="",
        name="accuracy above always predicting the most frequent class",
        metric="accuracy",
        bound="above",
        threshold=share,
        unit="share",
        estimate=Estimate.of(accuracy) if total else None,
        p_value=found.p_met if total else None,
        support=total,
        state="missed" if shows_no_use else found.status,
        configured=False,
        statement=_against_constant(accuracy, share, audit.classes[majority]),
    )


def _against_constant(accuracy: Interval, share: float, majority: str) -> str:
    if np.isnan(accuracy.value):
        return "No sample could be evaluated."
    own, constant = percents(accuracy.value, share)
    baseline = f"always predicting {quoted(majority)} would reach {constant}"
    return f"Accuracy is {own} ({interval(accuracy)}); {baseline}."


def _recalls_above_chance(audit: AuditData) -> Iterator[CriterionResult]:
    """For every class with samples, whether it is recognised better than by chance."""
    matrix = _confusion_matrix(audit)
    label, right = codes(audit.predictions["label"]), _correct(audit)
    rows = [np.flatnonzero(label == k) for k in range(len(matrix))]
    worth = inflation(audit, right, rows)
    found = judge_against_chance(np.rint(matrix / worth[:, None]), LEVEL)
    hits, own, predicted = np.diagonal(matrix), matrix.sum(1), matrix.sum(0)
    others = matrix.sum() - own
    rates = shares_of(audit, right, rows)
    for k in map(int, np.flatnonzero(own)):
        name = audit.classes[k]
        chance = float((predicted[k] - hits[k]) / others[k]) if others[k] else 1.0
        yield CriterionResult(
            id="",
            name=f"recall of {quoted(name)} above chance",
            metric="recall",
            class_name=name,
            slice=SliceKey(label=name),
            bound="above",
            threshold=chance,
            unit="share",
            estimate=Estimate.of(rates[k]),
            p_value=float(found.p_met[k]) if np.isfinite(found.p_met[k]) else None,
            support=int(own[k]),
            state=found.each[k],
            configured=False,
            statement=(
                f"{int(hits[k])} of {int(own[k])} {quoted(name)} samples are recognised "
                f"({percent(hits[k] / own[k])}; {interval(rates[k])}); {percent(chance)} of the other "
                f"samples are predicted as {quoted(name)}."
                if others[k]
                else f"All samples have the label {quoted(name)}; there is nothing to compare."
            ),
        )


def _finite_outputs(audit: AuditData, n_not_finite: int) -> CriterionResult:
    n_finite = len(audit.predictions)
    total = n_finite + n_not_finite
    share = proportion(n_not_finite, total)[()]
    # Without a finite output, nothing was examined.
    state = "undecided" if not n_finite else "missed" if n_not_finite else "met"
    return CriterionResult(
        id="",
        name="finite outputs",
        metric="non-finite outputs",
        bound="at most",
        threshold=0.0,
        unit="share",
        estimate=Estimate.of(share) if total else None,
        support=total,
        state=state,
        configured=False,
        statement=f"{n_not_finite} of {total} samples have NaN or infinite outputs.",
    )


def _confidence(audit: AuditData) -> CriterionResult:
    over = _overconfidence(audit, np.ones(len(audit.predictions), dtype=bool))
    return CriterionResult(
        id="",
        name="confidence not grossly too high",
        metric="overconfidence",
        bound="at most",
        threshold=GROSS_OVERCONFIDENCE,
        unit="points",
        estimate=None if over is None else Estimate.of(over),
        support=len(audit.predictions),
        state=(
            "undecided"
            if over is None
            else judge_interval(over, GROSS_OVERCONFIDENCE, higher_is_better=False)
        ),
        configured=False,
        statement=(
            "There are too few samples to compare confidence and accuracy."
            if over is None
            else f"The mean confidence minus the accuracy is {signed_points(over.value)} "
            f"({interval(over, ' points')})."
        ),
    )


def _configured(audit: AuditData, criterion: Criterion, place: str) -> Iterator[CriterionResult]:
    names = audit.classes if criterion.class_name == "each" else (criterion.class_name,)
    chosen = _members(audit, criterion.slice, place)
    for name in names:
        yield _measured_against_bound(audit, criterion, name, chosen)


def _measured_against_bound(
    audit: AuditData, criterion: Criterion, name: str | None, chosen: Mask
) -> CriterionResult:
    rate, support = _measured(audit, criterion, name, chosen)
    higher = criterion.min is not None
    threshold = criterion.threshold
    what = criterion.metric if name is None else f"{criterion.metric} of {quoted(name)}"
    what += "".join(f", {key} = {value}" for key, value in criterion.slice.items())
    bound = f"{'at least' if higher else 'at most'} {percent(threshold)}"
    return CriterionResult(
        id="",
        name=f"{what} {bound}",
        metric=criterion.metric,
        class_name=name,
        slice=SliceKey(attributes=criterion.slice),
        bound="at least" if higher else "at most",
        threshold=threshold,
        unit=_UNITS.get(criterion.metric, "share"),
        estimate=None if rate is None else Estimate.of(rate),
        support=support,
        state=(
            "undecided"
            if rate is None
            else judge_interval(rate, threshold, higher_is_better=higher)
        ),
        configured=True,
        statement=(
            f"There are no samples to measure {what}."
            if rate is None
            else f"{what[:1].upper()}{what[1:]} is {percent(rate.value)} ({interval(rate)}; "
            f"n = {support}); the criterion requires {bound}."
        ),
    )


def _measured(
    audit: AuditData, criterion: Criterion, name: str | None, chosen: Mask
) -> tuple[Interval | None, int]:
    """The metric with its interval, and the number of samples."""
    correct = _correct(audit)
    if criterion.metric == "overconfidence":
        return _overconfidence(audit, chosen), int(chosen.sum())
    if criterion.metric == "calibration-error":
        confidence = audit.predictions["confidence"].to_numpy(dtype=np.float64)
        found = calibration(confidence[chosen], correct[chosen], seed=audit.seed)
        worth = float(inflation(audit, confidence - correct, [np.flatnonzero(chosen)])[0])
        return (widened(found.error, worth, 0.0) if found.support > 1 else None), found.support
    if name is not None:
        column = "label" if criterion.metric == "recall" else "predicted"
        chosen = chosen & (codes(audit.predictions[column]) == audit.classes.index(name))
    total = int(chosen.sum())
    return (shares_of(audit, correct, [np.flatnonzero(chosen)])[0] if total else None), total


def _overconfidence(audit: AuditData, chosen: Mask) -> Interval | None:
    confidence = audit.predictions["confidence"].to_numpy(dtype=np.float64)
    if int(chosen.sum()) < 2:
        return None
    correct = _correct(audit)
    worth = float(inflation(audit, confidence - correct, [np.flatnonzero(chosen)])[0])
    return widened(overconfidence(confidence[chosen], correct[chosen]).difference, worth)


def _members(audit: AuditData, values: dict[str, str], place: str) -> Mask:
    chosen = np.ones(len(audit.predictions), dtype=bool)
    for name, value in values.items():
        column = audit.predictions[name]
        known = [str(one) for one in column.cat.categories]
        if value not in known:
            raise ConfigError(
                f"{place}.slice.{name}: expected one of {', '.join(known[:10])}; got {value!r}"
            )
        chosen &= (column == value).to_numpy(dtype=bool)
    return chosen


def _correct(audit: AuditData) -> Mask:
    return ~audit.predictions["failure"].to_numpy(dtype=bool)


def _confusion_matrix(audit: AuditData) -> NDArray[np.int64]:
    """(K, K) samples by label (rows) and prediction (columns)."""
    n_classes = len(audit.classes)
    cells = codes(audit.predictions["label"]) * n_classes + codes(audit.predictions["predicted"])
    return np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes)
