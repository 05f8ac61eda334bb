"""Default criteria, which every useful model meets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from auditor.comparisons.clusters import inflation, shares_of, widened
from auditor.config.criteria import DefaultCriterion
from auditor.phrasing import (
    count,
    interval,
    is_or_are,
    percent,
    percents,
    plural,
    quoted,
    several,
    signed_points,
)
from auditor.records import AuditData, CriterionResult, Estimate, SliceKey
from auditor.records.outcome import GROSS_OVERCONFIDENCE
from auditor.records.predictions import codes
from auditor.statistics import (
    Interval,
    exchanged_classes,
    judge_against_chance,
    judge_against_majority,
    judge_interval,
    overconfidence,
    proportion,
)

LEVEL = 0.01
"""Level of the default tests: useful models pass them easily, and a guessing model in 1 of 100 audits."""
Mask = NDArray[np.bool_]


def examine_defaults(
    audit: AuditData, n_not_finite: int, defaults: Sequence[DefaultCriterion]
) -> Iterator[CriterionResult]:
    """Measures the default criteria.

    Args:
        audit: the evaluated samples.
        n_not_finite: samples that could not be evaluated because an output was NaN or infinite.
        defaults: the criteria that apply.
    """
    if "baseline" in defaults and _has_baseline(audit):
        yield _baseline(audit)
    if "recall" in defaults:
        several = audit.task == "multi-label"
        yield from _labels_above_chance(audit) if several else _recalls_above_chance(audit)
    if "finite-outputs" in defaults:
        yield _finite_outputs(audit, n_not_finite)
    if "confidence" in defaults:
        yield _confidence(audit)


def _has_baseline(audit: AuditData) -> bool:
    """Whether accuracy can be compared with always predicting the most frequent class.

    A threshold other than 0.5 gives up accuracy for sensitivity or specificity, and the accuracy of
    several labels says little where most are absent. There, being better than chance is the baseline.
    """
    if audit.decisions is None:
        return True
    return audit.task == "binary" and bool((audit.decisions.thresholds == 0.5).all())


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
    only_label = total > 0 and int(totals[majority]) == total
    # A model that is not better than the baseline misses the criterion, however wide the interval is.
    shows_no_use = total > 0 and correct.sum() <= totals[majority] and not only_label
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
        state="undecided" if only_label else "missed" if shows_no_use else found.status,
        configured=False,
        statement=_against_constant(accuracy, share, audit.classes[majority])
        + (" All samples have this label; there is nothing to compare." if only_label else "")
        + next(iter(_order_hints(matrix, audit.classes).values()), ""),
    )


def _order_hints(matrix: NDArray[np.int64], classes: Sequence[str]) -> dict[int, str]:
    """A hint for each label whose class looks exchanged with another one."""
    found = exchanged_classes(matrix)
    if not found:
        return {}
    predicted = np.arange(len(matrix))
    predicted[list(found)] = list(found.values())
    share = float(matrix[np.arange(len(matrix)), predicted].sum() / matrix.sum())
    names = several([quoted(classes[k]) for k in sorted({*found, *found.values()})], 6)
    how = "exchanged" if len(found) <= 2 else "in another order"
    hint = (
        f" With the classes {names} {how}, accuracy would be {percent(share)}: check the order of the "
        "classes in model.classes."
    )
    return dict.fromkeys(found, hint)


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
    hints = _order_hints(matrix, audit.classes)
    for k in map(int, np.flatnonzero(own)):
        name = audit.classes[k]
        chance = float((predicted[k] - hits[k]) / others[k]) if others[k] else 1.0
        yield CriterionResult(
            id="",
            name=f"recall of {quoted(name)} above chance",
            criterion="recall of every class above chance",
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
                f"{count(int(hits[k]))} of {plural(int(own[k]), f'{quoted(name)} sample')} "
                f"{is_or_are(int(hits[k]), int(own[k]))} recognised "
                f"({percent(hits[k] / own[k])}; {interval(rates[k])}); {percent(chance)} of the other "
                f"samples are predicted as {quoted(name)}.{hints.get(k, '')}"
                if others[k]
                else f"All samples have the label {quoted(name)}; there is nothing to compare."
            ),
        )


def _labels_above_chance(audit: AuditData) -> Iterator[CriterionResult]:
    """For every label with samples, whether its presence is recognised better than by chance."""
    decisions = audit.decisions
    assert decisions is not None
    right = _correct(audit)
    if not decisions.truth.any():
        yield _no_label()
    for k, name in enumerate(decisions.names):
        rows = np.flatnonzero(decisions.of_row == k)
        truth, called = decisions.truth[rows], decisions.called[rows]
        if not truth.any():
            continue
        matrix = np.bincount(2 * ~truth + ~called, minlength=4).reshape(2, 2)
        sides = [rows[truth], rows[~truth]]
        worth = inflation(audit, right, sides)
        # Each label is tested at its part of the level.
        found = judge_against_chance(np.rint(matrix / worth[:, None]), LEVEL / len(decisions.names))
        rate = shares_of(audit, right, sides[:1])[0]
        hits, own = int(matrix[0, 0]), int(matrix[0].sum())
        chance = float(matrix[1, 0] / matrix[1].sum()) if len(sides[1]) else 1.0
        yield CriterionResult(
            id="",
            name=f"sensitivity of {quoted(name)} above chance",
            criterion="sensitivity of every label above chance",
            metric="recall",
            class_name=name,
            slice=SliceKey(label=name),
            bound="above",
            threshold=chance,
            unit="share",
            estimate=Estimate.of(rate),
            p_value=float(found.p_met[0]) if np.isfinite(found.p_met[0]) else None,
            support=own,
            state=found.each[0],
            configured=False,
            statement=(
                f"{quoted(name)} is recognised in {count(hits)} of {plural(own, 'sample')} with it "
                f"({percent(rate.value)}; {interval(rate)}), and predicted for {percent(chance)} of the "
                "samples without it."
                if len(sides[1])
                else f"All samples have the label {quoted(name)}; there is nothing to compare."
            ),
        )


def _no_label() -> CriterionResult:
    """Where no sample has any label, nothing shows that the model recognises one."""
    return CriterionResult(
        id="",
        name="sensitivity of every label above chance",
        metric="recall",
        bound="above",
        threshold=0.0,
        unit="share",
        estimate=None,
        support=0,
        state="undecided",
        configured=False,
        statement="No sample has any of the labels; whether they are recognised is unknown.",
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
        statement=f"{count(n_not_finite)} of {plural(total, 'sample')} "
        f"{'has' if 1 in (n_not_finite, total) else 'have'} NaN or "
        "infinite outputs.",
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
