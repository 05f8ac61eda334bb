"""The task of an audit: its classes, its decision rule, and the labels of the samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from auditor.config import AuditConfig, ThresholdRule
from auditor.datasets.class_orders import require_one_order
from auditor.datasets.label_sets import map_label_sets, resolve_labels
from auditor.datasets.labels import map_labels, resolve_classes
from auditor.errors import ConfigError, DataError
from auditor.records import Dataset
from auditor.records.decisions import DecisionRule, absent
from auditor.records.predictions import LABEL


def match_labels(
    config: AuditConfig,
    dataset: Dataset,
    config_classes: Sequence[str] | None,
    model_classes: Sequence[str] | None,
) -> tuple[DecisionRule, NDArray[np.int64]]:
    """Resolves the classes of the task and matches the labels of the samples with them.

    Args:
        config: the settings.
        dataset: the samples.
        config_classes: ``model.classes`` of the configuration, or None.
        model_classes: class names that come with the weights, or None.

    Returns:
        The decision rule, and (N,) labels as class indices; for a multi-label task, (N, L): the
        class of each decision.

    Raises:
        ConfigError: the decision section does not fit the task or the classes.
        DataError: a label is not a class of the model.
    """
    labels = dataset.samples[LABEL]
    names = (config_classes, model_classes, dataset.classes)
    require_one_order(*names, labels)
    if config.task == "multi-label":
        rule = _multi_label(config, resolve_labels(*names, labels))
        present = map_label_sets(labels, rule.labels)
        return rule, np.where(present, rule.positives, rule.positives + 1)
    several = labels.astype(object).map(lambda cell: isinstance(cell, tuple | list | np.ndarray))
    if several.any():
        raise DataError(
            f"label: expected one class per sample; {int(several.sum())} of {len(labels)} have a list "
            "of labels: set `task: multi-label`"
        )
    classes = resolve_classes(*names, labels)
    if len(classes) < 2:
        raise DataError(
            f"model.classes: expected at least two classes; got only {classes[0]!r}: name the classes in "
            "the order of the network's outputs; a network with one output for a yes/no decision has two "
            "(`task: binary`)"
        )
    codes = map_labels(labels, classes)
    if config.task == "binary":
        return _binary(config, classes), codes
    if config.decision.model_fields_set:
        raise ConfigError(
            "decision: expected only with `task: binary` or `task: multi-label`; a single-label "
            "classifier predicts its most probable class"
        )
    return DecisionRule.single_label(classes), codes


def _binary(config: AuditConfig, classes: tuple[str, ...]) -> DecisionRule:
    if len(classes) != 2:
        raise ConfigError(
            f"task: expected two classes for a binary classifier; got {len(classes)}: "
            f"{', '.join(classes[:5])}{' …' if len(classes) > 5 else ''}: use `task: single-label`"
        )
    positive = config.decision.positive or classes[1]
    if positive not in classes:
        raise ConfigError(
            f"decision.positive: expected one of the classes {' and '.join(classes)}; got {positive!r}"
        )
    threshold = config.decision.threshold
    if isinstance(threshold, dict):
        raise ConfigError(
            "decision.threshold: expected one threshold for a binary classifier, such as 0.3; got one "
            "per label"
        )
    return DecisionRule.binary(classes, positive, _number(threshold))


def _multi_label(config: AuditConfig, labels: tuple[str, ...]) -> DecisionRule:
    if config.decision.positive is not None:
        raise ConfigError("decision.positive: expected only with `task: binary`")
    taken = sorted(set(labels) & {absent(label) for label in labels})
    if taken:
        raise ConfigError(
            f"model.classes: the label {taken[0]!r} has the name of the absence of another label: "
            "rename it"
        )
    given = config.decision.threshold
    if not isinstance(given, dict):
        return DecisionRule.multi_label(labels, [_number(given)] * len(labels))
    unknown = [name for name in given if name not in labels]
    if unknown:
        raise ConfigError(
            f"decision.threshold: expected labels among {', '.join(labels[:10])}; got {unknown[0]!r}"
        )
    return DecisionRule.multi_label(labels, [_number(given.get(label, 0.5)) for label in labels])


def _number(threshold: float | ThresholdRule) -> float:
    """A stated threshold; NaN if it is chosen later, on the model's predictions."""
    return np.nan if isinstance(threshold, ThresholdRule) else threshold
