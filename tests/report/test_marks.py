from __future__ import annotations

import pytest

from auditor.records import Estimate, SliceRecord
from auditor.report.charts.canvas import STRONG
from auditor.report.charts.findings import finding_charts
from auditor.report.charts.rows import ChartText, IntervalRow, Mark, interval_chart
from auditor.report.charts.slices import gap_chart
from auditor.report.view.marks import LEGEND, Marks, exceeds_limit
from auditor.report.view.report_view import ReportView, build_view
from auditor.run_folder import RunFolder


@pytest.fixture(scope="module")
def view(run_folder: RunFolder) -> ReportView:
    return build_view(run_folder)


def _slice(gap: float, q: float | None, **attributes: str) -> SliceRecord:
    return SliceRecord(
        attributes=attributes or {"cell": "mono"},
        label=None,
        support=100,
        n_failures=20,
        error_rate=None,
        gap=Estimate(value=gap, low=gap - 0.02, high=gap + 0.02),
        p_value=q,
        q_value=q,
        detectable_gap=None,
    )


@pytest.mark.parametrize(
    ("gap", "q", "marked"),
    [(0.2, 0.01, True), (0.2, 0.29, False), (0.04, 0.01, False), (-0.2, 0.01, False)],
)
def test_mark_needs_a_significant_gap_above_the_limit(gap: float, q: float, marked: bool) -> None:
    assert exceeds_limit(_slice(gap, q), 0.05, 0.05) is marked
    assert not exceeds_limit(_slice(gap, q), None, 0.05)


def test_marks_of_metrics_are_those_of_the_table(view: ReportView, run_folder: RunFolder) -> None:
    result = run_folder.read_result()
    marks = Marks.of(result, 0.05)
    wanted = {
        (tuple(sorted(one.attributes.items())), one.label)
        for one in result.slices
        if view.exceeds_limit(one)
    }
    assert wanted
    assert marks.slices == wanted
    # Cross-check: a finding whose claims are not significant marks no metric.
    weak = [
        one.model_copy(update={"verdict": "observed", "supporting": []}) for one in result.findings
    ]
    unmarked = Marks.of(result.model_copy(update={"findings": weak, "slices": []}), 0.05)
    assert unmarked.metrics == frozenset()


def test_charts_are_orange_only_where_the_table_has_its_mark(view: ReportView) -> None:
    for one in view.findings:
        for chart in finding_charts(one, view.confusion):
            assert (STRONG in chart.svg) == (chart.legend == LEGEND)
    gaps = gap_chart(view, "wide")
    assert gaps is not None
    assert gaps.legend == LEGEND


def test_reference_line_of_a_chart_is_not_orange() -> None:
    rows = [IntervalRow("poly (best)", 1, 0, 2), IntervalRow("mono", 9, 5, 12, subject=True)]
    text = ChartText("c", "Error rate by cell", "", "error rate in %")
    chart = interval_chart(text, rows, "narrow", Mark(1.0, "poly (best)"))
    assert STRONG not in chart.svg
    assert chart.legend == ""


def test_pair_with_a_large_gap_and_q_value_names_the_reason(view: ReportView) -> None:
    pair = _slice(0.2, 0.29, cell="mono", line="A")
    assert view.is_pair_without_excess(pair)
    assert not view.is_pair_without_excess(_slice(0.2, 0.01, cell="mono", line="A"))
    assert not view.is_pair_without_excess(_slice(0.2, 0.29))
