"""The documents that other programs read."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from auditor.registry import all_of
from auditor.report import Renderer
from auditor.report.renderers.csv import CsvTables
from auditor.report.renderers.json import JsonReport
from auditor.report.renderers.junit import JunitXml
from auditor.report.renderers.markdown import ModelCard, _markdown
from auditor.report.renderers.sarif import SarifLog
from auditor.report.view.report_view import build_view
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
    assert levels == ["error", "error", "warning", "note", "note"]
    for one in run["results"]:
        assert rules[one["ruleIndex"]] == one["ruleId"]
        assert one["message"]["text"]
        assert one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "audit.json"
    assert "Further supporting claims: 3." in run["results"][0]["message"]["text"]
    prints = [one["partialFingerprints"]["checkAndSlice/v1"] for one in run["results"]]
    assert len(set(prints)) == len(prints)


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
    assert _markdown("# a|b *c*\n<img> & [x](y)") == r"\# a\|b \*c\* &lt;img&gt; &amp; \[x\](y)"
    assert _markdown("1. one") == r"1\. one"
    assert _markdown("-1") == r"\-1"


def test_hostile_name_breaks_no_document(hostile_run: RunFolder) -> None:
    text = rendered(ModelCard(), hostile_run).read_text(encoding="utf-8")
    _, head, body = text.split("---\n", 2)
    assert yaml.safe_load(head)["model-index"][0]["name"].startswith("<script>")
    assert "<script" not in body
    assert "\u202e" not in body
    ET.parse(rendered(JunitXml(), hostile_run))  # noqa: S314 - our own file
    json.loads(rendered(SarifLog(), hostile_run).read_text(encoding="utf-8"))
