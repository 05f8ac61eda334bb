"""A finished run in TensorBoard; requires the extra ``tensorboard``."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from auditor.errors import ConfigError, MissingDependencyError
from auditor.loggers.logged_run import LoggedRun
from auditor.results import AuditResult


def log_to_tensorboard(
    result: AuditResult | Path | str, folder: Path | str, *, step: int = 0
) -> Path:
    """Writes metrics as scalars, and what was audited and the findings as texts.

    Args:
        result: an audit, or the folder of a finished run.
        folder: of the event files.
        step: of the training, so that audits of several checkpoints make curves.

    Returns:
        The folder.

    Raises:
        MissingDependencyError: TensorBoard is not installed.
        DataError: the folder does not hold a finished run.
        ConfigError: the event files would lie inside of the run.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingDependencyError(
            "TensorBoard is not installed: `pip install 'classifier-auditor[tensorboard]'`"
        ) from error
    logged = LoggedRun.of(result)
    audited = Path(result) if isinstance(result, Path | str) else result.folder
    if Path(folder).resolve().is_relative_to(audited.resolve()):
        raise ConfigError(
            f"expected a folder for TensorBoard outside of the run {audited}, whose seal would break; got "
            f"{folder}: choose another one, with `--directory` on the command line"
        )
    with SummaryWriter(str(folder)) as writer:
        for name, value in logged.metrics.items():
            writer.add_scalar(f"audit/{name}", value, step)
        about = pd.DataFrame(logged.parameters.items(), columns=["about", "value"])
        for name, table in (("about", about), ("findings", logged.findings)):
            writer.add_text(f"audit/{name}", _markdown(table), step)
    return Path(folder)


def _markdown(table: pd.DataFrame) -> str:
    """A table in Markdown, in which no cell ends its row."""
    rows = [list(table.columns), ["---"] * len(table.columns), *table.to_numpy().tolist()]
    lines = (" | ".join(_cell(value) for value in row) for row in rows)
    return "\n".join(f"| {line} |" for line in lines)


def _cell(value: object) -> str:
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
