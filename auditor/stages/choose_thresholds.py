"""Choose thresholds: on the training data or a split of the data, never on the audited samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.audited_model import AuditedModel
from auditor.config import ThresholdRule
from auditor.datasets.label_sets import map_label_sets
from auditor.datasets.labels import map_labels
from auditor.errors import ConfigError, DataError
from auditor.model_opening import OpenedModel, open_model
from auditor.phrasing import plural
from auditor.preparation import Prepared
from auditor.records import Dataset, ImageSubset
from auditor.records.decisions import DecisionRule
from auditor.records.predictions import LABEL, OK, PATH
from auditor.statistics.thresholds import choose_threshold


def open_with_thresholds(prepared: Prepared) -> tuple[Prepared, OpenedModel]:
    """Opens the model, and chooses the thresholds for which the configuration states a rule.

    Args:
        prepared: the audit.

    Returns:
        The audit without the samples on which thresholds were chosen, and the model with its final
        decision rule.

    Raises:
        ConfigError: the data for a rule are not available.
        DataError: these data have no positive or no negative sample, or nothing is left to audit.
    """
    rules = _rules(prepared)
    sources = {_source(rule): rule for rule in rules.values()}
    data = {source: _data_of(prepared, rule) for source, rule in sources.items()}
    kept = _without_splits(prepared, sources)
    opened = open_model(kept)
    if not rules:
        return kept, replace(opened, model=_with_rule(opened.model, _stated(prepared.rule)))
    thresholds = prepared.rule.thresholds.copy()
    predicted = {source: _scores(opened.model, *one) for source, one in data.items()}
    for k, rule in rules.items():
        score, truth = predicted[_source(rule)]
        thresholds[k] = _chosen(prepared.rule.labels[k], rule, score[:, k], truth[:, k])
    reasons = [
        f"{_described(rule)} on {_source(rule)}, {plural(len(predicted[_source(rule)][0]), 'sample')}"
        for rule in rules.values()
    ]
    how = "chosen for the " + "; ".join(dict.fromkeys(reasons))
    final = replace(prepared.rule, thresholds=thresholds, source=how)
    return replace(kept, rule=final), replace(opened, model=_with_rule(opened.model, final))


def require_threshold_data(prepared: Prepared) -> Prepared:
    """Checks that the thresholds can be chosen, without running the model.

    Returns:
        The audit without the samples on which thresholds will be chosen.

    Raises:
        ConfigError: see `open_with_thresholds`.
        DataError: see `open_with_thresholds`.
    """
    rules = _rules(prepared)
    sources = {_source(rule): rule for rule in rules.values()}
    truths = {source: _data_of(prepared, rule)[1] for source, rule in sources.items()}
    for k, rule in rules.items():
        truth = truths[_source(rule)][:, k]
        _chosen(prepared.rule.labels[k], rule, np.zeros(len(truth)), truth)
    return _without_splits(prepared, sources)


def _chosen(
    label: str, rule: ThresholdRule, score: NDArray[np.float64], truth: NDArray[np.bool_]
) -> float:
    try:
        return choose_threshold(score, truth, rule.rule, rule.at_least)
    except ValueError as error:
        raise DataError(f"decision.threshold: {label}, on {_source(rule)}: {error}") from error


def _with_rule(model: AuditedModel, rule: DecisionRule) -> AuditedModel:
    return replace(model, rule=rule)


def _stated(rule: DecisionRule) -> DecisionRule:
    return (
        rule if rule.task == "single-label" else replace(rule, source="stated in the configuration")
    )


def _rules(prepared: Prepared) -> dict[int, ThresholdRule]:
    """The rules by the number of the label; empty if all thresholds are stated."""
    given = prepared.config.decision.threshold
    if isinstance(given, ThresholdRule):
        return dict.fromkeys(range(len(prepared.rule.labels)), given)
    if not isinstance(given, dict):
        return {}
    found = ((k, given.get(label)) for k, label in enumerate(prepared.rule.labels))
    return {k: rule for k, rule in found if isinstance(rule, ThresholdRule)}


def _source(rule: ThresholdRule) -> str:
    if isinstance(rule.data, dict):
        return ", ".join(f"{name} = {value}" for name, value in rule.data.items())
    return "the training data"


def _described(rule: ThresholdRule) -> str:
    if rule.at_least is not None:
        return f"{rule.rule} of at least {rule.at_least:g}"
    return "largest Youden index" if rule.rule == "youden" else "largest F1"


def _data_of(prepared: Prepared, rule: ThresholdRule) -> tuple[Dataset, NDArray[np.bool_]]:
    """The samples on which a threshold is chosen, and (n, L) which labels they have."""
    if isinstance(rule.data, dict):
        rows = _split_rows(prepared, rule.data)
        samples = prepared.dataset.samples[rows]
        part = replace(
            prepared.dataset,
            samples=samples,
            images=ImageSubset(prepared.dataset.images, np.flatnonzero(rows)),
        )
        return part, _truth(prepared.rule, prepared.codes[rows])
    reference, images = prepared.dataset.reference, prepared.dataset.reference_images
    if reference is None or images is None:
        raise ConfigError(
            "decision.threshold: expected training data with images, on which a threshold can be "
            "chosen; there are none: set data.reference, or choose it on a split, such as "
            "`data: {split: calibration}`"
        )
    labels = reference[LABEL]
    rule_of_task = prepared.rule
    if rule_of_task.task == "multi-label":
        truth = map_label_sets(labels, rule_of_task.labels)
    else:
        truth = _truth(rule_of_task, map_labels(labels, rule_of_task.classes))
    names = [f"training image {k}" for k in range(len(images))]
    samples = pd.DataFrame({PATH: names}, index=pd.Index(names))
    return replace(prepared.dataset, samples=samples, images=images), truth


def _truth(rule: DecisionRule, codes: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.asarray(codes.reshape(len(codes), -1) == rule.positives, dtype=np.bool_)


def _split_rows(prepared: Prepared, split: dict[str, str]) -> NDArray[np.bool_]:
    ((name, value),) = split.items()
    dataset = prepared.dataset
    if name not in dataset.attributes:
        raise ConfigError(
            f"decision.threshold.data: expected one of the attributes {', '.join(dataset.attributes)}; "
            f"got {name!r}: list it in data.attributes"
        )
    cells = dataset.samples[name].astype(str)
    rows = (cells == str(value)).to_numpy(dtype=bool)
    if not rows.any() or rows.all():
        raise ConfigError(
            f"decision.threshold.data: expected some samples with {name} = {value}, and others that are "
            f"audited; {int(rows.sum())} of {len(rows)} have this value, others are "
            f"{', '.join(sorted(set(cells))[:5])}"
        )
    return rows


def _without_splits(prepared: Prepared, sources: dict[str, ThresholdRule]) -> Prepared:
    """The audit without the samples on which thresholds are chosen."""
    dropped = np.zeros(len(prepared.dataset), dtype=bool)
    for rule in sources.values():
        if isinstance(rule.data, dict):
            dropped |= _split_rows(prepared, rule.data)
    if not dropped.any():
        return prepared
    dataset = prepared.dataset
    kept = replace(
        dataset,
        samples=dataset.samples[~dropped],
        images=ImageSubset(dataset.images, np.flatnonzero(~dropped)),
    )
    return replace(prepared, dataset=kept, codes=prepared.codes[~dropped])


def _scores(
    model: AuditedModel, dataset: Dataset, truth: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Probabilities (n, L) of the positive classes of all usable images, and the truth."""
    parts, rows = [], []
    for batch in model.batches(dataset, np.arange(len(dataset), dtype=np.int64)):
        readable = np.array([status == OK for status in batch.status])
        logits, _ = model.logits_of_each(batch.images)
        usable = np.isfinite(logits).all(1)
        probabilities = np.exp(model.rule.log_probabilities(logits[usable]))
        parts.append(probabilities[:, model.rule.positives])
        rows.append(batch.rows[readable][usable])
    positions = np.concatenate(rows)
    return np.concatenate(parts), truth[positions]
