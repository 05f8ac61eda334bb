"""The chart of an attribute's values: their error rates, and the value they are compared with."""

from __future__ import annotations

from auditor.phrasing import count, percent, reading_order, with_limits
from auditor.report.charts.canvas import Chart
from auditor.report.charts.rows import ChartText, IntervalRow, Mark, interval_chart
from auditor.report.view.marks import Marks
from auditor.report.view.value_spreads import ValueSpreadView

_MOST_ROWS = 20
"""Rows of the chart; the table beside it has every value."""


def value_spread_chart(view: ValueSpreadView, subject: str | None, marks: Marks) -> Chart | None:
    """Error rates of the values with their intervals; None where no value has one.

    Args:
        view: the values.
        subject: the value that the finding is about.
        marks: what charts mark.
    """
    part = view.part
    known = [(one, one.error_rate) for one in part.values if one.error_rate is not None]
    if not known:
        return None
    # If there are very many, those with the highest rates, and the one that they are compared with.
    ranked = sorted(known, key=lambda one: (one[0].value != view.marked, -one[1].value))
    shown = sorted(
        ranked[:_MOST_ROWS], key=lambda one: reading_order({part.attribute: one[0].value})
    )
    omitted = len(known) - len(shown)
    title = f"Error rate by {part.attribute}, all labels together, with 95 % intervals"
    if omitted:
        title += f"; the {len(shown)} most important values of {count(len(known))}"
    role = "reference" if part.compared_with == "reference" else "best"
    description = "; ".join(
        f"{one.value}{f' ({role})' if one.value == view.marked else ''}: {percent(rate.value)}, "
        f"n = {count(one.support)}"
        for one, rate in shown
    )
    description += f". Largest difference: {with_limits(part.largest_difference, 'points')}."
    text = ChartText(view.name, title, description, "error rate in %")
    rows = [
        IntervalRow(
            f"{one.value} ({role})" if one.value == view.marked else one.value,
            100 * rate.value,
            100 * rate.low,
            100 * rate.high,
            marks.slice({part.attribute: one.value}),
            one.value == subject,
            f"n = {count(one.support)}",
        )
        for one, rate in shown
    ]
    marked = next((rate.value for one, rate in known if one.value == view.marked), None)
    mark = None if marked is None else Mark(100 * marked, f"{view.marked} ({role})")
    return interval_chart(text, rows, "narrow", mark)
