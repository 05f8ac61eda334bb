"""The chart of a quantity along an ordered attribute."""

from __future__ import annotations

from collections.abc import Iterable

from auditor.phrasing import sentence_start, with_limits
from auditor.records import Unit
from auditor.report.charts.canvas import (
    MAIN,
    MUTED,
    TEXT_SIZE,
    Chart,
    axis_name,
    finished,
    plane,
    shortened,
)
from auditor.report.view.curves import CurveView

_LONGEST_NAME = 12
"""Characters of the name of a point on the axis."""
_AXIS = 46
"""Characters that fit below the axis; with longer names, every second or third point is named."""


def curve_charts(views: Iterable[CurveView]) -> list[Chart]:
    """Curves with the intervals of their points, and the fitted line and smooth curve where there are any."""
    return [_chart(one) for one in views]


def _chart(view: CurveView) -> Chart:
    part = view.part
    scale = 100 if part.y_unit in {"share", "points"} else 1
    figure, axes = plane()
    if part.smooth:
        numbers = [one.x for one in part.smooth]
        low, high = (
            [scale * getattr(one.y, end) for one in part.smooth] for end in ("low", "high")
        )
        axes.fill_between(numbers, low, high, color=MAIN, alpha=0.15, lw=0)
        axes.plot(numbers, [scale * one.y.value for one in part.smooth], color=MAIN, lw=1.2)
    for point in part.points:
        interval = [scale * point.y.low, scale * point.y.high]
        axes.plot([point.x, point.x], interval, color=MAIN, lw=1.6, solid_capstyle="butt")
        axes.plot([point.x], [scale * point.y.value], marker="o", ms=4.5, color=MAIN, mec=MAIN)
    line = [(one.x, scale * one.fitted) for one in part.points if one.fitted is not None]
    if line:
        axes.plot(*zip(*line, strict=True), color=MUTED, lw=1.2, ls=(0, (4, 3)))
    axes.set_ylim(bottom=min(0.0, *(scale * one.y.low for one in part.points)))
    if part.x_is_position:
        names = [shortened(one.name, _LONGEST_NAME) for one in part.points]
        step = -(-sum(len(name) + 2 for name in names) // _AXIS)
        positions = [one.x for one in part.points]
        axes.margins(x=0.16)  # room for half a name on both sides
        axes.set_xticks(positions[::step], names[::step], parse_math=False)
    axes.set_ylabel(_axis(part.y_name, part.y_unit), color=MUTED, fontsize=TEXT_SIZE - 1)
    axis_name(axes, shortened(part.x_name), "narrow")
    title = f"{sentence_start(part.y_name)} by {part.x_name}, with 95 % intervals"
    title += "; dashed: the straight line" if line else ""
    title += "; solid: a smooth fit with its pointwise 95 % band" if part.smooth else ""
    description = "; ".join(f"{one.name}: {with_limits(one.y, part.y_unit)}" for one in part.points)
    return finished(figure, view.reference, title, description)


def _axis(name: str, unit: Unit) -> str:
    return (
        f"{name} in {'%' if unit == 'share' else 'points'}" if unit in {"share", "points"} else name
    )
