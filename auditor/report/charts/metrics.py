"""The forest plot of a metric: its values on all samples and on each slice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from auditor.phrasing import count, metric_number, metric_value, plural, slice_name
from auditor.records import MetricValue
from auditor.report.charts.canvas import (
    INK,
    MAIN,
    MUTED,
    STRONG,
    TEXT_SIZE,
    Chart,
    Width,
    axis_name,
    canvas,
    finished,
    row_name,
    row_note,
)
from auditor.report.view.marks import LEGEND
from auditor.report.view.metrics import PrimaryMetric, SliceMetric

_MOST_ROWS = 24
"""Rows of the chart, which then fits two thirds of a page; the table beside it has every slice."""


def forest_chart(metric: PrimaryMetric, name: str, width: Width) -> Chart | None:
    """The values of a metric with their intervals, beside a dashed line at its value on all samples.

    Args:
        metric: on all samples and on each slice.
        name: of the chart, unique in the document.
        width: of the chart.

    Returns:
        The chart; None where the metric is not defined on all samples, or there is no slice.
    """
    if metric.overall.estimate is None or not metric.slices:
        return None
    shown = metric.slices[:_MOST_ROWS]
    figure, axes = canvas(len(shown) + 1, width, notes=True)
    scale = 100 if metric.overall.unit == "share" else 1
    axes.axvline(
        scale * metric.overall.estimate.value, color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=0
    )
    values = [metric.overall, *(one.value for one in shown)]
    _limit(axes, values, scale)
    for place, one in enumerate((SliceMetric(metric.overall, marked=False), *shown)):
        _row(axes, one, -place, width, scale)
    axis = f"{metric.name} in %" if scale == 100 else metric.name
    axis_name(axes, f"{axis}; dashed: all samples", width)
    omitted = len(metric.slices) - len(shown)
    title = f"{metric.name} by slice, with 95 % intervals"
    title += f"; {count(omitted)} more slices in the table" if omitted else ""
    legend = LEGEND if any(one.marked for one in shown) else ""
    return finished(figure, name, title, _description(metric), legend)


def _limit(axes: Any, values: Sequence[MetricValue], scale: int) -> None:
    known = [one.estimate for one in values if one.estimate is not None]
    low = scale * min(one.low for one in known)
    high = scale * max(one.high for one in known)
    pad = 0.04 * ((high - low) or 1)
    axes.set_xlim(low - pad, high + pad)
    axes.locator_params(axis="x", nbins=7, steps=[1, 2, 5, 10])


def _row(axes: Any, one: SliceMetric, y: float, width: Width, scale: int) -> None:
    value = one.value
    overall = not value.slice.attributes
    row_name(axes, slice_name(value.slice), y, width, strong=one.marked or overall)
    if value.estimate is None:
        _not_defined(axes, value.reason or "not defined", y)
        return
    colour = INK if overall else STRONG if one.marked else MAIN
    ends = [scale * value.estimate.low, scale * value.estimate.high]
    axes.plot(ends, [y, y], color=colour, lw=1.6, solid_capstyle="butt")
    marker, size = ("D", 5.5) if one.marked or overall else ("o", 4.5)
    axes.plot([scale * value.estimate.value], [y], marker=marker, ms=size, color=colour, mec=colour)
    row_note(axes, f"n = {count(value.support)}", y, width)


def _not_defined(axes: Any, text: str, y: float) -> None:
    axes.annotate(
        text,
        (0, y),
        xycoords=axes.get_yaxis_transform(),
        xytext=(4, 0),
        textcoords="offset points",
        ha="left",
        va="center",
        color=MUTED,
        fontsize=TEXT_SIZE - 1,
        style="italic",
    )


def _description(metric: PrimaryMetric) -> str:
    assert metric.overall.estimate is not None
    parts = [f"All samples: {metric_value(metric.overall.estimate, metric.overall.unit)}"]
    known = [one.value for one in metric.slices if one.value.estimate is not None]
    if known:
        ranked = sorted(known, key=lambda one: one.estimate.value if one.estimate else 0.0)
        for word, one in (("lowest", ranked[0]), ("highest", ranked[-1])):
            number = metric_number(one.estimate.value if one.estimate else 0.0, one.unit)
            parts.append(f"{word}: {slice_name(one.slice)}, {number}")
    undefined = len(metric.slices) - len(known)
    if undefined:
        parts.append(f"not defined in {plural(undefined, 'slice')}")
    return "; ".join(parts)
