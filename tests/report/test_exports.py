"""The documents that other programs read."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from auditor.records import CriterionResult, Estimate, SliceKey
from auditor.registry import all_of
from auditor.report import Renderer
from auditor.report.markdown_text import as_text
from auditor.report.renderers.csv import CsvTables
from auditor.report.renderers.json import JsonReport
from auditor.report.renderers.junit import JunitXml
from auditor.report.renderers.markdown import ModelCard
from auditor.report.renderers.sarif import SarifLog
from auditor.report.view.report_view import ReportView, build_view
from auditor.run_folder import RunFolder


def rendered(renderer: Renderer, run: RunFolder) -> Path:
    return renderer.render(build_view(run), run.path)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_renderer_is_registered_by_its_name() -> None:
    names = {"csv", "html", "json", "junit", "markdown", "pdf", "sarif"}
    assert names <= set(all_of("renderer"))
    assert all(issubclass(one, Renderer) for one in all_of("renderer").values())


def test_csv_tables_have_every_finding_slice_and_failure(run_folder: RunFolder) -> None:
    folder = rendered(CsvTables(), run_folder)
    view = build_view(run_folder)
    failures = table(folder / "failures.csv")
    assert len(failures) == view.summary.n_failures
    assert {one["label"] == one["predicted"] for one in failures} == {False}
    assert sorted({one["data_fault"] for one in failures}) == [
        "",
        "a copy has another label; label doubtful",
        "label doubtful",
    ]
    slices = table(folder / "slices.csv")
    assert len(slices) == len(view.slices)
    assert slices[0]["cell"] == "mono"
    assert float(slices[0]["gap"]) == pytest.approx(view.slices[0].gap.value)  # type: ignore[union-attr]
    metrics = table(folder / "metrics.csv")
    assert len(metrics) == len(run_folder.read_result().metrics)
    assert metrics[0]["metric"] == "sensitivity"
    assert metrics[-1]["reason"] == "not defined: no positive samples"
    first = table(folder / "findings.csv")[0]
    assert first["id"] == "performance-gap-1"
    assert "It remains with line held fixed" in first["statement"]


def test_no_csv_cell_becomes_a_formula(hostile_run: RunFolder) -> None:
    folder = rendered(CsvTables(), hostile_run)
    for path in folder.iterdir():
        for row in table(path):
            for name, cell in row.items():
                assert not name.startswith(("=", "@"))
                if cell.startswith(("=", "+", "@", "-")):
                    float(cell)  # only numbers may
    labels = {one["label"] for one in table(folder / "failures.csv")}
    assert '\'=cmd|"/c calc"!A1' in labels


def test_junit_test_fails_if_its_finding_blocks_the_gate(run_folder: RunFolder) -> None:
    suite = ET.parse(rendered(JunitXml(), run_folder)).getroot()[0]  # noqa: S314 - our own file
    failed = {case.get("name") for case in suite if case.find("failure") is not None}
    view = build_view(run_folder)
    assert failed == {"outcome", *(one.record.title for one in view.findings if one.blocks)}
    assert suite.get("tests") == str(len(suite)) == "9"
    assert suite.get("failures") == "3"
    assert suite.get("skipped") == "2"  # one untestable finding, one check that was not done


def test_sarif_has_what_code_scanning_needs(run_folder: RunFolder) -> None:
    log = json.loads(rendered(SarifLog(), run_folder).read_text(encoding="utf-8"))
    run = log["runs"][0]
    assert log["version"] == "2.1.0"
    rules = [one["id"] for one in run["tool"]["driver"]["rules"]]
    levels = [one["level"] for one in run["results"]]
    # Five findings, and a criterion for each of the two classes.
    assert levels == ["error", "error", "warning", "note", "note", "none", "none"]
    assert [one["kind"] for one in run["results"][5:]] == ["pass", "open"]
    for one in run["results"]:
        assert rules[one["ruleIndex"]] == one["ruleId"]
        assert one["message"]["text"]
        assert one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "audit.json"
    assert "Further supporting claims: 3." in run["results"][0]["message"]["text"]
    prints = [one["partialFingerprints"]["checkAndSlice/v1"] for one in run["results"]]
    assert len(set(prints)) == len(prints)


def with_criteria(run: RunFolder) -> ReportView:
    """The view of a run with other criteria: one for three slices, and one that does not block."""
    site, other = (
        CriterionResult(
            id="",
            name=f"{what}, site = A at least 90 %",
            criterion=what,
            metric="sensitivity",
            slice=SliceKey(attributes={"site": "A"}),
            bound="at least",
            threshold=0.9,
            unit="share",
            estimate=Estimate(value=0.92, low=0.88, high=0.95),
            support=200,
            state="undecided",
            configured=True,
            statement=f"The {what} is 92 %.",
            why="agreed in May",
            missing_samples=120,
            blocking=blocking,
        )
        for what, blocking in (("sensitivity", True), ("specificity", False))
    )
    b = site.model_copy(update={"slice": SliceKey(attributes={"site": "B"}), "state": "met"})
    missed = other.model_copy(update={"state": "missed"})
    return replace(build_view(run), criteria=(site, b, missed))


def test_junit_criterion_that_does_not_block_neither_fails_nor_is_an_error(
    run_folder: RunFolder,
) -> None:
    path = JunitXml().render(with_criteria(run_folder), run_folder.path)
    suite = ET.parse(path).getroot()[0]  # noqa: S314 - our own file
    cases = [one for one in suite if one.get("classname") == "auditor.criteria"]
    assert [[child.tag for child in one] for one in cases] == [
        ["error"],
        ["system-out"],
        ["skipped"],
    ]
    assert "Reason for the limit: agreed in May" in (cases[0][0].text or "")


def test_sarif_criteria_have_limits_and_missing_samples(run_folder: RunFolder) -> None:
    path = SarifLog().render(with_criteria(run_folder), run_folder.path)
    run = json.loads(path.read_text(encoding="utf-8"))["runs"][0]
    first = run["properties"]["criteria"][0]
    assert (first["threshold"], first["confidence"], first["missing_samples"]) == (0.9, 0.95, 120)
    own = [one for one in run["results"] if one["ruleId"] == "acceptance-criteria"]
    # The missed one would be a finding.
    assert [one["kind"] for one in own] == ["open", "pass"]


def test_model_card_lists_criteria_with_their_slices(run_folder: RunFolder) -> None:
    path = ModelCard().render(with_criteria(run_folder), run_folder.path)
    text = path.read_text(encoding="utf-8")
    section = text.split("## Acceptance criteria")[1].split("##")[0]
    assert section.strip().splitlines() == [
        (
            "- **sensitivity:** undecided. Of 2 comparisons: 1 met, 1 undecided (site = A). "
            "Reason for the limit: agreed in May"
        ),
        "  - site = A: undecided. The sensitivity is 92 %.",
        "  - site = B: met. The sensitivity is 92 %.",
        "- **specificity:** missed. The specificity is 92 %. Reason for the limit: agreed in May",
    ]


def test_json_has_what_the_view_has(run_folder: RunFolder) -> None:
    loaded = json.loads(rendered(JsonReport(), run_folder).read_text(encoding="utf-8"))
    view = build_view(run_folder)
    assert loaded["verdict"]["headline"] == view.verdict.headline
    assert len(loaded["failures"]) == len(view.failures)
    assert loaded["findings"][0]["record"]["id"] == "performance-gap-1"


def test_model_card_has_metadata_for_the_hub(run_folder: RunFolder) -> None:
    text = rendered(ModelCard(), run_folder).read_text(encoding="utf-8")
    _, head, body = text.split("---\n", 2)
    entry = yaml.safe_load(head)["model-index"][0]
    metrics = entry["results"][0]["metrics"]
    view = build_view(run_folder)
    assert view.accuracy is not None
    assert metrics[0] == {
        "type": "accuracy",
        "name": "Accuracy",
        "value": round(view.accuracy.value, 4),
    }
    assert metrics[1]["name"] == "Accuracy on the worst slice (cell mono)"
    assert "**Does not pass.**" in body
    assert "2 may be the data’s fault" in body
    assert "not stated" in body
    assert r"Effect: \+23 points (+16 to +30), error-rate gap." in body
    assert "It remains with line held fixed: at least 21 points." in body
    assert "63 hypotheses were tested without becoming a finding." in body
    assert "With these samples, a gap of 10 points" in body
    assert "no shortcut" not in body.lower()


def test_text_in_markdown_stays_text() -> None:
    assert as_text("# a|b *c*\n<img> & [x](y)") == r"\# a\|b \*c\* &lt;img&gt; &amp; \[x\](y)"
    assert as_text("1. one") == r"1\. one"
    assert as_text("-1") == r"\-1"


def test_hostile_name_breaks_no_document(hostile_run: RunFolder) -> None:
    text = rendered(ModelCard(), hostile_run).read_text(encoding="utf-8")
    _, head, body = text.split("---\n", 2)
    assert yaml.safe_load(head)["model-index"][0]["name"].startswith("<script>")
    assert "<script" not in body
    assert "\u202e" not in body
    ET.parse(rendered(JunitXml(), hostile_run))  # noqa: S314 - our own file
    json.loads(rendered(SarifLog(), hostile_run).read_text(encoding="utf-8"))
