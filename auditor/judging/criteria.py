"""Acceptance criteria: configured ones, and defaults that no useful model misses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.config.criteria import Criterion, DefaultCriterion
from auditor.errors import ConfigError
from auditor.phrasing import interval, percent, quoted, signed_points
from auditor.records import AuditData, Estimate, SliceKey, Unit
from auditor.records.outcome import CriterionResult, CriterionState
from auditor.records.predictions import codes
from auditor.statistics import Interval, calibration, fisher_mid_p, mcnemar, wilson

MAX_OVERCONFIDENCE = 0.2
"""Default criterion: a mean confidence this far above the accuracy is grossly wrong."""
LEVEL = 0.01
"""Level of the default tests. Useful models exceed it by far; chance reaches it in 1 of 100 audits."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Evaluated:
    """What criteria are measured on.

    Attributes:
        audit: the evaluated samples.
        n_not_finite: samples whose outputs were NaN or infinite.
    """

    audit: AuditData
    n_not_finite: int


def examine_criteria(
    evaluated: Evaluated, defaults: Sequence[DefaultCriterion], configured: Sequence[Criterion]
) -> list[CriterionResult]:
    """Measures all criteria, the defaults first.

    Args:
        evaluated: the samples.
        defaults: the default criteria that apply.
        configured: those of the configuration.

    Returns:
        The results, with ids C1, C2, …

    Raises:
        ConfigError: a criterion names a class or an attribute value that does not exist.
    """
    measures = {
        "baseline": _baseline,
        "recall": _recalls_above_chance,
        "finite-outputs": _finite_outputs,
        "confidence": _confidence,
    }
    results = [one for name in defaults for one in measures[name](evaluated)]
    for position, criterion in enumerate(configured):
        results += _configured(evaluated.audit, criterion, f"criteria[{position}]")
    return [one.model_copy(update={"id": f"C{k}"}) for k, one in enumerate(results, start=1)]


def _baseline(evaluated: Evaluated) -> Iterator[CriterionResult]:
    """Accuracy against always predicting the most frequent class, on the same samples.

    McNemar's test, one-sided. At or below the baseline the criterion is missed, whatever the interval:
    such a model has shown no use.
    """
    label, correct = _outcomes(evaluated.audit)
    counts = np.bincount(label, minlength=len(evaluated.audit.classes))
    majority = int(counts.argmax())
    model_only = int((correct & (label != majority)).sum())
    baseline_only = int((~correct & (label == majority)).sum())
    total = len(label)
    test = mcnemar(model_only, baseline_only, max(total, 1))
    gain = test.change[()]
    p_value = float(test.p_value) / 2 if gain.value > 0 else 1 - float(test.p_value) / 2
    state: CriterionState = "undecided"
    if total and gain.value <= 0:
        state = "missed"
    elif total and p_value <= LEVEL:
        state = "met"
    accuracy = wilson(int(correct.sum()), total)[()]
    share = counts[majority] / max(total, 1)
    yield CriterionResult(
        id="",
        name="accuracy above always predicting the most frequent class",
        metric="accuracy",
        bound="above",
        threshold=float(share),
        unit="share",
        estimate=Estimate.of(accuracy) if total else None,
        p_value=p_value if total else None,
        support=total,
        state=state,
        configured=False,
        statement=(
            f"Accuracy is {percent(accuracy.value)} ({interval(accuracy)}); always predicting "
            f"{quoted(evaluated.audit.classes[majority])} would reach {percent(share)}."
            if total
            else "No sample could be evaluated."
        ),
    )


