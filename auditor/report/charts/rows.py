"""The two kinds of charts: intervals and bars, one row for each slice or value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.phrasing import count
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
    shortened,
)
from auditor.report.view.marks import LEGEND


@dataclass(frozen=True)
class IntervalRow:
    """A number with its interval.

    Attributes:
        name: of the row.
        value: the number.
        low: lower end.
        high: upper end.
        marked: whether it is marked, see `auditor.report.view.marks`.
        subject: whether the chart is about it; its name is bold.
        note: what stands at the right.
    """

    name: str
    value: float
    low: float
    high: float
    marked: bool = False
    subject: bool = False
    note: str = ""


@dataclass(frozen=True)
class BarRow:
    """A count.

    Attributes:
        name: of the row.
        count: the count.
        subject: whether the chart is about it; its name is bold.
        second: whether it has the second colour, beside bars of another group.
    """

    name: str
    count: int
    subject: bool = False
    second: bool = False


@dataclass(frozen=True)
class Mark:
    """A dashed vertical line.

    Attributes:
        value: where.
        text: what it is.
    """

    value: float
    text: str


@dataclass(frozen=True)
class ChartText:
    """The texts of a chart.

    Attributes:
        name: of the chart, unique in the document.
        title: what it shows.
        description: what can be read from it.
        axis: what the horizontal axis shows.
    """

    name: str
    title: str
    description: str
    axis: str


def interval_chart(
    text: ChartText, rows: Sequence[IntervalRow], width: Width, mark: Mark | None = None
) -> Chart:
    """Numbers with their intervals, beside a line at zero.

    Args:
        text: its texts.
        rows: at least one.
        width: of the chart.
        mark: a dashed line; None for none.
    """
    figure, axes = canvas(len(rows), width, notes=True)
    for place, row in enumerate(rows):
        y, colour = -place, STRONG if row.marked else MAIN
        axes.plot([row.low, row.high], [y, y], color=colour, lw=1.6, solid_capstyle="butt")
        marker, size = ("D", 5.5) if row.marked else ("o", 4.5)
        axes.plot([row.value], [y], marker=marker, ms=size, color=colour, mec=colour)
        row_name(axes, row.name, y, width, strong=row.marked or row.subject)
        row_note(axes, row.note, y, width)
    marked = 0.0 if mark is None else mark.value
    low = min(*(row.low for row in rows), 0.0, marked)
    high = max(*(row.high for row in rows), 0.0, marked)
    pad = 0.04 * ((high - low) or 1)
    axes.set_xlim(low - (pad if low < 0 else 0), high + pad)
    axes.axvline(0, color=MUTED, lw=0.9, zorder=0)
    axis = text.axis
    if mark is not None:
        axes.axvline(mark.value, color=INK, lw=0.9, ls=(0, (4, 3)), zorder=0)
        axis = f"{axis}; dashed: {shortened(mark.text)}"
    axis_name(axes, axis, width)
    legend = LEGEND if any(row.marked for row in rows) else ""
    return finished(figure, text.name, text.title, text.description, legend)


def bar_chart(text: ChartText, rows: Sequence[BarRow]) -> Chart:
    """Counts as bars beside each other, not stacked, so that they can be compared.

    Args:
        text: its texts; without a description, it lists all counts.
        rows: at least one.
    """
    figure, axes = canvas(len(rows), "narrow", notes=False)
    for place, row in enumerate(rows):
        axes.barh(-place, row.count, height=0.34, color=MUTED if row.second else MAIN)
        row_name(axes, row.name, -place, "narrow", strong=row.subject)
        axes.annotate(
            count(row.count),
            (row.count, -place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=INK,
            fontsize=TEXT_SIZE - 0.5,
        )
    axes.set_xlim(0, 1.14 * max([1, *(row.count for row in rows)]))
    axis_name(axes, text.axis, "narrow")
    listed = "; ".join(f"{row.name}: {count(row.count)}" for row in rows)
    return finished(figure, text.name, text.title, text.description or listed)
