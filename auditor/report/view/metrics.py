"""The metrics of an audit: tables of values, values by slice, and curves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from auditor.phrasing import (
    NOT_AVAILABLE,
    count,
    metric_limits,
    metric_number,
    reading_order,
    sentence_start,
    slice_name,
)
from auditor.records import (
    AuditResult,
    MetricComparison,
    MetricValue,
    OperatingCurve,
    ReliabilityDiagram,
    SliceKey,
)
from auditor.records.metric_names import metric_named
from auditor.report.view.confidence import ConfidenceHistogram, confidence_histogram
from auditor.report.view.loss_plane import LossPlane, loss_plane
from auditor.report.view.marks import Marks, slice_id

_SliceId = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class SliceMetric:
    """A primary metric on one slice.

    Attributes:
        value: the metric.
        marked: whether charts and tables mark it; see `marks`.
    """

    value: MetricValue
    marked: bool


@dataclass(frozen=True)
class PrimaryMetric:
    """A primary metric on all samples and on every slice.

    Attributes:
        name: of the metric, such as ``sensitivity of defective``.
        overall: on all samples.
        slices: on the values of each attribute, in reading order.
    """

    name: str
    overall: MetricValue
    slices: tuple[SliceMetric, ...]


@dataclass(frozen=True)
class CurvePair:
    """The curves of one positive class.

    Attributes:
        class_name: the positive class.
        roc: ROC curves: overall, worst slice, best slice; those that are defined.
        precision_recall: precision–recall curves of the same samples.
    """

    class_name: str
    roc: tuple[OperatingCurve, ...]
    precision_recall: tuple[OperatingCurve, ...]


@dataclass(frozen=True)
class MetricCell:
    """A metric as text.

    Attributes:
        value: the number, or why there is none.
        limits: of its interval; empty where there is no number.
    """

    value: str
    limits: str


@dataclass(frozen=True)
class OverallRow:
    """A metric on all samples.

    Attributes:
        name: of the metric.
        primary: whether it is a primary metric.
        cell: its value.
        support: number of samples that it rests on.
        clusters: number of their clusters; empty if samples count as independent.
    """

    name: str
    primary: bool
    cell: MetricCell
    support: str
    clusters: str


@dataclass(frozen=True)
class MetricTable:
    """Metrics of classes or slices.

    Attributes:
        columns: what the rows are, and the metrics.
        rows: name and values of each row.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[MetricCell, ...]], ...]


@dataclass(frozen=True)
class MetricsView:
    """The metrics of an audit.

    Attributes:
        values: all values.
        overall: each metric on all samples.
        by_class: metrics of single classes or labels; None if there are none.
        primary: the primary metrics by slice.
        primary_text: the primary metrics of all classes together; empty if accuracy is the only one.
        by_slice: all metrics that are not about a single class, by slice; None without slices.
        curves: ROC and precision–recall curves by positive class.
        reliability: the reliability diagram; None if there is none.
        confidence: correct and wrong predictions by confidence; None without predictions.
        loss: the loss of each prediction beside its confidence; None without predictions.
        chosen_by: name of the metric by which the worst and the best slice are chosen; empty if none are.
        clustered: whether the samples are clustered.
    """

    values: tuple[MetricValue, ...]
    overall: tuple[OverallRow, ...]
    by_class: MetricTable | None
    primary: tuple[PrimaryMetric, ...]
    primary_text: str
    by_slice: MetricTable | None
    curves: tuple[CurvePair, ...]
    reliability: ReliabilityDiagram | None
    confidence: ConfidenceHistogram | None
    loss: LossPlane | None
    chosen_by: str
    clustered: bool


def title_of(one: MetricValue | MetricComparison) -> str:
    """A metric in a sentence: ``sensitivity of defective``, ``AUROC``."""
    title = metric_named(one.metric).title
    return title if one.class_name is None else f"{title} of {one.class_name}"


