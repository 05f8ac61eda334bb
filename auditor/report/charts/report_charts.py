"""The charts that several documents of a run show; each is drawn once, whatever the number of documents."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from auditor.report.charts.canvas import Chart, Width
from auditor.report.charts.confusions import confusion_chart
from auditor.report.charts.curves import curve_charts
from auditor.report.charts.failure_map import failure_map_chart
from auditor.report.charts.findings import finding_charts
from auditor.report.charts.metric_charts import MetricCharts, metric_charts
from auditor.report.charts.slices import gap_chart
from auditor.report.view.curves import CurveView
from auditor.report.view.report_view import ReportView

_Drawing = TypeVar("_Drawing")

_DRAWN: dict[int, dict[str, Any]] = {}
"""What was drawn of each view that still exists, by its identity and what is shown."""


@dataclass(frozen=True)
class ReportCharts:
    """The charts of a report, each drawn when it is first asked for.

    Attributes:
        view: everything that is shown.
    """

    view: ReportView

    @property
    def findings(self) -> Mapping[str, tuple[Chart, ...]]:
        """The charts of each finding, by its anchor."""
        view = self.view
        return self._once(
            "findings",
            lambda: {one.anchor: finding_charts(one, view.confusion) for one in view.findings},
        )

    @property
    def metrics(self) -> MetricCharts:
        """The charts of the metrics."""
        return self._once("metrics", lambda: metric_charts(self.view.metrics))

    @property
    def confusion(self) -> Chart | None:
        """The confusion matrix of many classes; None where a table shows it."""
        return self._once("confusion", lambda: confusion_chart(self.view.confusion, "confusions"))

    @property
    def failure_map(self) -> Chart | None:
        """The map of the failures; None without one."""
        shown = self.view.failure_map
        if shown is None:
            return None
        return self._once("failure map", lambda: failure_map_chart(shown, "failure-map"))

    def gaps(self, width: Width) -> Chart | None:
        """The gaps of the slices; None if none was tested."""
        return self._once(f"gaps, {width}", lambda: gap_chart(self.view, width))

    def error_curves(self, most: int | None = None) -> list[Chart]:
        """The curves of numeric attributes.

        Args:
            most: how many; None for all.
        """
        return [
            self._once(f"error curve {place}", partial(_error_curve, one))
            for place, one in enumerate(self.view.error_curves[:most])
        ]

    def _once(self, name: str, draw: Callable[[], _Drawing]) -> _Drawing:
        """What was drawn under that name of this view, or is drawn now."""
        key = id(self.view)
        if key not in _DRAWN:
            _DRAWN[key] = {}
            weakref.finalize(self.view, _DRAWN.pop, key, None)
        drawn = _DRAWN[key]
        if name not in drawn:
            drawn[name] = draw()
        found: _Drawing = drawn[name]
        return found


def _error_curve(view: CurveView) -> Chart:
    return curve_charts([view])[0]
