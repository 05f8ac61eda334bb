"""Acceptance criteria on the first page, in their own section and as compliance evidence."""

from __future__ import annotations

from typing import Any

import pytest

from auditor.records import CriterionResult, SliceKey
from auditor.report.renderers.html import HtmlReport
from auditor.report.view.compliance_evidence import KINDS
from auditor.report.view.criteria import criteria_text, criterion_views
from auditor.report.view.report_view import build_view
from auditor.run_folder import RunFolder


def result(state: Any, site: str = "", **changes: Any) -> CriterionResult:
    fields: dict[str, Any] = {
        "id": "",
        "name": f"accuracy, site = {site}",
        "criterion": "accuracy in every slice",
        "metric": "accuracy",
        "slice": SliceKey(attributes={"site": site} if site else {}),
        "bound": "at least",
        "threshold": 0.9,
        "unit": "share",
        "estimate": None,
        "support": 10,
        "state": state,
        "configured": True,
        "statement": "It is 95 %.",
    }
    return CriterionResult(**(fields | changes))


@pytest.mark.parametrize(
    ("states", "whole"),
    [
        (["met", "met"], "met"),
        (["met", "undecided"], "undecided"),
        (["undecided", "missed"], "missed"),
        (["missed", "met"], "missed"),
    ],
)
def test_criterion_for_several_slices_has_the_state_of_all(states: list[str], whole: str) -> None:
    (view,) = criterion_views([result(one, site) for one, site in zip(states, "AB", strict=True)])
    assert view.state == whole
    assert [(row.subject, row.state) for row in view.rows] == [
        ("site = A", states[0]),
        ("site = B", states[1]),
    ]


def test_criterion_statement_counts_its_slices() -> None:
    (view,) = criterion_views([result("met", "A"), result("missed", "B"), result("met", "C")])
    assert view.statement == "Of 3 comparisons: 2 met, 1 missed (site = B)."


def test_criteria_text_names_the_criteria_of_each_state() -> None:
    views = criterion_views(
        [
            result("met", criterion="a"),
            result("undecided", criterion="b"),
            result("met", criterion="c"),
            result("missed", criterion="", configured=False, name="finite outputs"),
        ]
    )
    assert criteria_text(views) == ("3 criteria fixed in advance: 2 met (a; c), 1 undecided (b).")
    assert criteria_text(views[3:]) == ""


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "configuration"),
        ({"blocking": False}, "configuration, for information"),
        ({"configured": False}, "default"),
    ],
)
def test_criterion_says_who_set_it(changes: dict[str, Any], text: str) -> None:
    assert criterion_views([result("met", **changes)])[0].set_by == text


def test_html_report_has_the_criteria_on_its_first_page(run_folder: RunFolder) -> None:
    view = build_view(run_folder)
    html = HtmlReport().render(view, run_folder.path).read_text(encoding="utf-8")
    opening = html.split('<header class="opening">')[1].split("</header>")[0]
    assert "<b>Acceptance criteria.</b>" in opening
    assert "criteria fixed in advance" in opening


def test_compliance_evidence_states_criteria_and_their_reasons(run_folder: RunFolder) -> None:
    found = run_folder.read_result()
    stated = found.model_copy(update={"criteria": [result("met", why="agreed in May")]})
    none = found.model_copy(update={"criteria": []})
    evidence, reasons = (KINDS[name](stated) for name in ("criteria", "criteria-reasons"))
    assert evidence is not None
    assert evidence.text.startswith("1 criterion fixed in advance: 1 met")
    assert reasons is not None
    assert "accuracy in every slice: agreed in May" in reasons.text
    assert [KINDS[name](none) for name in ("criteria", "criteria-reasons")] == [None, None]
