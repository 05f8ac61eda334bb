"""All charts of the section on metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from auditor.report.charts.canvas import Chart
from auditor.report.charts.confidence import confidence_chart
from auditor.report.charts.loss import loss_chart
from auditor.report.charts.metrics import forest_chart
from auditor.report.charts.operating import operating_chart, reliability_chart
from auditor.report.view.metrics import CurvePair, MetricsView, PrimaryMetric

CURVES_SHOWN = 3
"""Positive classes whose curves are shown at once; HTML has the others folded, PDF counts them."""
_FORESTS_OF_CLASSES = 24
"""Charts of single classes; the others are in the table of exports."""


@dataclass(frozen=True)
class Forest:
    """A metric by slice.

    Attributes:
        wide: for paper and wide screens.
        narrow: for narrow screens.
    """

    wide: Chart
    narrow: Chart


@dataclass(frozen=True)
class MetricCharts:
    """The charts of an audit's metrics.

    Attributes:
        reliability: the reliability diagram; None if there is none.
        confidence: the confidence of correct predictions and of failures; None without predictions.
        loss: the loss beside the confidence; None without predictions.
        forests: the primary metrics of all classes together by slice.
        of_classes: the primary metrics of single classes by slice.
        pairs: ROC and precision–recall charts by positive class; one of them where the other is not
            defined.
    """

    reliability: Chart | None
    confidence: Chart | None
    loss: Chart | None
    forests: tuple[Forest, ...]
    of_classes: tuple[Forest, ...]
    pairs: tuple[tuple[Chart, ...], ...]


def metric_charts(view: MetricsView | None) -> MetricCharts:
    """Draws the charts of the metrics; without metrics, there are none."""
    if view is None:
        return MetricCharts(None, None, None, (), (), ())
    whole = [one for one in view.primary if one.overall.class_name is None]
    single = [one for one in view.primary if one.overall.class_name is not None]
    diagram, histogram = view.reliability, view.confidence
    return MetricCharts(
        None if diagram is None else reliability_chart(diagram, "reliability"),
        None if histogram is None else confidence_chart(histogram, "confidence"),
        None if view.loss is None else loss_chart(view.loss, "loss"),
        tuple(_forests(whole, "metric")),
        tuple(_forests(single[:_FORESTS_OF_CLASSES], "class-metric")),
        tuple(_pair(one, place) for place, one in enumerate(view.curves)),
    )


def _forests(metrics: Sequence[PrimaryMetric], name: str) -> Iterator[Forest]:
    for place, one in enumerate(metrics):
        wide = forest_chart(one, f"{name}-{place}-wide", "wide")
        narrow = forest_chart(one, f"{name}-{place}-narrow", "narrow")
        if wide is not None and narrow is not None:
            yield Forest(wide, narrow)


def _pair(curves: CurvePair, place: int) -> tuple[Chart, ...]:
    drawn = (
        operating_chart(curves.roc, f"roc-{place}"),
        operating_chart(curves.precision_recall, f"precision-recall-{place}"),
    )
    return tuple(one for one in drawn if one is not None)
