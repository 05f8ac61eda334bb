"""The metrics of an audit: those of the configuration, or those that suit the task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from auditor.config import MetricsSection
from auditor.errors import ConfigError
from auditor.records import TaskName, Unit
from auditor.statistics.metrics import METRICS, Metric, metric_named

_OF_DECISIONS = (
    "sensitivity",
    "specificity",
    "ppv",
    "npv",
    "f1",
    "auroc",
    "average-precision",
    "brier",
    "calibration-error",
    "calibration-slope",
    "calibration-intercept",
    "selection-rate",
)
_SHOWN: Mapping[TaskName, tuple[str, ...]] = {
    "single-label": (
        "accuracy",
        "balanced-accuracy",
        "macro-f1",
        "top-5",
        "calibration-error",
        "brier",
    ),
    "binary": _OF_DECISIONS,
    "multi-label": _OF_DECISIONS,
}
_PRIMARY: Mapping[TaskName, tuple[str, ...]] = {
    "single-label": ("accuracy",),
    "binary": ("sensitivity", "specificity"),
    "multi-label": ("sensitivity", "specificity"),
}
_DECIMALS = frozenset({"f1", "macro-f1", "auroc", "average-precision", "brier"})
"""Metrics from 0 to 1 that are no shares of samples: they are written as decimal numbers."""


@dataclass(frozen=True)
class ChosenMetrics:
    """The metrics of an audit, by their canonical names.

    Attributes:
        primary: their gaps between slices are tested.
        shown: all metrics of the report, the primary ones first.
    """

    primary: tuple[str, ...]
    shown: tuple[str, ...]


def choose_metrics(section: MetricsSection, task: TaskName, n_classes: int) -> ChosenMetrics:
    """The metrics that the configuration asks for.

    Args:
        section: of the configuration.
        task: of the classifier.
        n_classes: number of classes.

    Raises:
        ConfigError: a metric does not exist or does not suit the task.
    """
    primary, shown = (
        _suitable(names, task, n_classes, key)
        for names, key in ((section.primary, "primary"), (section.show, "show"))
    )
    defaults = [one for one in _SHOWN[task] if one != "top-5" or n_classes > 5]
    if primary is None:
        primary = _PRIMARY[task]
    return ChosenMetrics(primary, _unique((*primary, *(defaults if shown is None else shown))))


def written_unit(metric: Metric) -> Unit:
    """The unit in which a metric is written."""
    return "score" if metric.name in _DECIMALS else metric.unit


def _suitable(
    names: Iterable[str] | None, task: TaskName, n_classes: int, key: str
) -> tuple[str, ...] | None:
    if names is None:
        return None
    return _unique(_canonical(one, task, n_classes, f"metrics.{key}") for one in names)


def _canonical(name: str, task: TaskName, n_classes: int, place: str) -> str:
    try:
        metric = metric_named(name)
    except ValueError:
        raise ConfigError(f"{place}: {_expected(task)}; got {name!r}") from None
    if task not in metric.tasks:
        raise ConfigError(
            f"{place}: {_expected(task)}; got {name!r}, which does not suit this task"
        )
    number = metric.name.removeprefix("top-")
    if number.isdigit() and not int(number) < n_classes:
        raise ConfigError(
            f"{place}: expected top-k accuracy for k below the number of classes, {n_classes}; got "
            f"{name!r}"
        )
    return metric.name


def _expected(task: TaskName) -> str:
    suitable = [one.name for one in METRICS.values() if task in one.tasks]
    return f"expected metrics of a {task} classifier ({', '.join(suitable)})"


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
