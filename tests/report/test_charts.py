from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from auditor.report.charts.canvas import FIXED, PLACEHOLDERS, Chart
from auditor.report.charts.findings import finding_chart
from auditor.report.charts.slices import gap_chart
from auditor.report.view.report_view import ReportView, build_view
from auditor.run_folder import RunFolder


@pytest.fixture(scope="module")
def view(run_folder: RunFolder) -> ReportView:
    return build_view(run_folder)


@pytest.fixture(scope="module")
def charts(view: ReportView) -> list[Chart]:
    made = [finding_chart(one, view.confusion) for one in view.findings]
    made += [gap_chart(view, "wide"), gap_chart(view, "narrow")]
    return [one for one in made if one is not None]


def test_equal_input_gives_equal_bytes(charts: list[Chart], view: ReportView) -> None:
    assert gap_chart(view, "wide") == next(one for one in charts if one.name == "gaps-wide")


def test_every_chart_is_valid_xml_with_its_texts_as_text(charts: list[Chart]) -> None:
    assert len(charts) == 5  # three findings and the slices twice
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
    chart = finding_chart(view.findings[0], view.confusion)
    assert chart is not None
    cell = next(one for one in view.slices if one.attributes == {"cell": "mono"} and one.label)
    assert f"{cell.n_failures} of {cell.support}" in chart.svg


def test_chart_follows_the_kind_of_the_finding(view: ReportView) -> None:
    titles = [
        None if chart is None else chart.title
        for chart in (finding_chart(one, view.confusion) for one in view.findings)
    ]
    assert titles == [
        "Error rate by label and cell, with 95 % intervals (failures of samples)",
        "Audited samples by cell and label",  # about the data
        "Predictions for samples with the label functional",
        None,
        None,
    ]


def test_gap_chart_describes_the_largest_gap(view: ReportView) -> None:
    chart = gap_chart(view, "narrow")
    assert chart is not None
    assert "Largest gap: cell mono, +" in chart.description
    assert "dashed: largest acceptable gap, 5" in chart.svg
