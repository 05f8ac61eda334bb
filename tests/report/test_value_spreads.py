from __future__ import annotations

import pytest

from auditor.records import ComparedValue, Estimate, ValueSpread
from auditor.report.charts.value_spreads import value_spread_chart
from auditor.report.view.findings import FindingView
from auditor.report.view.report_view import build_view
from auditor.report.view.value_spreads import value_spreads
from auditor.run_folder import RunFolder


@pytest.fixture
def first(run_folder: RunFolder) -> FindingView:
    return build_view(run_folder).findings[0]


def test_values_are_a_table_with_what_each_is_compared_with(first: FindingView) -> None:
    (spread,) = first.value_spreads
    assert spread.table.title == "Values of cell compared"
    assert spread.table.rows == (
        ("mono", "213", "31 % (25–38 %)", "+23 (+16 to +30)", "poly"),
        ("poly", "427", "8 % (6–11 %)", "–", "–"),
    )


def test_extremes_of_the_values_are_among_the_numbers(first: FindingView) -> None:
    numbers = dict(first.numbers)
    assert numbers["largest difference of two values"] == "+23 points (+16 to +30), mono and poly"
    assert numbers["smallest ratio of two error rates"] == "0.26× (0.17× to 0.39×)"


def test_chart_of_values_marks_the_best_one(first: FindingView) -> None:
    chart = value_spread_chart(first.value_spreads[0], "mono", first.marks)
    assert chart is not None
    assert chart.title == "Error rate by cell, all labels together, with 95 % intervals"
    assert chart.description == (
        "mono: 31 %, n = 213; poly (best): 8 %, n = 427. Largest difference: +23 points (+16 to +30)."
    )
    assert "dashed: poly (best)" in chart.svg


def test_spread_of_a_supporting_claim_is_shown_once(first: FindingView) -> None:
    claim = first.record
    assert len(value_spreads([claim, claim.model_copy(update={"supporting": []})], "f")) == 1


def test_chart_of_many_values_keeps_the_highest_rates_and_the_reference(first: FindingView) -> None:
    rates = {f"v{k}": 0.01 * k for k in range(40)}
    part = ValueSpread(
        attribute="site",
        compared_with="reference",
        values=tuple(
            ComparedValue(
                value=name,
                support=100,
                error_rate=Estimate(value=rate, low=0.0, high=rate + 0.1),
                gap=None if name == "v0" else Estimate(value=rate, low=0.0, high=rate + 0.1),
                compared_with=None if name == "v0" else "v0",
            )
            for name, rate in rates.items()
        ),
        largest_difference=Estimate(value=0.39, low=0.2, high=0.5),
        smallest_ratio=None,
        smallest_accuracy_ratio=None,
        furthest_apart=("v39", "v1"),
    )
    record = first.record.model_copy(update={"evidence": [part]})
    (spread,) = value_spreads([record], "f")
    assert spread.marked == "v0"
    chart = value_spread_chart(spread, None, first.marks)
    assert chart is not None
    assert "v0 (reference): 0 %" in chart.description
    assert "v39: 39 %" in chart.description
    assert "v20:" not in chart.description
    assert chart.title.endswith("; the 20 most important values of 40")
