"""Whole audits of useless models and unusable data: never a pass, and every document says the same."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from builders.coded_images import write_audit
from typer.testing import CliRunner

from auditor.cli import app
from auditor.phrasing.glossary import OUTCOME_NAMES
from auditor.records import AuditResult, OutcomeState
from auditor.run_folder import RunFolder

HEADLINES: dict[OutcomeState, str] = {
    "passes": "Passes",
    "fails": "Does not pass",
    "undecided": "Cannot be judged",
}
CODES: dict[OutcomeState, int] = {"passes": 0, "fails": 1, "undecided": 4}

CASES: list[tuple[str, str, dict[str, int], OutcomeState]] = [
    ("good", "good", {"n": 300}, "passes"),
    ("always one class", "constant", {"n": 120}, "fails"),
    ("coin", "coin", {"n_classes": 2, "n": 200}, "fails"),
    ("two classes swapped", "swapped", {"n_classes": 2, "n": 120}, "fails"),
    ("NaN logits", "nan", {"n": 60}, "undecided"),
    ("mostly unreadable", "good", {"unreadable": 216}, "undecided"),
    ("single sample", "good", {"n": 1}, "undecided"),
]
FORMATS = ("html", "markdown", "junit", "sarif", "json", "csv")
PRINTED = ("good", "two classes swapped", "single sample")
"""Cases with a PDF: one of each outcome, because a PDF takes seconds."""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "behaviour", "sizes", "state"), CASES, ids=str)
def test_outcome_is_the_same_in_terminal_exit_code_and_every_document(
    name: str, behaviour: str, sizes: dict[str, int], state: OutcomeState, tmp_path: Path
) -> None:
    config = write_audit(tmp_path / "data", behaviour, **sizes)
    run = tmp_path / "run"
    formats = json.dumps([*FORMATS, *(["pdf"] if name in PRINTED else [])])
    options = ["--quiet", "--set", f"report.formats={formats}"]
    done = CliRunner().invoke(app, ["run", str(config), "--out", str(run), *options])
    assert done.exit_code == CODES[state], (name, done.output)
    assert f"outcome: {OUTCOME_NAMES[state]}" in done.output
    assert RunFolder.open(run).read_result().outcome.state == state
    headline = HEADLINES[state]
    assert f'<p class="headline">{headline}</p>' in (run / "report.html").read_text("utf-8")
    assert f"**{headline}.**" in (run / "model_card.md").read_text("utf-8")
    assert json.loads((run / "report.json").read_text("utf-8"))["verdict"]["headline"] == headline
    sarif = json.loads((run / "report.sarif").read_text("utf-8"))["runs"][0]
    assert sarif["properties"]["outcome"] == state
    assert sarif["invocations"][0]["exitCode"] == CODES[state]
    junit = ET.parse(run / "junit.xml").getroot()  # noqa: S314 - our own file
    (case,) = [one for one in junit.iter("testcase") if one.get("name") == "outcome"]
    assert [one.tag for one in case] == {"passes": [], "fails": ["failure"]}.get(state, ["error"])
    if name in PRINTED:
        assert headline in _pdf_text(run / "report.pdf")


def _pdf_text(path: Path) -> str:
    """The text of a PDF, from its title: WeasyPrint subsets fonts, so that pages cannot be searched."""
    import pikepdf

    with pikepdf.open(path) as document:
        return str(document.docinfo["/Title"])


@pytest.mark.slow
def test_outcome_undecided_audit_exits_as_configured(tmp_path: Path) -> None:
    config = write_audit(tmp_path / "data", "good", unreadable=216)
    command = ["run", str(config), "--quiet", "--set", "report.formats=[]", "--out"]
    set_pass = ["--set", "gate.when_undecided=pass"]
    done = CliRunner().invoke(app, [*command, str(tmp_path / "run"), *set_pass])
    assert done.exit_code == 0
    assert "outcome: cannot be judged" in done.output


@pytest.mark.slow
def test_outcome_coin_with_high_confidence_is_an_alert_of_the_calibration_check(
    tmp_path: Path,
) -> None:
    config = write_audit(tmp_path / "data", "coin", n_classes=2, n=400)
    run = tmp_path / "run"
    # Without the default criteria, only findings can fail the audit.
    options = ["--quiet", "--set", "report.formats=[]", "--set", "gate.criteria=[]"]
    done = CliRunner().invoke(app, ["run", str(config), "--out", str(run), *options])
    assert done.exit_code == CODES["fails"], done.output
    result = RunFolder.open(run).read_result()
    (found,) = [
        one
        for one in result.findings
        if one.check == "calibration-gap" and not one.slice.attributes
    ]
    assert found.severity == "alert"
    assert found.verdict == "supported"
    assert found.effect is not None
    accuracy = result.summary.accuracy
    assert accuracy is not None
    assert found.effect.value == pytest.approx(0.99 - accuracy.value, abs=0.001)
    assert found.p_value is not None
    assert found.p_value < 1e-50
    assert found.id in {one.reference for one in result.outcome.reasons if one.state == "fails"}


@pytest.mark.slow
@pytest.mark.parametrize("attributes", ["[site]", "[]"])
def test_coin_with_99_percent_confidence_excuses_no_failure(
    attributes: str, tmp_path: Path
) -> None:
    config = write_audit(tmp_path / "data", "coin", n=600, n_classes=2)
    result, pages = _audited(config, tmp_path / "run", f"data.attributes={attributes}")
    assert result.data_faults is not None
    assert result.data_faults.n_failures == 0
    assert result.data_faults.label_noise is not None
    assert result.data_faults.label_noise.reason == "weak-model"
    for page in pages:
        assert "Label noise could not be estimated: the model is too weak to judge labels" in page
        assert "may be the data’s fault" not in page


@pytest.mark.slow
def test_planted_label_noise_is_estimated_and_blames_no_label(tmp_path: Path) -> None:
    config = write_audit(tmp_path / "data", "graded", n=1200, n_classes=2, wrong_labels=0.05)
    result, pages = _audited(config, tmp_path / "run")
    assert result.data_faults is not None
    noise = result.data_faults.label_noise
    assert noise is not None
    assert noise.is_detected
    assert noise.share is not None
    assert noise.share.low <= 0.05 <= noise.share.high
    # The model's own predictions cannot tell wrong labels from a shortcut: nothing is corrected.
    assert noise.accuracy is None
    assert result.data_faults.n_failures == 0
    for page in pages:
        assert "of the labels" in page
        assert "No label is blamed" in page
        assert "may be the data’s fault" not in page


def _audited(config: Path, run: Path, *settings: str) -> tuple[AuditResult, tuple[str, str]]:
    """The result, and the text of the report and of the model card with plain spaces."""
    command = ["run", str(config), "--out", str(run), "--quiet"]
    for one in ('report.formats=["html", "markdown"]', *settings):
        command += ["--set", one]
    done = CliRunner().invoke(app, command)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    texts = ((run / name).read_text("utf-8") for name in ("report.html", "model_card.md"))
    page, card = (" ".join(text.replace("\u202f", " ").split()) for text in texts)
    return RunFolder.open(run).read_result(), (page, card)
