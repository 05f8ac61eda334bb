"""``auditor log``: a finished run in an experiment tracker."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from auditor.command_options import RunArgument
from auditor.console import line
from auditor.exit_codes import exit_codes
from auditor.exit_codes import out as out_console


class Tracker(StrEnum):
    """Experiment trackers."""

    MLFLOW = "mlflow"
    WANDB = "wandb"
    TENSORBOARD = "tensorboard"


def log(
    folder: RunArgument,
    to: Annotated[Tracker, typer.Option("--to", help="The experiment tracker.")],
    project: Annotated[
        str | None,
        typer.Option(help="Experiment of MLflow or project of Weights & Biases; default: auditor."),
    ] = None,
    uri: Annotated[
        str | None,
        typer.Option(help="Address of MLflow's store; default: its own setting."),
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option(help="Folder of TensorBoard's or Weights & Biases' files."),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Weights & Biases: send nothing now.")
    ] = False,
) -> None:
    """Log a finished run to MLflow, Weights & Biases or TensorBoard."""
    with exit_codes():
        from auditor import loggers

        if to is Tracker.MLFLOW:
            name = loggers.log_to_mlflow(folder, experiment=project or "auditor", tracking_uri=uri)
        elif to is Tracker.WANDB:
            name = loggers.log_to_wandb(
                folder, project=project or "auditor", directory=directory, offline=offline
            )
        else:
            name = str(loggers.log_to_tensorboard(folder, directory or Path("runs") / folder.name))
        out_console.print(line(f"logged to {to.value}: {name}"))
