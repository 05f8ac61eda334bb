"""Display names: what documents for people show, and what exports keep."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from builders.python_audits import prepare, refused
from builders.synthetic_run import Plan, build_run

from auditor.phrasing import (
    attribute_name,
    class_name,
    condition,
    quoted,
    shown_names,
    slice_name,
    whom,
)
from auditor.records import SliceKey
from auditor.records.display_names import DisplayNames
from auditor.report import documents
from auditor.run_folder import RESULT, RunFolder

NAMES = {
    "classes": {"functional": "sound cell", "defective": "faulty cell"},
    "attributes": {"cell_type": "kind of cell"},
    "values": {"cell_type": {"mono": "monocrystalline"}},
}


def test_sentences_within_shown_names_use_them() -> None:
    key = SliceKey(attributes={"cell_type": "mono"}, label="functional")
    with shown_names(DisplayNames.model_validate(NAMES)):
        assert whom(key) == "sound cell samples with kind of cell = monocrystalline"
        assert slice_name(key) == "kind of cell monocrystalline · sound cell"
        assert class_name("not defective") == "not faulty cell"  # of a multi-label task
        assert condition("cell_type", "poly") == "kind of cell = poly"
        assert attribute_name("site") == "site"
    assert whom(key) == "functional samples with cell_type = mono"
    assert quoted("9") == "“9”"


def _run(folder: Path, names: dict[str, Any]) -> RunFolder:
    """A finished run whose configuration has display names."""
    plan = Plan(classes=("functional", "defective"), attributes=("cell_type", "line"))
    store = build_run(folder, plan)
    path = folder / RESULT
    result = json.loads(path.read_text(encoding="utf-8"))
    result["provenance"]["config"]["display_names"] = names
    for finding in result["findings"]:  # an audit with display names writes its sentences with them
        finding["title"], finding["statement"] = "title", []
        finding["action"], finding["limits"], finding["supporting"] = "", "", []
        finding["evidence"] = [one for one in finding["evidence"] if one["type"] != "table"]
    result["tested"], result["skipped"], result["outcome"]["reasons"] = [], [], []
    result["criteria"] = []
    path.write_text(json.dumps(result), encoding="utf-8")
    return store


@pytest.fixture(scope="module")
def named_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    names = {**NAMES, "values": {"cell_type": {"mono": "monocrystalline", "poly": "many"}}}
    return _run(tmp_path_factory.mktemp("named") / "run", names)


@pytest.mark.slow
def test_documents_for_people_show_display_names_alone(named_run: RunFolder) -> None:
    documents.write(named_run, ["html", "pdf", "markdown"])
    html = (named_run.path / "report.html").read_text(encoding="utf-8")
    card = (named_run.path / "model_card.md").read_text(encoding="utf-8")
    pdf = subprocess.run(
        ["pdftotext", str(named_run.path / "report.pdf"), "-"], capture_output=True, check=True
    ).stdout.decode()
    # The configuration is printed as it was given, display names included.
    shown = html[: html.index("Configuration with all defaults")]
    for text in (shown, card, pdf):
        assert "sound cell" in text
        assert "monocrystalline" in text
    for text in (shown, card):
        for raw in ("functional", "defective", "cell_type", ">mono<", "= mono "):
            assert raw not in text, text[max(text.index(raw) - 200, 0) : text.index(raw) + 100]


def test_exports_keep_the_names_of_the_data(named_run: RunFolder) -> None:
    documents.write(named_run, ["csv", "json", "sarif"])
    with (named_run.path / "tables" / "slices.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {one["label"] for one in rows} <= {"", "functional", "defective"}
    assert "mono" in {one["cell_type"] for one in rows}
    for name in ("report.json", "report.sarif"):
        text = (named_run.path / name).read_text(encoding="utf-8")
        assert '"sound cell' not in text.replace('"functional": "sound cell', "")
        assert "cell_type" in text


def test_a_result_without_display_names_is_shown_as_it_is(tmp_path: Path) -> None:
    store = _run(tmp_path / "run", {})
    documents.write(store, ["markdown"])
    assert "cell_type" in (store.path / "model_card.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"classes": {"cta": "feline"}}, "display_names.classes: expected one of the classes cat"),
        ({"classes": {"cta": "feline"}}, "did you mean 'cat'?"),
        ({"values": {"site": {"A": "north"}}}, "the data has no attributes"),
        ({"classes": {"cat": "dog"}}, "are both shown as 'dog'"),
        ({"clases": {}}, "did you mean 'classes'?"),
        ({"classes": {"cat": ""}}, "got an empty text"),
    ],
)
def test_unknown_or_equal_display_names_are_refused_at_once(
    names: dict[str, Any], message: str
) -> None:
    assert message in refused(display_names=names)


def test_display_names_are_passed_from_python() -> None:
    prepared = prepare(display_names={"classes": {"cat": "feline"}})
    assert prepared.config.display_names.of_class("cat") == "feline"
    assert prepared.classes == ("cat", "dog")
