"""Acceptance criteria in whole audits: refused before predicting, and the same in every document."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from builders.coded_images import write_audit
from typer.testing import CliRunner

from auditor.cli import app
from auditor.run_folder import RunFolder

EVERY = "{name: accurate, metric: accuracy, at_least: 0.8, slices: every, why: agreed in May}"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An audit of a model that is right for 95 % of 240 images from two sites."""
    return write_audit(tmp_path_factory.mktemp("data"), "good")


@pytest.mark.parametrize("command", ["check", "run", "plan"])
@pytest.mark.parametrize(
    ("criterion", "text"),
    [
        ("{metric: recall, class: c9, at_least: 0.5}", "criteria[0].class"),
        ("{metric: accuracy, at_least: 0.5, slices: {site: Z}}", "criteria[0].slices.site"),
        ("{metric: accuracy_gap, at_most: 0.1, attributes: [sex]}", "criteria[0].attributes"),
        ("{metric: sensitivity, at_least: 0.5}", "criteria[0].class: expected a class name"),
        ("{metric: accuracy, at_least: 0.5, confidence: 95}", "criteria.0.confidence"),
    ],
)
def test_criterion_that_cannot_be_judged_is_one_message_before_predicting(
    config: Path, tmp_path: Path, command: str, criterion: str, text: str
) -> None:
    options = ["--set", f"criteria=[{criterion}]"]
    options += ["--out", str(tmp_path / "run")] if command == "run" else []
    done = CliRunner().invoke(app, [command, str(config), *options])
    assert done.exit_code == 2
    assert text in done.output
    assert "Traceback" not in done.output
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_criteria_of_a_whole_audit_are_the_same_in_every_document(
    config: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    missed = "{name: shown, metric: error_rate, at_most: 0.001}"
    options = ["--set", f"criteria=[{EVERY}, {missed}]", "--set", "gate.blocking=[accurate]"]
    options += ["--set", "report.formats=[html, markdown, junit, sarif]", "--quiet"]
    done = CliRunner().invoke(app, ["run", str(config), "--out", str(run), *options])
    assert done.exit_code in {0, 4}, done.output  # the missed criterion does not block
    result = RunFolder.open(run).read_result()
    own = [one for one in result.criteria if one.configured]
    assert [(one.criterion, str(one.slice), one.state, one.blocking) for one in own] == [
        ("accurate", "site = A", "met", True),
        ("accurate", "site = B", "met", True),
        ("shown", "all samples", "missed", False),
    ]
    html = (run / "report.html").read_text("utf-8")
    assert "2 criteria fixed in advance: 1 met (accurate), 1 missed (shown)" in html
    assert "Reason for the limit: agreed in May" in html
    card = (run / "model_card.md").read_text("utf-8")
    assert "- **accurate:** met. Of 2 comparisons: 2 met." in card
    sarif = json.loads((run / "report.sarif").read_text("utf-8"))["runs"][0]
    states = [one["state"] for one in sarif["properties"]["criteria"] if one["why"]]
    assert states == ["met", "met"]
    junit = ET.parse(run / "junit.xml").getroot()  # noqa: S314 - our own file
    cases = [one for one in junit.iter("testcase") if one.get("classname") == "auditor.criteria"]
    assert sum(one.find("failure") is not None for one in cases) == 0