def _recalls_above_chance(evaluated: Evaluated) -> Iterator[CriterionResult]:
    """For every class with samples: is it predicted more often for its own samples than for others?

    Chance is the rate at which the class is predicted for samples of other labels: a model that
    ignores the image has the same rate for both. Fisher's exact test, mid-p, one-sided, with Holm's
    correction over the classes.
    """
    audit = evaluated.audit
    label, _ = _outcomes(audit)
    predicted = codes(audit.predictions["predicted"])
    n_classes = len(audit.classes)
    own = np.bincount(label, minlength=n_classes)
    hits = np.bincount(label[label == predicted], minlength=n_classes)
    called = np.bincount(predicted, minlength=n_classes)
    others = len(label) - own
    false = called - hits
    present = np.flatnonzero(own)
    two_sided = fisher_mid_p(
        *(one[present].astype(np.float64) for one in (hits, own, false, others))
    )
    recall = hits[present] / own[present]
    chance = np.divide(
        false[present], others[present], out=np.ones(len(present)), where=others[present] > 0
    )
    p_values = np.where(recall > chance, two_sided / 2, 1 - two_sided / 2)
    adjusted = holm(p_values)
    rates = wilson(hits[present], own[present])
    for k, code in enumerate(present):
        state: CriterionState = "undecided"
        if recall[k] <= chance[k] and others[code]:
            state = "missed"
        elif adjusted[k] <= LEVEL:
            state = "met"
        name = audit.classes[code]
        yield CriterionResult(
            id="",
            name=f"recall of {quoted(name)} above chance",
            metric="recall",
            class_name=name,
            slice=SliceKey(label=name),
            bound="above",
            threshold=float(chance[k]),
            unit="share",
            estimate=Estimate.of(rates[k]),
            p_value=float(adjusted[k]),
            support=int(own[code]),
            state=state,
            configured=False,
            statement=(
                f"{int(hits[code])} of {int(own[code])} {quoted(name)} samples are recognised "
                f"({percent(recall[k])}; {interval(rates[k])}); {percent(chance[k])} of the other "
                f"samples are called {quoted(name)}."
                if others[code]
                else f"All samples have the label {quoted(name)}, so nothing can be compared."
            ),
        )


def _finite_outputs(evaluated: Evaluated) -> Iterator[CriterionResult]:
    n_finite = len(evaluated.audit.predictions)
    total = n_finite + evaluated.n_not_finite
    state: CriterionState = "met"
    if evaluated.n_not_finite:
        state = "missed" if n_finite else "undecided"
    share = wilson(evaluated.n_not_finite, total)[()]
    yield CriterionResult(
        id="",
        name="outputs are finite",
        metric="non-finite outputs",
        bound="at most",
        threshold=0.0,
        unit="share",
        estimate=Estimate.of(share) if total else None,
        support=total,
        state=state if total else "undecided",
        configured=False,
        statement=f"{evaluated.n_not_finite} of {total} samples have NaN or infinite outputs.",
    )


def _confidence(evaluated: Evaluated) -> Iterator[CriterionResult]:
    over = _overconfidence(evaluated.audit, np.ones(len(evaluated.audit.predictions), dtype=bool))
    yield CriterionResult(
        id="",
        name="confidence is not grossly too high",
        metric="overconfidence",
        bound="at most",
        threshold=MAX_OVERCONFIDENCE,
        unit="points",
        estimate=None if over is None else Estimate.of(over),
        support=len(evaluated.audit.predictions),
        state="undecided" if over is None else _state(over, None, MAX_OVERCONFIDENCE),
        configured=False,
        statement=(
            "There are too few samples to compare confidence and accuracy."
            if over is None
            else f"The mean confidence is {signed_points(over.value)} above the accuracy "
            f"({interval(over, ' points')})."
        ),
    )


