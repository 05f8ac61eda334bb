"""Configured criteria: measured for each class and slice, and judged together.

See `auditor.statistics.criterion_family` for the correction over classes and slices.
"""

from __future__ import annotations

import numpy as np

from auditor.config.criteria import Criterion
from auditor.judging.criteria.chance import chance_sentence
from auditor.judging.criteria.more_samples import MoreSamples, more_samples
from auditor.judging.criteria.questions import Question, questions_of
from auditor.judging.criteria.wording import Wording
from auditor.records import AuditData, CriterionResult, Estimate, Skipped
from auditor.statistics import Interval
from auditor.statistics.criterion_family import (
    IntervalAt,
    JudgedSlice,
    Side,
    corrected,
    judge_limit,
    judge_slices,
)

_PLAIN_SHARES = frozenset(
    {"accuracy", "error-rate", "sensitivity", "specificity", "ppv", "npv", "selection-rate"}
)
"""Metrics that are a share of their support."""


def examine_configured(
    audit: AuditData, criterion: Criterion, place: str
) -> tuple[list[CriterionResult], list[Skipped]]:
    """Measures one criterion.

    Args:
        audit: the evaluated samples.
        criterion: of the configuration.
        place: where it stands there, for messages.

    Returns:
        One result for each class and slice, and the slices that could not be judged.

    Raises:
        ConfigError: it names an attribute value that no evaluated sample has.
    """
    questions, skipped = questions_of(audit, criterion, place)
    side = side_of(criterion)
    judged = judge_slices(
        [_interval_at(one) for one in questions], criterion.limit, side, criterion.confidence
    )
    wording = Wording.of(criterion, None if audit.clusters is None else audit.clusters.name)
    if not questions:
        return [_nothing_to_judge(criterion, wording)], skipped
    chance = chance_sentence(audit, criterion)
    results = [
        _with_chance(_result(criterion, wording, one, found, len(questions)), chance)
        for one, found in zip(questions, judged, strict=True)
    ]
    return results, skipped


def side_of(criterion: Criterion) -> Side:
    """Which values are acceptable."""
    if criterion.is_gap:
        return "within"
    return "at least" if criterion.at_least is not None else "at most"


def _interval_at(question: Question) -> IntervalAt:
    def at(confidence: float) -> Interval:
        value = question.measure(confidence).value
        return Interval(np.nan, -np.inf, np.inf) if value is None else value

    return at


def _result(
    criterion: Criterion, wording: Wording, question: Question, judged: JudgedSlice, number: int
) -> CriterionResult:
    measured = question.measure(criterion.confidence)
    more = MoreSamples()
    if judged.status == "undecided" and measured.value is not None:
        more = _more(criterion, question, judged, number)
    return CriterionResult(
        id="",
        name=wording.name(question),
        criterion=wording.whole,
        metric=criterion.metric,
        class_name=question.class_name,
        slice=question.key,
        bound="at least" if criterion.at_least is not None else "at most",
        threshold=criterion.limit,
        unit=wording.unit,
        estimate=None if measured.value is None else Estimate.of(measured.value),
        support=measured.support,
        state=judged.status,
        configured=True,
        statement=wording.statement(question, measured, judged, more, number),
        confidence=criterion.confidence,
        why=criterion.why,
        missing_samples=more.samples,
        missing_clusters=more.clusters,
    )


def _with_chance(result: CriterionResult, sentence: str) -> CriterionResult:
    return result.model_copy(update={"statement": f"{result.statement}{sentence}"})


def _more(
    criterion: Criterion, question: Question, judged: JudgedSlice, number: int
) -> MoreSamples:
    """How many more samples would decide one class and slice.

    That it meets the criterion has to be shown without a correction, if all others meet it too; that
    it misses the criterion, with a correction for all of them.
    """
    side = side_of(criterion)
    acceptable = judge_limit(_point(judged.interval), criterion.limit, side) == "met"
    alone = acceptable and judged.alone == "undecided"
    return more_samples(
        question.measure,
        criterion.confidence if alone else corrected(criterion.confidence, number),
        criterion.limit,
        side,
        plain_share=criterion.measured.name in _PLAIN_SHARES and not criterion.is_gap,
        clustered=question.clustered,
    )


def _point(interval: Interval) -> Interval:
    return Interval(interval.value, interval.value, interval.value)


def _nothing_to_judge(criterion: Criterion, wording: Wording) -> CriterionResult:
    return CriterionResult(
        id="",
        name=wording.whole,
        criterion=wording.whole,
        metric=criterion.metric,
        bound="at least" if criterion.at_least is not None else "at most",
        threshold=criterion.limit,
        unit=wording.unit,
        estimate=None,
        support=0,
        state="undecided",
        configured=True,
        statement="No slice has enough samples to be judged.",
        confidence=criterion.confidence,
        why=criterion.why,
    )
