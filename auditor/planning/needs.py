"""How many samples one criterion needs in one slice, for each metric of the catalog."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auditor.config.criteria import Criterion
from auditor.planning.assumptions import Assumptions
from auditor.statistics.sample_size import (
    samples_for_auroc,
    samples_for_balanced_accuracy,
    samples_for_gap,
    samples_for_mean,
    samples_for_share,
)

_OF_ALL = frozenset({"accuracy", "error-rate", "selection-rate"})
"""Shares of all samples."""


@dataclass(frozen=True)
class Need:
    """Independent samples that a criterion needs in one slice.

    Attributes:
        counted: samples on which the metric rests; None above a million.
        share: of the samples that are counted.
        what: what they are, such as ``positive samples``; empty for all samples.
        assumed: the value that was assumed, in words.
    """

    counted: int | None
    share: float
    what: str
    assumed: float


@dataclass(frozen=True)
class Rule:
    """What a criterion asks of one slice.

    Attributes:
        criterion: of the configuration.
        power: required probability for this slice.
        rest_per_sample: samples of the rest for each one of the slice; for gaps.
        n_classes: number of classes.
    """

    criterion: Criterion
    power: float
    rest_per_sample: float = 1.0
    n_classes: int = 2


def need_of(rule: Rule, assumptions: Assumptions) -> Need:
    """How many samples a criterion needs in one slice.

    Args:
        rule: what it asks.
        assumptions: of the plan.

    Raises:
        MissingAssumptionError: an assumption is missing.
    """
    criterion = rule.criterion
    name = criterion.measured.name
    value = _assumed_value(criterion, assumptions)
    if not criterion.is_gap and not _acceptable(criterion, value):
        return Need(None, 1.0, "", value)
    if name == "f1":
        return _f1(rule, assumptions, value)
    counted = _counted(criterion, assumptions, value)
    if counted is not None:
        return Need(_share(rule, value, assumptions), *counted, value)
    if name == "auroc" and not criterion.is_gap:
        prevalence = assumptions.need("prevalence", criterion.metric)
        number = samples_for_auroc(
            value, criterion.limit, prevalence, criterion.confidence, rule.power
        )
        return Need(number, 1.0, "", value)
    if name == "balanced-accuracy" and not criterion.is_gap:
        number = samples_for_balanced_accuracy(
            value,
            criterion.limit,
            _class_shares(rule, assumptions),
            criterion.confidence,
            rule.power,
        )
        return Need(number, 1.0, "", value)
    return Need(_by_deviation(rule, value, assumptions), 1.0, "", value)


def _assumed_value(criterion: Criterion, assumptions: Assumptions) -> float:
    """The assumed value; accuracy and error rate are two names of one number."""
    name = criterion.measured.name
    opposite = {"accuracy": "error-rate", "error-rate": "accuracy"}.get(name)
    if opposite is not None and assumptions.get(name) is None:
        other = assumptions.get(opposite)
        if other is not None:
            return 1 - other
    deviation = assumptions.get(f"{name}-sd")
    if criterion.is_gap and deviation is not None and assumptions.get(name) is None:
        return np.nan
    return assumptions.need(name, criterion.metric)


def _acceptable(criterion: Criterion, value: float) -> bool:
    if criterion.at_least is not None:
        return value > criterion.limit
    return value < criterion.limit


def _counted(
    criterion: Criterion, assumptions: Assumptions, value: float
) -> tuple[float, str] | None:
    """Share of the samples on which a plain share rests, and what they are; None for other metrics."""
    name = criterion.measured.name
    if name in _OF_ALL or name.startswith("top-"):
        return 1.0, ""
    if name not in {"sensitivity", "specificity", "ppv", "npv"}:
        return None
    prevalence = assumptions.need("prevalence", criterion.metric)
    if name == "sensitivity":
        return prevalence, "positive"
    if name == "specificity":
        return 1 - prevalence, "negative"
    # Of the samples called positive, a share of `value` are positive, and likewise for negatives.
    if name == "ppv":
        found = prevalence * assumptions.need("sensitivity", criterion.metric)
        return min(found / max(value, 1e-9), 1.0), "called positive"
    found = (1 - prevalence) * assumptions.need("specificity", criterion.metric)
    return min(found / max(value, 1e-9), 1.0), "called negative"


def _share(rule: Rule, value: float, assumptions: Assumptions) -> int | None:
    criterion = rule.criterion
    if not criterion.is_gap:
        return samples_for_share(value, criterion.limit, criterion.confidence, rule.power)
    gap = assumptions.get(f"{criterion.measured.name}-gap") or 0.0
    other = min(max(value + gap, 0.0), 1.0)
    return samples_for_gap(
        (other, value), criterion.limit, rule.rest_per_sample, criterion.confidence, rule.power
    )


def _f1(rule: Rule, assumptions: Assumptions, value: float) -> Need:
    """F1 = 2 J / (1 + J), where J is the share of hits among samples that are or are called positive."""
    criterion = rule.criterion
    jaccard, limit = value / (2 - value), criterion.limit / (2 - criterion.limit)
    hits = assumptions.need("prevalence", criterion.metric)
    hits *= assumptions.need("sensitivity", criterion.metric)
    relevant = min(hits / max(jaccard, 1e-9), 1.0)
    if not criterion.is_gap:
        number = samples_for_share(jaccard, limit, criterion.confidence, rule.power)
    else:
        # Delta method: the slope of F1 as a function of J.
        deviation = 2 / (1 + jaccard) ** 2 * np.sqrt(jaccard * (1 - jaccard))
        number = _gap_of_means(rule, float(deviation), assumptions)
    return Need(number, relevant, "positive or called positive", value)


def _by_deviation(rule: Rule, value: float, assumptions: Assumptions) -> int | None:
    """Samples for a metric whose estimate varies like a mean of independent contributions."""
    criterion = rule.criterion
    name = criterion.measured.name
    deviation = assumptions.get(f"{name}-sd")
    if deviation is None:
        deviation = _known_deviation(rule, value, assumptions)
    if criterion.is_gap:
        return _gap_of_means(rule, deviation, assumptions)
    distance = abs(value - criterion.limit)
    return samples_for_mean(distance, deviation, criterion.confidence, rule.power)


def _known_deviation(rule: Rule, value: float, assumptions: Assumptions) -> float:
    name, metric = rule.criterion.measured.name, rule.criterion.metric
    if name == "balanced-accuracy":
        shares = _class_shares(rule, assumptions)
        return float(np.sqrt(value * (1 - value) * (1 / shares).sum()) / len(shares))
    if name == "auroc":
        # Hanley and McNeil's variance for many samples, times their number.
        prevalence = assumptions.need("prevalence", metric)
        above = value / (2 - value) - value**2
        below = 2 * value**2 / (1 + value) - value**2
        return float(np.sqrt(above / (1 - prevalence) + below / prevalence))
    why = f"{metric}, which has no formula: the standard error in a pilot audit times √n"
    return assumptions.need(f"{name}-sd", why)


def _gap_of_means(rule: Rule, deviation: float, assumptions: Assumptions) -> int | None:
    """Samples of the slice that show a gap of two means inside of ± the limit."""
    criterion = rule.criterion
    room = criterion.limit - abs(assumptions.get(f"{criterion.measured.name}-gap") or 0.0)
    if room <= 0:
        return None
    spread = deviation * np.sqrt(1 + 1 / rule.rest_per_sample)
    # Both limits have to lie inside, so that each has half of the errors.
    return samples_for_mean(room, float(spread), criterion.confidence, (1 + rule.power) / 2)


def _class_shares(rule: Rule, assumptions: Assumptions) -> np.ndarray:
    prevalence = assumptions.get("prevalence")
    if rule.n_classes == 2 and prevalence is not None:
        return np.array([prevalence, 1 - prevalence])
    return np.full(rule.n_classes, 1 / rule.n_classes)
