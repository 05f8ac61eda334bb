"""A finished run in MLflow; requires the extra ``mlflow``."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from auditor.errors import ConfigError, MissingDependencyError
from auditor.loggers.logged_run import LoggedRun
from auditor.results import AuditResult

_NOT_A_NAME = re.compile(r"[^\w\-. /:]+", re.ASCII)
"""What MLflow does not allow in the name of a metric."""
_LONGEST_NAME, _LONGEST_PARAMETER = 250, 6000
_FOLDER = "auditor"


def log_to_mlflow(
    result: AuditResult | Path | str,
    *,
    experiment: str | None = None,
    tracking_uri: str | None = None,
) -> str:
    """Logs metrics, parameters, the table of findings and the documents.

    Args:
        result: an audit, or the folder of a finished run.
        experiment: where to log; None: MLflow's current one. If a run of MLflow is active, it is used.
        tracking_uri: address of the store; None: MLflow's own setting.

    Returns:
        Id of the run of MLflow.

    Raises:
        MissingDependencyError: MLflow is not installed.
        DataError: the folder does not hold a finished run.
        ConfigError: MLflow can't open the store.
    """
    try:
        mlflow: Any = importlib.import_module("mlflow")
    except ImportError as error:
        raise MissingDependencyError(
            "MLflow is not installed: `pip install 'classifier-auditor[mlflow]'`"
        ) from error
    logged, before = LoggedRun.of(result), mlflow.get_tracking_uri()
    if tracking_uri is not None:
        mlflow.set_tracking_uri(tracking_uri)
    try:
        active = mlflow.active_run()
        if active is not None:
            return _log(mlflow, logged, active)
        place = None if experiment is None else _experiment(mlflow, experiment)
        with mlflow.start_run(experiment_id=place, run_name=logged.name) as run:
            return _log(mlflow, logged, run)
    except mlflow.exceptions.MlflowException as error:
        reason = str(error).strip().partition("\n")[0][:200].rstrip(". ")
        raise ConfigError(
            f"MLflow can't log to {mlflow.get_tracking_uri()}; {reason}: correct the address of the store. A "
            "database, such as sqlite:///mlflow.db, needs `pip install mlflow`; a folder may need the "
            "environment variable MLFLOW_ALLOW_FILE_STORE=true"
        ) from error
    finally:
        mlflow.set_tracking_uri(before)


def _experiment(mlflow: Any, name: str) -> str:
    """Id of an experiment, which is created where there is none of that name."""
    found = mlflow.get_experiment_by_name(name)
    return str(mlflow.create_experiment(name) if found is None else found.experiment_id)


def _log(mlflow: Any, logged: LoggedRun, run: Any) -> str:
    mlflow.log_metrics(_named(logged.metrics))
    parameters = logged.parameters.items()
    mlflow.log_params({f"audit.{key}": text[:_LONGEST_PARAMETER] for key, text in parameters})
    mlflow.set_tag("audit.outcome", logged.parameters["outcome"])
    mlflow.log_text(logged.findings.to_csv(index=False), f"{_FOLDER}/findings.csv")
    for path in logged.files:
        mlflow.log_artifact(str(path), _FOLDER)
    return str(run.info.run_id)


def _named(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics under names that MLflow allows, each once."""
    named: dict[str, float] = {}
    for name, value in metrics.items():
        allowed = _NOT_A_NAME.sub("_", name.replace(" = ", ":")).strip("/")[:_LONGEST_NAME]
        number = 1
        while (unique := allowed if number == 1 else f"{allowed[:240]}_{number}") in named:
            number += 1
        named[unique] = value
    return named
