from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from auditor.report import words
from auditor.report.charts import finding_charts as charts
from auditor.report.view.report_view import build_view
from auditor.run_folder import RunFolder


@pytest.fixture(scope="module")
def drawings(run_folder: RunFolder) -> list[charts.Chart]:
    view = build_view(run_folder)
    made = [charts.of_finding(one, view.confusion) for one in view.findings]
    made += [charts.of_gaps(view, "wide"), charts.of_gaps(view, "narrow")]
    return [one for one in made if one is not None]


def test_equal_input_gives_equal_bytes(drawings: list[charts.Chart], run_folder: RunFolder) -> None:
    view = build_view(run_folder)
    assert charts.of_gaps(view, "wide") == next(one for one in drawings if one.name == "gaps-wide")


def test_every_chart_is_whole_xml_with_its_texts_as_text(drawings: list[charts.Chart]) -> None:
    assert len(drawings) == 5
    for one in drawings:
        root = ET.fromstring(one.themed(charts.FIXED))  # noqa: S314 - our own drawing
        assert root.attrib["role"] == "img"
        assert one.description in root.attrib["aria-label"]
        assert root.findall(".//{http://www.w3.org/2000/svg}text")


def test_charts_share_no_address_and_leave_no_stand_in_colour(
    drawings: list[charts.Chart],
) -> None:
    addresses: list[str] = []
    for one in drawings:
        svg = one.themed(charts.FIXED)
        assert not any(stand_in in svg for stand_in in charts._ROLES.values())
        root = ET.fromstring(svg)  # noqa: S314 - our own drawing
        addresses += [item.attrib["id"] for item in root.iter() if "id" in item.attrib]
    assert len(addresses) == len(set(addresses))


def test_rates_stand_beside_their_counts(run_folder: RunFolder) -> None:
    view = build_view(run_folder)
    chart = charts.of_finding(view.findings[0], view.confusion)
    assert chart is not None
    cell = next(one for one in view.slices if one.attributes == {"cell": "mono"} and one.label)
    assert f"{cell.n_failures} of {cell.support}" in chart.svg


def test_bands_stand_by_their_numbers() -> None:
    names = ["78 and over", "(missing)", "9–18", "under 9", "18–78", "poly", "0.5"]
    ordered = sorted(names, key=lambda name: words.in_order({"sharpness": name}))
    assert ordered == ["under 9", "0.5", "9–18", "18–78", "78 and over", "poly", "(missing)"]
