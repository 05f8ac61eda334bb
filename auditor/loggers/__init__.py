"""Loggers: a finished run in an experiment tracker. One tracker per file.

Each logs the same: numbers by name (accuracy, metrics, recall of each class, rates and gaps of each slice),
what was audited, the table of findings, and the documents.
"""

from auditor.loggers.logged_run import LoggedRun
from auditor.loggers.mlflow import log_to_mlflow
from auditor.loggers.tensorboard import log_to_tensorboard
from auditor.loggers.wandb import log_to_wandb

__all__ = ["LoggedRun", "log_to_mlflow", "log_to_tensorboard", "log_to_wandb"]
