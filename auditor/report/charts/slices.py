"""The chart of all slices: their gaps against the rest."""

from __future__ import annotations

from auditor.phrasing import change, count, limits, slice_name
from auditor.records import Estimate, SliceRecord
from auditor.report.charts.canvas import Chart, Width
from auditor.report.charts.rows import ChartText, IntervalRow, Mark, interval_chart
from auditor.report.view.report_view import ReportView

_MOST_ROWS = 30
"""Rows of the chart; the table beside it has every slice."""


def gap_chart(view: ReportView, width: Width) -> Chart | None:
    """Gaps of the tested slices against the rest, the largest first; None if none was tested."""
    tested = [(one, one.gap) for one in view.slices if one.gap is not None]
    if not tested:
        return None
    tested.sort(key=lambda one: -one[1].value)
    # Intersections and labels within a value often repeat the simple slices: those come first.
    simple = [one for one in tested if _is_simple(one[0])]
    others = [one for one in tested if not _is_simple(one[0])]
    chosen = [*simple, *others][:_MOST_ROWS]
    worst, worst_gap = chosen[0]
    omitted = len(tested) - len(chosen)
    title = (
        "Error rate of each slice minus that of the rest, in percentage points, with 95 % intervals"
    )
    text = ChartText(
        f"gaps-{width}",
        title + (f"; {count(omitted)} more in the table" if omitted else ""),
        f"{len(chosen)} slices. Largest gap: {slice_name(worst)}, {change(worst_gap.value)} points "
        f"({limits(worst_gap, 'points')}). All numbers are in the table that follows.",
        "percentage points more errors than the rest",
    )
    rows = [_row(one, gap, view) for one, gap in chosen]
    return interval_chart(text, rows, width, _limit(view.max_gap))


def _limit(max_gap: float | None) -> Mark | None:
    if max_gap is None:
        return None
    return Mark(100 * max_gap, f"largest acceptable gap, {100 * max_gap:g}")


def _is_simple(one: SliceRecord) -> bool:
    return len(one.attributes) == 1 and one.label is None


def _row(one: SliceRecord, gap: Estimate, view: ReportView) -> IntervalRow:
    return IntervalRow(
        slice_name(one),
        100 * gap.value,
        100 * gap.low,
        100 * gap.high,
        view.exceeds_limit(one),
        note=f"n = {count(one.support)}",
    )