def _configured(
    audit: AuditData, criterion: Criterion, place: str
) -> Iterator[CriterionResult]:
    names: Iterable[str | None] = (criterion.class_name,)
    if criterion.class_name == "each":
        names = audit.classes
    elif criterion.class_name is not None and criterion.class_name not in audit.classes:
        raise ConfigError(
            f"{place}: expected one of the classes {', '.join(audit.classes[:10])}, or `each`; got "
            f"{criterion.class_name!r}"
        )
    chosen = _members(audit, criterion.slice, place)
    for name in names:
        rate, support = _measured(audit, criterion, name, chosen)
        threshold = criterion.min if criterion.min is not None else criterion.max
        assert threshold is not None  # the configuration demands one of them
        what = criterion.metric if name is None else f"{criterion.metric} of {quoted(name)}"
        where = "".join(f", {key} = {value}" for key, value in criterion.slice.items())
        bound = "at least" if criterion.min is not None else "at most"
        yield CriterionResult(
            id="",
            name=f"{what}{where} {bound} {percent(threshold)}",
            metric=criterion.metric,
            class_name=name,
            slice=SliceKey(attributes=criterion.slice),
            bound="at least" if criterion.min is not None else "at most",
            threshold=threshold,
            unit=_UNITS.get(criterion.metric, "share"),
            estimate=None if rate is None else Estimate.of(rate),
            support=support,
            state="undecided" if rate is None else _state(rate, criterion.min, criterion.max),
            configured=True,
            statement=(
                f"There is no sample to measure {what}{where}."
                if rate is None
                else f"{what[:1].upper()}{what[1:]}{where} is {percent(rate.value)} "
                f"({interval(rate)}; n = {support}); required is {bound} {percent(threshold)}."
            ),
        )


_UNITS: dict[str, Unit] = {"overconfidence": "points"}


def _state(rate: Interval, least: float | None, most: float | None) -> CriterionState:
    """Met or missed only where the whole interval is on one side of the threshold."""
    if least is not None:
        return "met" if rate.low >= least else "missed" if rate.high < least else "undecided"
    assert most is not None
    return "met" if rate.high <= most else "missed" if rate.low > most else "undecided"


def _measured(
    audit: AuditData, criterion: Criterion, name: str | None, chosen: Mask
) -> tuple[Interval | None, int]:
    """The metric with its interval, and the number of samples it rests on."""
    label, correct = _outcomes(audit)
    if criterion.metric == "overconfidence":
        return _overconfidence(audit, chosen), int(chosen.sum())
    if criterion.metric == "calibration-error":
        confidence = audit.predictions["confidence"].to_numpy(dtype=np.float64)
        found = calibration(confidence[chosen], correct[chosen], seed=audit.seed)
        return (found.error if found.support > 1 else None), found.support
    if name is not None:
        column = label if criterion.metric == "recall" else codes(audit.predictions["predicted"])
        chosen = chosen & (column == audit.classes.index(name))
    total = int(chosen.sum())
    rate = wilson(int(correct[chosen].sum()), total)[()]
    return (rate if total else None), total


def _overconfidence(audit: AuditData, chosen: Mask) -> Interval | None:
    _, correct = _outcomes(audit)
    confidence = audit.predictions["confidence"].to_numpy(dtype=np.float64)
    found = calibration(confidence[chosen], correct[chosen], n_bootstrap=2, seed=audit.seed)
    return found.overconfidence if found.support > 1 else None


def _members(audit: AuditData, values: dict[str, str], place: str) -> Mask:
    chosen = np.ones(len(audit.predictions), dtype=bool)
    for name, value in values.items():
        if name not in audit.attributes:
            raise ConfigError(
                f"{place}.slice: expected one of the attributes {', '.join(audit.attributes)}; got "
                f"{name!r}"
            )
        column = audit.predictions[name]
        known = [str(one) for one in column.cat.categories]
        if value not in known:
            raise ConfigError(
                f"{place}.slice.{name}: expected one of {', '.join(known[:10])}; got {value!r}"
            )
        chosen &= (column == value).to_numpy(dtype=bool)
    return chosen


def _outcomes(audit: AuditData) -> tuple[NDArray[np.int64], Mask]:
    frame = audit.predictions
    return codes(frame["label"]), ~frame["failure"].to_numpy(dtype=bool)
