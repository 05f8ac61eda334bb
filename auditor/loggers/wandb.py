"""A finished run in Weights & Biases; requires the extra ``wandb``."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from auditor.errors import ConfigError, MissingDependencyError
from auditor.loggers.logged_run import LoggedRun
from auditor.results import AuditResult


def log_to_wandb(
    result: AuditResult | Path | str,
    *,
    project: str = "auditor",
    directory: Path | str | None = None,
    offline: bool = False,
) -> str:
    """Logs metrics, what was audited, the table of findings, and the documents as an artefact.

    Args:
        result: an audit, or the folder of a finished run.
        project: where to log. If a run of Weights & Biases is active, it is used, and stays active.
        directory: where it keeps its files; None: its own setting.
        offline: whether nothing is sent, and `wandb sync` sends it later; false: its own setting.

    Returns:
        Id of the run.

    Raises:
        MissingDependencyError: wandb is not installed.
        DataError: the folder does not hold a finished run.
        ConfigError: Weights & Biases can't start a run, such as without an account.
    """
    try:
        wandb: Any = importlib.import_module("wandb")
    except ImportError as error:
        raise MissingDependencyError(
            "Weights & Biases is not installed: `pip install 'classifier-auditor[wandb]'`"
        ) from error
    logged = LoggedRun.of(result)
    active = wandb.run
    try:
        run = active or wandb.init(
            project=project,
            name=logged.name,
            dir=None if directory is None else str(directory),
            mode="offline" if offline else None,
        )
    except wandb.errors.Error as error:
        raise ConfigError(
            f"Weights & Biases can't start a run; {' '.join(str(error).split())[:200].rstrip('. ')}: run "
            "`wandb login`, or pass `--offline` (`offline=True`) to send the run later"
        ) from error
    try:
        run.config.update({"audit": logged.parameters}, allow_val_change=True)
        table = logged.findings
        findings = wandb.Table(columns=list(table.columns), data=table.to_numpy().tolist())
        run.log({f"audit/{name}": value for name, value in logged.metrics.items()})
        run.log({"audit/findings": findings})
        artifact = wandb.Artifact(f"audit-{run.id}", type="audit", metadata=logged.parameters)
        for path in logged.files:
            artifact.add_file(str(path))
        run.log_artifact(artifact)
        return str(run.id)
    finally:
        if active is None:
            run.finish()
