from __future__ import annotations

import pytest

from auditor.report.view.findings import FindingView
from auditor.report.view.report_view import build_view
from auditor.run_folder import RunFolder


@pytest.fixture
def first(run_folder: RunFolder) -> FindingView:
    return build_view(run_folder).findings[0]


def test_statement_is_a_lead_and_facts(first: FindingView) -> None:
    assert first.lead.startswith("Of the samples with cell = mono")
    assert first.facts == (
        "The gap is 23 points (95 % interval 16 to 30), above the acceptable 5 points.",
    )


def test_held_fixed_attributes_are_a_table(first: FindingView) -> None:
    assert first.held_fixed is not None
    assert first.held_fixed.rows == (
        ("line", "+21 (+13 to +29)", "the gap remains"),
        (
            "camera",
            "–",
            "cannot be separated from the slice: only 7 effective samples remain",
        ),
        ("all of them and the label, by a regression", "+20 (+12 to +28)", ""),
    )


def test_finding_has_the_numbers_of_its_slice_comparison(first: FindingView) -> None:
    assert first.numbers[:5] == (
        ("error rate", "31 % (25–38 %)"),
        ("error rate of the rest", "8 %"),
        ("gap", "+23 points (+16 to +30)"),
        ("smallest detectable gap", "6 points"),
        ("most failures predicted as", "defective"),
    )
    # What has a table or drawing of its own is not listed a second time.
    assert first.tables == ()


def test_contrasts_are_correct_samples_of_the_same_slice(first: FindingView) -> None:
    assert first.contrasts
    assert all(dict(one.attributes)["cell"] == "mono" for one in first.contrasts)
    assert not any(one.failure for one in first.contrasts)


def test_cards_are_the_named_samples_in_their_order(first: FindingView) -> None:
    assert [one.sample for one in first.cards] == first.record.samples[:6]
    assert all(one.failure and len(one.maps) == 2 for one in first.cards)


def test_attributes_include_those_of_a_contingency_table(run_folder: RunFolder) -> None:
    second = build_view(run_folder).findings[1]
    assert second.record.check == "label-association"
    assert second.attributes == ("cell",)
    assert {one.value for one in second.means} == {"mono", "poly"}


def test_untestable_finding_has_no_images(run_folder: RunFolder) -> None:
    last = build_view(run_folder).findings[-1]
    assert last.record.verdict == "untestable"
    assert last.cards == ()


def test_units_are_ranked_by_their_share(first: FindingView) -> None:
    assert [one.channel for one in first.units] == [17, 4]
    assert [one.sample for one in first.units[0].images] == [
        one.sample for one in first.units[1].images
    ]
    assert len(first.units[0].images) == 6
