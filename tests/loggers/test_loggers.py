"""Each tracker's own store on disk, read back with the tracker's own means."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
import wandb
from builders.synthetic_run import build_run
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from typer.testing import CliRunner

from auditor.cli import app
from auditor.errors import ConfigError
from auditor.loggers import LoggedRun, log_to_mlflow, log_to_tensorboard, log_to_wandb
from auditor.manifest import read_manifest, write_manifest
from auditor.report.renderers.html import HtmlReport
from auditor.report.view.report_view import build_view
from auditor.results import AuditResult


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> AuditResult:
    run = build_run(tmp_path_factory.mktemp("runs") / "run")
    HtmlReport().render(build_view(run), run.path)
    write_manifest(run.path)
    return AuditResult.load(run.path)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A file store of MLflow."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    before = mlflow.get_tracking_uri()
    yield (tmp_path / "store").as_uri()
    mlflow.set_tracking_uri(before)


def test_numbers_of_a_run_are_those_of_its_result(audit: AuditResult) -> None:
    metrics = LoggedRun.of(audit).metrics
    assert audit.summary.accuracy is not None
    assert metrics["accuracy"] == audit.summary.accuracy.value
    assert metrics["n_failures"] == audit.summary.n_failures
    first = next(one for one in audit.slices if one.gap is not None and one.label is None)
    [(attribute, value)] = list(first.attributes.items())[:1]
    assert first.gap is not None
    assert metrics[f"slice/{attribute} = {value}/gap"] == first.gap.value
    alerts = sum(one.severity == "alert" for one in audit.findings)
    assert metrics["findings/alert"] == alerts


def test_mlflow_has_metrics_parameters_findings_and_documents(
    audit: AuditResult, store: str
) -> None:
    run_id = log_to_mlflow(audit, experiment="audits", tracking_uri=store)
    client = mlflow.MlflowClient(store)
    run = client.get_run(run_id)
    assert audit.summary.accuracy is not None
    assert run.data.metrics["accuracy"] == audit.summary.accuracy.value
    assert len(run.data.metrics) == len(LoggedRun.of(audit).metrics)
    assert run.data.params["audit.seal"] == read_manifest(audit.folder).seal
    assert run.data.tags["audit.outcome"] == audit.outcome.state
    names = {one.path for one in client.list_artifacts(run_id, "auditor")}
    assert names >= {"auditor/findings.csv", "auditor/audit.json", "auditor/report.html"}


def test_mlflow_store_that_can_not_be_opened_is_refused_with_the_fix(
    audit: AuditResult, store: str
) -> None:
    mlflow.set_tracking_uri(store)
    with pytest.raises(ConfigError, match=r"can't log to nonsense://x; .*: correct the address"):
        log_to_mlflow(audit, experiment="audits", tracking_uri="nonsense://x")
    assert mlflow.get_tracking_uri() == store


def test_wandb_without_an_account_is_refused_with_the_fix(
    audit: AuditResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="run `wandb login`, or pass `--offline`"):
        log_to_wandb(audit, directory=tmp_path)


@pytest.mark.parametrize("inside", ["", "runs/audit"])
def test_tensorboard_never_writes_into_the_run(audit: AuditResult, inside: str) -> None:
    before = sorted(audit.folder.rglob("*"))
    with pytest.raises(ConfigError, match=r"outside of the run .*, whose seal would break"):
        log_to_tensorboard(audit, audit.folder / inside)
    assert sorted(audit.folder.rglob("*")) == before


def test_mlflow_logs_into_the_active_run(audit: AuditResult, store: str) -> None:
    mlflow.set_tracking_uri(store)
    with mlflow.start_run() as run:
        assert log_to_mlflow(audit) == run.info.run_id
        assert mlflow.active_run() is not None


def test_mlflow_keeps_metrics_whose_names_differ_in_forbidden_characters() -> None:
    from auditor.loggers.mlflow import _named

    named = _named({"recall/a?": 1.0, "recall/a!": 2.0, "slice/site = Köln/gap": 3.0})
    assert named == {"recall/a_": 1.0, "recall/a__2": 2.0, "slice/site:K_ln/gap": 3.0}


def test_weights_and_biases_has_metrics_findings_and_documents(
    audit: AuditResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    # A run of its own, offline: its summary is read before it is finished.
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))
    run = wandb.init(project="audits", dir=str(tmp_path), mode="offline")
    try:
        assert log_to_wandb(audit) == run.id
        assert audit.summary.accuracy is not None
        assert run.summary["audit/accuracy"] == audit.summary.accuracy.value
        assert run.config["audit"]["outcome"] == audit.outcome.state
        assert wandb.run is run
    finally:
        run.finish()
    assert list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))


def test_tensorboard_has_scalars_and_findings_by_step(audit: AuditResult, tmp_path: Path) -> None:
    folder = tmp_path / "events"
    for step in (1, 2):
        log_to_tensorboard(audit, folder, step=step)
    events = EventAccumulator(str(folder)).Reload()
    assert audit.summary.accuracy is not None
    points = events.Scalars("audit/accuracy")
    assert [one.step for one in points] == [1, 2]
    assert points[0].value == pytest.approx(audit.summary.accuracy.value)
    [text] = {
        events.Tensors(tag)[0].tensor_proto.string_val[0].decode()
        for tag in events.Tags()["tensors"]
        if "findings" in tag
    }
    assert all(one.id in text for one in audit.findings)


def test_command_logs_a_run(audit: AuditResult, tmp_path: Path, store: str) -> None:
    for options in (
        ("--to", "tensorboard", "--directory", str(tmp_path / "tb")),
        ("--to", "mlflow", "--uri", store, "--project", "p"),
    ):
        done = CliRunner().invoke(app, ["log", str(audit.folder), *options])
        assert done.exit_code == 0, done.output
        assert f"logged to {options[1]}" in done.output
    assert list((tmp_path / "tb").glob("events*"))
    missing = CliRunner().invoke(app, ["log", str(tmp_path), "--to", "mlflow"])
    assert missing.exit_code == 2
