"""Default criteria, which every useful model meets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from auditor.comparisons.clusters import inflation, shares_of, widened
from auditor.config.criteria import DefaultCriterion
from auditor.phrasing import interval, percent, quoted, signed_points
from auditor.records import AuditData, CriterionResult, Estimate, SliceKey
from auditor.records.outcome import GROSS_OVERCONFIDENCE
from auditor.records.predictions import codes
from auditor.statistics import (
    Interval,
    judge_against_chance,
    judge_against_majority,
    judge_interval,
    overconfidence,
    wilson,
)

LEVEL = 0.01
"""Level of the default tests: useful models pass them easily, and a guessing model in 1 of 100 audits."""

Mask = NDArray[np.bool_]


def examine_defaults(
    audit: AuditData, n_not_finite: int, defaults: Sequence[DefaultCriterion]
) -> Iterator[CriterionResult]:
    """Measures the default criteria.

    A task with a decision threshold is not compared with always predicting the most frequent class: a
    threshold for a high sensitivity may cost accuracy on purpose. Its classes have to be recognised
    better than by chance, as those of other tasks do.

    Args:
        audit: the evaluated samples.
        n_not_finite: samples that could not be evaluated because an output was NaN or infinite.
        defaults: the criteria that apply.
    """
    if "baseline" in defaults and audit.decisions is None:
        yield _baseline(audit)
    if "recall" in defaults:
        yield from _recalls_above_chance(audit)
    if "finite-outputs" in defaults:
        yield _finite_outputs(audit, n_not_finite)
    if "confidence" in defaults:
        yield _confidence(audit)


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
        statement=(
            f"Accuracy is {percent(accuracy.value)} ({interval(accuracy)}); always predicting "
            f"{quoted(audit.classes[majority])} would reach {percent(share)}."
            if total
            else "No sample could be evaluated."
        ),
    )


def _recalls_above_chance(audit: AuditData) -> Iterator[CriterionResult]:
    """For every class with samples, whether it is recognised better than by chance."""
    blocks = _compared_classes(audit)
    for classes in blocks:
        # Levels of several labels add up.
        yield from _recalls_of(audit, classes, LEVEL / len(blocks))


def _compared_classes(audit: AuditData) -> list[NDArray[np.int64]]:
    """Classes that are alternatives: all, or of a multi-label task, the two of each label."""
    n_classes = len(audit.classes)
    if audit.decisions is None or len(audit.decisions.names) == 1:
        return [np.arange(n_classes, dtype=np.int64)]
    positive = [audit.classes.index(name) for name in audit.decisions.names]
    return [np.array([k, k + 1], dtype=np.int64) for k in positive]


def _recalls_of(
    audit: AuditData, classes: NDArray[np.int64], level: float
) -> Iterator[CriterionResult]:
    """The recalls of classes that are alternatives to each other."""
    matrix = _confusion_matrix(audit)[np.ix_(classes, classes)]
    label, right = codes(audit.predictions["label"]), _correct(audit)
    rows = [np.flatnonzero(label == k) for k in classes]
    worth = inflation(audit, right, rows)
    found = judge_against_chance(np.rint(matrix / worth[:, None]), level)
    hits, own, predicted = np.diagonal(matrix), matrix.sum(1), matrix.sum(0)
    others = matrix.sum() - own
    rates = shares_of(audit, right, rows)
    for k in map(int, np.flatnonzero(own)):
        name = audit.classes[classes[k]]
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
    share = wilson(n_not_finite, total)[()]
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
    over = _overconfidence(audit)
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


def _overconfidence(audit: AuditData) -> Interval | None:
    confidence = audit.predictions["confidence"].to_numpy(dtype=np.float64)
    if len(confidence) < 2:
        return None
    correct = _correct(audit)
    worth = float(inflation(audit, confidence - correct, [np.arange(len(confidence))])[0])
    return widened(overconfidence(confidence, correct).difference, worth)


def _correct(audit: AuditData) -> Mask:
    return ~audit.predictions["failure"].to_numpy(dtype=bool)


def _confusion_matrix(audit: AuditData) -> NDArray[np.int64]:
    """(K, K) samples by label (rows) and prediction (columns)."""
    n_classes = len(audit.classes)
    cells = codes(audit.predictions["label"]) * n_classes + codes(audit.predictions["predicted"])
    return np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes)
