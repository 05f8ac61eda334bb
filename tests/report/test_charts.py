from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from auditor.report.charts.canvas import FIXED, PLACEHOLDERS, Chart
from auditor.report.charts.findings import finding_charts
from auditor.report.charts.report_charts import ReportCharts
from auditor.report.charts.slices import gap_chart
from auditor.report.view.report_view import ReportView, build_view
from auditor.run_folder import RunFolder


@pytest.fixture(scope="module")
def view(run_folder: RunFolder) -> ReportView:
    return build_view(run_folder)


@pytest.fixture(scope="module")
def charts(view: ReportView) -> list[Chart]:
    made = [chart for one in view.findings for chart in finding_charts(one, view.confusion)]
    gaps = gap_chart(view, "wide"), gap_chart(view, "narrow")
    return [*made, *(one for one in gaps if one is not None)]


def test_equal_input_gives_equal_bytes(charts: list[Chart], view: ReportView) -> None:
    assert gap_chart(view, "wide") == next(one for one in charts if one.name == "gaps-wide")


def test_every_chart_is_valid_xml_with_its_texts_as_text(charts: list[Chart]) -> None:
    assert len(charts) == 7  # five of three findings, and the slices twice
    for one in charts:
        root = ET.fromstring(one.themed(FIXED))  # noqa: S314 - our own drawing
        assert root.attrib["role"] == "img"
        assert one.description in root.attrib["aria-label"]
        assert root.findall(".//{http://www.w3.org/2000/svg}text")


def test_charts_share_no_id_and_keep_no_placeholder_colour(charts: list[Chart]) -> None:
    addresses: list[str] = []
    for one in charts:
        svg = one.themed(FIXED)
        assert not any(placeholder in svg for placeholder in PLACEHOLDERS.values())
        root = ET.fromstring(svg)  # noqa: S314 - our own drawing
        addresses += [item.attrib["id"] for item in root.iter() if "id" in item.attrib]
    assert len(addresses) == len(set(addresses))


def test_error_rates_stand_beside_their_counts(view: ReportView) -> None:
    _, chart, _ = finding_charts(view.findings[0], view.confusion)
    cell = next(one for one in view.slices if one.attributes == {"cell": "mono"} and one.label)
    assert f"{cell.n_failures} of {cell.support}" in chart.svg


def test_values_with_too_few_samples_are_not_drawn(view: ReportView) -> None:
    first = view.findings[0]
    small = first.cells[0].model_copy(update={"gap": None})
    cells = (small, *first.cells[1:])
    _, chart, _ = finding_charts(replace(first, cells=cells), view.confusion)
    assert f"{small.label} · cell {small.attributes['cell']}" not in chart.svg
    assert f"{cells[1].label} · cell {cells[1].attributes['cell']}" in chart.svg


def test_charts_follow_the_kind_of_the_finding(view: ReportView) -> None:
    titles = [
        [chart.title for chart in finding_charts(one, view.confusion)] for one in view.findings
    ]
    assert titles == [
        [
            "Error rate by cell, all labels together, with 95 % intervals",
            "Error rate by label and cell, with 95 % intervals (failures of samples)",
            "Error rate by cell, with 95 % intervals; dashed: the straight line",
        ],
        ["Audited samples by cell and label"],  # about the data
        ["Predictions for samples with the label functional"],
        [],
        [],
    ]


def test_error_rates_without_labels_are_not_drawn_twice(view: ReportView) -> None:
    first = replace(
        view.findings[0],
        cells=tuple(one for one in view.slices if one.label is None and len(one.attributes) == 1),
    )
    chart, _ = finding_charts(first, view.confusion)
    assert chart.title == "Error rate by cell, all labels together, with 95 % intervals"


def test_gap_chart_describes_the_largest_gap(view: ReportView) -> None:
    chart = gap_chart(view, "narrow")
    assert chart is not None
    assert "Largest gap: cell mono, +" in chart.description
    assert "dashed: largest acceptable gap, 5" in chart.svg


def test_charts_of_a_view_are_drawn_once_for_all_documents(view: ReportView) -> None:
    html, pdf = ReportCharts(view), ReportCharts(view)
    assert pdf.gaps("wide") is html.gaps("wide")
    assert pdf.findings is html.findings
    assert html.gaps("wide") == gap_chart(view, "wide")
    assert html.findings == {
        one.anchor: finding_charts(one, view.confusion) for one in view.findings
    }


def test_charts_are_drawn_anew_for_another_view(view: ReportView) -> None:
    other = replace(view, slices=())
    assert ReportCharts(view).gaps("narrow") is not None
    assert ReportCharts(other).gaps("narrow") is None
