"""Find failures: rank the misclassified samples, and count confusions per class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from auditor.comparisons.clusters import clusters_of, shares
from auditor.errors import DataError
from auditor.records import ClassRecord, ConfusionPair, Estimate, Summary, Unusable
from auditor.records.decision_table import binary_decisions, decision_table
from auditor.records.decisions import DecisionRule, Decisions
from auditor.records.predictions import (
    CONFIDENCE,
    EVALUATED,
    FAILURE,
    GROUP,
    LABEL,
    LOSS,
    PREDICTED,
    as_classes,
    codes,
    is_reserved,
    reserved_names,
)
from auditor.records.stored_predictions import StoredPredictions


@dataclass(frozen=True)
class FailureAnalysis:
    """The failures of a run, and how often each class is recognised.

    Attributes:
        usable: the evaluated samples, index 0…n-1 in the order of the data: ``sample``, ``path``,
            ``label``, ``predicted`` (categoricals over the classes), ``confidence``, ``loss``,
            ``failure`` (bool), the attributes as in the data, the computed properties, and
            ``sha256``, ``phash``, ``data.group`` and ``data.weight`` where the file has them.
        failures: positions in ``usable`` of the misclassified samples, int64. Ranked by loss, the
            largest first; equal losses by confidence, then in the order of the data. Confident
            failures come first, because they leave a low probability for the label.
        confusion: number of samples of each pair of label and prediction; failures by number first,
            then correct predictions in the order of the classes. Pairs without samples are left out.
        classes: support, recall and precision of every class, in index order.
        unusable: the samples that could not be evaluated, with the reason.
        summary: the audit in numbers, with nothing explained yet.
        probabilities: (n, K) float32, or None where the file does not have them, and for a multi-label
            task.
        decisions: the binary decisions behind the rows; None for a single-label task.
    """

    usable: pd.DataFrame
    failures: NDArray[np.int64]
    confusion: list[ConfusionPair]
    classes: list[ClassRecord]
    unusable: list[Unusable]
    summary: Summary
    probabilities: NDArray[np.float32] | None = None
    decisions: Decisions | None = None


def find_failures(
    predictions: Path,
    classes: Sequence[str],
    attributes: Sequence[str],
    computed: Sequence[str] = (),
    rule: DecisionRule | None = None,
) -> FailureAnalysis:
    """Finds and ranks the failures of a run.

    Of a multi-label task, the evaluated table has one row per decision, and a failure is a wrong one.

    Args:
        predictions: ``predictions.parquet`` of the run; see `records.predictions`.
        classes: class names in index order.
        attributes: names of the attribute columns.
        computed: names of the columns of computed properties.
        rule: the decision rule of the run; None for a single-label task.

    Returns:
        The evaluated samples, the failures among them, and the confusions.

    Raises:
        DataError: an attribute has the name of another column of the predictions.
    """
    names = list(classes)
    _require_free_names(attributes)
    several = rule is not None and rule.task == "multi-label"
    with_probability = list(rule.labels) if rule is not None and several else names
    with pq.ParquetFile(predictions) as file:
        stored = StoredPredictions(file)
        usable = stored.evaluated([*EVALUATED, *attributes, *computed, *stored.optional])
        probabilities = stored.probabilities(with_probability)
        unusable = [
            Unusable(sample=sample, path=path, reason=status)
            for sample, path, status in stored.unusable()
        ]
    n_evaluated = len(usable)
    decisions: Decisions | None = None
    if rule is not None and several and probabilities is not None:
        usable, decisions = decision_table(usable, probabilities, rule)
    for column in (LABEL, PREDICTED):
        usable[column] = as_classes(usable[column], names)
    label, predicted = codes(usable[LABEL]), codes(usable[PREDICTED])
    usable.insert(len(EVALUATED), FAILURE, label != predicted)
    matrix = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(matrix, (label, predicted), 1)
    failures = _ranked(usable)
    if rule is not None and rule.task == "binary" and probabilities is not None:
        decisions = binary_decisions(usable, probabilities, rule)
    return FailureAnalysis(
        usable=usable,
        failures=failures,
        confusion=_confusion(matrix, names),
        classes=_classes(usable, names),
        unusable=unusable,
        summary=_summary(usable, len(failures), unusable, n_evaluated=n_evaluated),
        probabilities=None if several else probabilities,
        decisions=decisions,
    )


def _require_free_names(attributes: Sequence[str]) -> None:
    for name in attributes:
        if is_reserved(name):
            raise DataError(
                f"attribute {name!r}: expected a name other than {reserved_names()}, which the audit "
                "uses for its own columns: rename the column in the data"
            )


def _summary(
    usable: pd.DataFrame, n_failures: int, unusable: list[Unusable], n_evaluated: int
) -> Summary:
    return Summary(
        n_samples=n_evaluated + len(unusable),
        n_evaluated=n_evaluated,
        n_unusable=len(unusable),
        n_failures=n_failures,
        n_explained=0,
        accuracy=_correct(usable, [np.arange(len(usable))])[0],
        n_decisions=len(usable),
        unusable=dict(sorted(Counter(one.reason for one in unusable).items())),
    )


def _ranked(usable: pd.DataFrame) -> NDArray[np.int64]:
    failures = np.flatnonzero(usable[FAILURE].to_numpy(dtype=bool))
    loss, confidence = (
        usable[column].to_numpy(dtype=np.float64)[failures] for column in (LOSS, CONFIDENCE)
    )
    # lexsort is stable and sorts by its last key first.
    return np.asarray(failures[np.lexsort((-confidence, -loss))], dtype=np.int64)


def _confusion(matrix: NDArray[np.int64], names: list[str]) -> list[ConfusionPair]:
    rows, columns = np.nonzero(matrix)
    pairs = [
        ConfusionPair(label=names[row], predicted=names[column], count=int(matrix[row, column]))
        for row, column in zip(rows, columns, strict=True)
    ]
    wrong = [pair for pair in pairs if pair.label != pair.predicted]
    right = [pair for pair in pairs if pair.label == pair.predicted]
    return [*sorted(wrong, key=lambda pair: -pair.count), *right]


def _classes(usable: pd.DataFrame, names: list[str]) -> list[ClassRecord]:
    of_label, of_predicted = (
        [np.flatnonzero(code == k) for k in range(len(names))]
        for code in (codes(usable[LABEL]), codes(usable[PREDICTED]))
    )
    recall, precision = _correct(usable, of_label), _correct(usable, of_predicted)
    return [
        ClassRecord(name=name, support=len(of_label[k]), recall=recall[k], precision=precision[k])
        for k, name in enumerate(names)
    ]


def _correct(usable: pd.DataFrame, rows: Sequence[NDArray[np.int64]]) -> list[Estimate | None]:
    """Share of correct predictions among the samples of each slice; None for an empty one."""
    correct = ~usable[FAILURE].to_numpy(dtype=bool)
    clusters = clusters_of(usable, GROUP)
    intervals = shares(correct, rows, None if clusters is None else clusters.of_sample)
    return [
        Estimate(value=one.value, low=one.low, high=one.high) if np.isfinite(one.value) else None
        for one in intervals
    ]
