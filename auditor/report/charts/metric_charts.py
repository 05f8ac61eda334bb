"""All charts of the section on metrics."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.report.charts.canvas import Chart
from auditor.report.charts.metrics import forest_chart
from auditor.report.charts.operating import operating_chart, reliability_chart
from auditor.report.view.metrics import MetricsView

CURVES_SHOWN = 3
"""Positive classes whose curves are shown at once; HTML has the others folded, PDF counts them."""


@dataclass(frozen=True)
class Forest:
    """A metric by slice.

    Attributes:
        name: of the metric.
        wide: for paper and wide screens.
        narrow: for narrow screens.
    """

    name: str
    wide: Chart
    narrow: Chart


@dataclass(frozen=True)
class MetricCharts:
    """The charts of an audit's metrics.

    Attributes:
        reliability: the reliability diagram; None if there is none.
        forests: the primary metrics by slice.
        pairs: ROC and precision–recall charts by positive class; one of them where the other is not
            defined.
    """

    reliability: Chart | None
    forests: tuple[Forest, ...]
    pairs: tuple[tuple[Chart, ...], ...]


def metric_charts(view: MetricsView | None) -> MetricCharts:
    """Draws the charts of the metrics; without metrics, there are none."""
    if view is None:
        return MetricCharts(None, (), ())
    forests = []
    for place, one in enumerate(view.primary):
        wide = forest_chart(one, f"metric-{place}-wide", "wide")
        narrow = forest_chart(one, f"metric-{place}-narrow", "narrow")
        if wide is not None and narrow is not None:
            forests.append(Forest(one.name, wide, narrow))
    pairs = []
    for place, pair in enumerate(view.curves):
        drawn = (
            operating_chart(pair.roc, f"roc-{place}"),
            operating_chart(pair.precision_recall, f"precision-recall-{place}"),
        )
        pairs.append(tuple(one for one in drawn if one is not None))
    diagram = view.reliability
    return MetricCharts(
        None if diagram is None else reliability_chart(diagram, "reliability"),
        tuple(forests),
        tuple(pairs),
    )
