"""``audit.json`` of another hand: read in full, or refused with the place of the fault."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from builders.result_mutations import Mutations
from builders.small_runs import predictions, small_run
from builders.synthetic_run import Plan, build_run
from typer.testing import CliRunner

from auditor import cli
from auditor.errors import DataError
from auditor.run_folder import RunFolder

REMOVED = object()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return build_run(tmp_path_factory.mktemp("runs") / "run", Plan(samples=80, side=16, drawn=4))


@pytest.fixture(scope="module")
def raw(run: RunFolder) -> Any:
    return json.loads((run.path / "audit.json").read_text("utf-8"))


def _changed(raw: Any, place: str, value: object) -> str:
    changed = json.loads(json.dumps(raw))
    *parents, last = (int(key) if key.isdigit() else key for key in place.split("."))
    node = changed
    for key in parents:
        node = node[key]
    if value is REMOVED:
        del node[last]
    else:
        node[last] = value
    return json.dumps(changed)


def _refused(text: str | bytes, folder: Path) -> str:
    path = folder / "audit.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError) as caught:
        RunFolder.open(folder).read_result()
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert len(message) < 1000
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected JSON"),
        ("{", "expected JSON"),
        ("[" * 9000, "nested too deeply"),
        ('{"a": ' * 9000, "nested too deeply"),
        ('{"schema_version": ' + "[" * 60 + "]" * 60 + "}", "at most 40 levels"),
        ('{"seed": ' + "9" * 5000 + "}", "expected JSON"),
        ('{"seed": ' + "9" * 400 + "}", "seed: expected an integer of at most 64 bits"),
        ('{"a": [NaN]}', "a.0: expected a finite number"),
        ('{"a": {"b": -Infinity}}', "a.b: expected a finite number"),
        ('{"a": 1e999}', "a: expected a finite number"),
        ('{"a": 1e130}', "a: expected a finite number"),
        ('{"a": "\\ud800"}', "a: expected Unicode text"),
        ('{"\\ud800": 1}', "expected Unicode text"),
        (b'{"a": "\xff"}', "expected JSON in UTF-8"),
        ("[]", "expected schema_version 2; got None"),
        ("null", "expected schema_version 2; got None"),
        ('{"schema_version": 99}', "got 99"),
        ('{"schema_version": "2"}', "got '2'"),
        ('{"schema_version": true}', "got True"),
        ('{"schema_version": [2]}', "got [2]"),
        ('{"schema_version": 2}', "run: expected a value; it is missing"),
        ('{"schema_version": 1}', "provenance: expected a value; it is missing"),
    ],
)
def test_document_that_is_no_result_is_refused(
    text: str | bytes, message: str, tmp_path: Path
) -> None:
    assert message in _refused(text, tmp_path)


CURVE = {"title": "t", "x_name": "age", "x_is_position": False, "y_name": "y", "y_unit": "share"}


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("summary.n_samples", "80", "summary.n_samples: expected a whole number; got '80'"),
        ("summary.n_samples", -1, "summary.n_samples: expected a count of at least 0; got -1"),
        ("summary.accuracy.low", 2.0, "summary.accuracy: expected `low` up to `high`; got 2 and"),
        ("summary.accuracy.value", "nan", "summary.accuracy.value: expected a number"),
        ("run.created_at", "0001-01-01T00:00:00Z", "run.created_at: expected a year of this era"),
        ("run.extra", 1, "run.extra: unknown key; got '1'"),
        ("run", REMOVED, "run: expected a value; it is missing"),
        ("gate", "fatal", "gate: expected 'note', 'warning' or 'alert'; got 'fatal'"),
        ("classes.1.name", "functional", "classes: expected different names; 'functional' occurs"),
        ("confusion.0.label", "none", "confusion.0.label: expected the name of a class out of"),
        ("findings.1.id", "F-01", "findings"),
        ("findings.0.evidence.0.type", "other", "findings.0.evidence.0"),
        ("findings.0.p_value", 1.5, "findings.0.p_value: expected a probability from 0 to 1"),
        ("slices.0.q_value", -0.1, "slices.0.q_value: expected a probability from 0 to 1"),
        ("explanations.failures.0.map", "../x#0", "explanations.failures.0.map: expected a ref"),
        ("explanations.failures.0.map", "explanations/../a.parquet#0", "expected a reference"),
        ("explanations.failures.0.image", "explanations/a.parquet", "expected a reference such as"),
        ("explanations.sanity.localisation.object_share", "x", "explanations.sanity.localisation"),
        ("explanations.sanity.deletion_area", [], "explanations.sanity.deletion_area"),
        ("explanations.sanity", [], "explanations.sanity: expected a mapping of names to values"),
        ("metrics.0.metric", "magic", "metrics.0.metric: expected the name of a metric"),
        ("curves.0.y", [0.0], "curves.0.y: expected as many values as `x`"),
        (
            "error_curves",
            [CURVE | {"points": []}],
            "error_curves.0.points: expected at least 1; got",
        ),
        ("reliability.bins", [], "reliability.bins: expected at least 1; got none"),
        ("decision.thresholds", [0.5], "decision.thresholds: expected one for each of 0"),
        ("decision.positive", ["x"], "decision.thresholds: expected one for each of 1"),
        (
            "provenance.config.about",
            [],
            "provenance.config.about: expected a mapping of names to values",
        ),
        ("provenance.config.about.selected", {}, "provenance.config.about.selected: expected text"),
        ("provenance.config.about.sensitive", "sex", "provenance.config.about.sensitive"),
        (
            "provenance.config.report",
            3,
            "provenance.config.report: expected a mapping of names to values",
        ),
        ("provenance.config.report.compliance", [1], "provenance.config.report.compliance.0"),
        ("provenance.config.report.options", {"pdf": 1}, "provenance.config.report.options.pdf"),
        ("provenance.config.checks", [], "provenance.config.checks"),
        ("provenance.environment", {"a": 1}, "provenance.environment.a: expected text"),
    ],
)
def test_part_that_is_wrong_is_refused_with_its_place(
    raw: Any, place: str, value: object, message: str, tmp_path: Path
) -> None:
    raw = json.loads(json.dumps(raw))
    raw["provenance"]["config"].setdefault("about", {})
    raw["findings"][0]["id"] = "F-01"
    assert message in _refused(_changed(raw, place, value), tmp_path)


def _part(**fields: object) -> dict[str, object]:
    return fields


ESTIMATE = {"value": 0.1, "low": 0.0, "high": 0.2}


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (
            _part(type="table", title="t", columns=["a", "b"], rows=[["x"]]),
            "table.rows.0: expected 2 cells, one per column; got 1",
        ),
        (
            _part(type="table", title="t", columns=["a"], rows=[], units=["share", None]),
            "units: expected none, or 1",
        ),
        (
            _part(
                type="contingency",
                source="audited",
                attribute="a",
                labels=["x"],
                values=["p", "q"],
                counts=[[1]],
            ),
            "counts: expected 1 rows of 2 counts",
        ),
        (
            _part(type="image-difference", description="d", brightness=[[1.0], []]),
            "brightness: expected rows of the same length",
        ),
        (
            _part(type="image-difference", description="d", brightness=[]),
            "brightness: expected rows of the same length",
        ),
        (
            _part(
                type="value-spread",
                attribute="a",
                compared_with="best",
                values=[],
                largest_difference=ESTIMATE,
                smallest_ratio=None,
                smallest_accuracy_ratio=None,
                furthest_apart=["p", "q"],
            ),
            "furthest_apart: expected values out of (none); got 'p'",
        ),
        (
            _part(
                type="intervention",
                method="swap-region",
                region={"place": "p", "box": [0.5, 0.0, 0.2, 1.0]},
                effects=[],
            ),
            "region.box: expected left, upper, right and lower edge from 0 to 1",
        ),
        (
            _part(
                type="metric-comparison",
                metric="x",
                class_name=None,
                unit="share",
                own=ESTIMATE,
                rest=ESTIMATE,
            ),
            "metric: expected the name of a metric",
        ),
        (_part(type="curve", points=[], **CURVE), "points: expected at least 1; got none"),
    ],
)
def test_evidence_that_contradicts_itself_is_refused(
    raw: Any, part: dict[str, object], message: str, tmp_path: Path
) -> None:
    refused = _refused(_changed(raw, "findings.0.evidence", [part]), tmp_path)
    assert refused.startswith("findings.0.evidence.0.")
    assert message.removeprefix("table.") in refused


@pytest.mark.parametrize("command", [["render"], ["compare", "other"], ["selftest"]])
def test_commands_exit_with_2_and_one_message(
    command: list[str], run: RunFolder, tmp_path: Path
) -> None:
    folder = shutil.copytree(run.path, tmp_path / "run")
    (folder / "audit.json").write_text('{"schema_version": 2}', encoding="utf-8")
    name, *others = command
    done = CliRunner().invoke(cli.app, [name, str(folder), *[str(run.path) for _ in others]])
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")


@pytest.mark.slow
@pytest.mark.parametrize("source", ["synthetic", "small", "version 1"])
def test_random_mutations_end_in_success_or_in_one_message(
    source: str, run: RunFolder, example_v1: Path, tmp_path: Path
) -> None:
    if source == "small":
        small_run(tmp_path / "changed", predictions(60, range(9), site=["A", "B"] * 30))
    else:
        shutil.copytree(run.path if source == "synthetic" else example_v1, tmp_path / "changed")
    shutil.copytree(tmp_path / "changed", tmp_path / "intact")
    changed, intact = (RunFolder.open(tmp_path / name) for name in ("changed", "intact"))
    found = Mutations(changed, intact, together=60).run_all(80, seed=5)
    assert found.n == 80
    assert not found.crashes, found.crashes[0]
    assert found.refused > 20
    for mutation, message in found.messages:
        assert message.startswith(str(changed.path / "audit.json")), mutation
        assert "\n" not in message, mutation


@pytest.mark.slow
@pytest.mark.parametrize("source", ["synthetic", "version 1"])
def test_list_that_is_empty_is_rendered_or_refused(
    source: str, run: RunFolder, example_v1: Path, tmp_path: Path
) -> None:
    shutil.copytree(run.path if source == "synthetic" else example_v1, tmp_path / "changed")
    shutil.copytree(tmp_path / "changed", tmp_path / "intact")
    changed, intact = (RunFolder.open(tmp_path / name) for name in ("changed", "intact"))
    found = Mutations(changed, intact).run_empty()
    assert found.n > 20
    assert not found.crashes, found.crashes[0]