def metrics_view(result: AuditResult, marks: Marks, evaluated: pd.DataFrame) -> MetricsView | None:
    """The metrics of a result; None if it has none, as those of earlier versions.

    Args:
        result: the audit.
        marks: what charts mark.
        evaluated: the evaluated samples or decisions.
    """
    if not result.metrics:
        return None
    overall = [one for one in result.metrics if not one.slice.attributes]
    sliced = [one for one in result.metrics if one.slice.attributes]
    primary = [one for one in overall if one.primary]
    return MetricsView(
        values=tuple(result.metrics),
        overall=_overall([one for one in overall if one.class_name is None]),
        by_class=_by_class([one for one in overall if one.class_name is not None]),
        primary=tuple(
            PrimaryMetric(
                sentence_start(title_of(one)),
                one,
                _slices_of(one, sliced, marks),
            )
            for one in primary
        ),
        primary_text=_primary_text(one for one in primary if one.class_name is None),
        by_slice=_by_slice([one for one in sliced if one.class_name is None]),
        curves=_curves(result.curves),
        reliability=result.reliability,
        confidence=confidence_histogram(evaluated),
        loss=loss_plane(evaluated),
        chosen_by=next(
            (metric_named(one.chosen_by).title for one in result.curves if one.chosen_by), ""
        ),
        clustered=any(one.n_clusters is not None for one in overall),
    )


def _primary_text(values: Iterable[MetricValue]) -> str:
    shown = [one for one in values if one.estimate is not None and one.metric != "accuracy"]
    cells = [(title_of(one), _cell(one)) for one in shown]
    return sentence_start("; ".join(f"{name} {one.value} ({one.limits})" for name, one in cells))


def _cell(one: MetricValue) -> MetricCell:
    if one.estimate is None:
        return MetricCell(one.reason or NOT_AVAILABLE, "")
    return MetricCell(
        metric_number(one.estimate.value, one.unit), metric_limits(one.estimate, one.unit)
    )


def _overall(values: Iterable[MetricValue]) -> tuple[OverallRow, ...]:
    return tuple(
        OverallRow(
            sentence_start(title_of(one)),
            one.primary,
            _cell(one),
            count(one.support),
            "" if one.n_clusters is None else count(one.n_clusters),
        )
        for one in values
    )


def _by_class(values: Sequence[MetricValue]) -> MetricTable | None:
    names = {str(one.class_name): str(one.class_name) for one in values}
    cells = {(str(one.class_name), one.metric): _cell(one) for one in values}
    return _table("Class", names, values, cells)


def _by_slice(values: Sequence[MetricValue]) -> MetricTable | None:
    ordered = sorted(values, key=lambda one: reading_order(one.slice.attributes))
    names = {str(_identity(one.slice)): slice_name(one.slice) for one in ordered}
    cells = {(str(_identity(one.slice)), one.metric): _cell(one) for one in values}
    return _table("Slice", names, values, cells)


def _table(
    head: str,
    names: Mapping[str, str],
    values: Iterable[MetricValue],
    cells: Mapping[tuple[str, str], MetricCell],
) -> MetricTable | None:
    """One row per name and one column per metric; None without values."""
    metrics = tuple(dict.fromkeys(one.metric for one in values))
    if not metrics:
        return None
    missing = MetricCell(NOT_AVAILABLE, "")
    rows = tuple(
        (shown, tuple(cells.get((key, metric), missing) for metric in metrics))
        for key, shown in names.items()
    )
    columns = tuple(sentence_start(metric_named(one).title) for one in metrics)
    return MetricTable((head, *columns), rows)


def _slices_of(
    overall: MetricValue,
    sliced: Iterable[MetricValue],
    marks: Marks,
) -> tuple[SliceMetric, ...]:
    own = [
        one
        for one in sliced
        if one.metric == overall.metric and one.class_name == overall.class_name
    ]
    return tuple(
        SliceMetric(
            one, (one.metric, one.class_name, slice_id(one.slice.attributes, None)) in marks.metrics
        )
        for one in sorted(own, key=lambda one: reading_order(one.slice.attributes))
    )


def _curves(curves: Iterable[OperatingCurve]) -> tuple[CurvePair, ...]:
    by_class: dict[str, list[OperatingCurve]] = {}
    for one in curves:
        by_class.setdefault(one.class_name, []).append(one)
    return tuple(
        CurvePair(
            name,
            tuple(one for one in own if one.kind == "roc"),
            tuple(one for one in own if one.kind == "precision-recall"),
        )
        for name, own in by_class.items()
    )


def _identity(key: SliceKey) -> _SliceId:
    return tuple(sorted(key.attributes.items()))
