"""Whether criteria are about metrics, classes, attributes and values that the audit has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from auditor.attributes.known_values import KnownValues
from auditor.config.criteria import Criterion
from auditor.errors import ConfigError
from auditor.phrasing import several
from auditor.records.decisions import TaskName

_OF_ALL_CLASSES = frozenset(
    {"accuracy", "error-rate", "balanced-accuracy", "macro-f1", "overconfidence"}
)
"""Metrics of predictions of several classes that are not about one of them."""


@dataclass(frozen=True)
class KnownNames:
    """What criteria may name.

    Attributes:
        task: of the classifier.
        classes: class names in index order.
        attributes: with their values.
    """

    task: TaskName
    classes: Sequence[str]
    attributes: KnownValues


def require_known_names(configured: Sequence[Criterion], known: KnownNames) -> None:
    """Checks what criteria name, before anything is predicted.

    Raises:
        ConfigError: a criterion is about a metric that the task lacks, or names an unknown class,
            attribute or value, or there is no attribute for ``slices: every``.
    """
    for position, criterion in enumerate(configured):
        place = f"criteria[{position}]"
        _require_metric(criterion, known, place)
        _require_class(criterion, known, place)
        _require_slices(criterion, known, place)


def _require_metric(criterion: Criterion, known: KnownNames, place: str) -> None:
    metric = criterion.measured
    if known.task not in metric.tasks:
        raise ConfigError(
            f"{place}.metric: expected a metric of the task {known.task}; {metric.name} is one of "
            f"{several(sorted(metric.tasks))} only: remove the criterion, or change `task`"
        )


def _require_class(criterion: Criterion, known: KnownNames, place: str) -> None:
    name, metric = criterion.class_name, criterion.measured
    if name not in {None, "each", *known.classes}:
        raise ConfigError(
            f"{place}.class: expected one of the classes {several(list(known.classes), 10)}, or "
            f"`each`; got {name!r}"
        )
    if known.task != "single-label":
        return
    if metric.needs_class and name is None:
        raise ConfigError(
            f"{place}.class: expected a class name or `each` for {criterion.metric}, which is about one "
            "class; it is missing"
        )
    of_all = metric.name in _OF_ALL_CLASSES or metric.name.startswith("top-")
    if of_all and name is not None:
        raise ConfigError(
            f"{place}.class: expected no class for {criterion.metric}, which is about all classes; "
            f"got {name!r}"
        )


def _require_slices(criterion: Criterion, known: KnownNames, place: str) -> None:
    values, left_out = known.attributes.values, known.attributes.left_out
    comparable = [name for name in values if name not in left_out]
    for name, value in criterion.one_slice.items():
        if name not in values:
            raise ConfigError(f"{place}.slices: {_expected(values, name)}")
        if value not in values[name]:
            raise ConfigError(
                f"{place}.slices.{name}: expected one of {several(list(values[name]), 10)}; got "
                f"{value!r}"
            )
    for name in criterion.attributes or ():
        if name in left_out:
            raise ConfigError(
                f"{place}.attributes: expected an attribute whose values can be compared; "
                f"{name}: {left_out[name]}"
            )
        if name not in values:
            raise ConfigError(f"{place}.attributes: {_expected(comparable, name)}")
    if criterion.per_slice and not comparable:
        raise ConfigError(
            f"{place}: expected at least one attribute with several values, because {criterion.metric} "
            "is judged for slices; the data has none: state `data.attributes`, or use `slices: all`"
        )


def _expected(names: Mapping[str, object] | Sequence[str], got: str) -> str:
    known = several(list(names), 10) if names else "(there are none)"
    return f"expected one of the attributes {known}; got {got!r}"
