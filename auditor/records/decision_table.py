"""The table of decisions: one row per sample, or of a multi-label task one per sample and label."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from auditor.records.decisions import DecisionRecord, DecisionRule, Decisions
from auditor.records.predictions import (
    CONFIDENCE,
    GROUP,
    IMAGE_SAMPLE,
    LABEL,
    LOSS,
    PREDICTED,
    SAMPLE,
    STATUS,
    codes,
    probability_column,
    sample_columns,
    usable_rows,
)
from auditor.records.stored_predictions import StoredPredictions

_SMALLEST = np.finfo(np.float32).tiny
"""Probabilities are stored as float32: 0 stands for anything below this."""


def read_decisions(
    predictions: Path, decision: DecisionRecord, classes: Sequence[str]
) -> pd.DataFrame:
    """Reads the decisions of a run, without probabilities and computed properties.

    Args:
        predictions: ``predictions.parquet`` of the run.
        decision: its decision rule.
        classes: names of its classes.

    Returns:
        One row per sample, or of a multi-label task one per sample and label, as `decision_table`
        returns them; those of samples that could not be evaluated are among them.
    """
    with pq.ParquetFile(predictions) as file:
        stored = StoredPredictions(file)
        columns = sample_columns(stored.names)
        if decision.task != "multi-label":
            return stored.table(columns)
        scores = [probability_column(label) for label in decision.positive]
        samples = stored.table([*columns, *scores])
    probabilities = samples[scores].to_numpy(dtype=np.float32)
    rule = DecisionRule.of(decision, classes)
    return decision_table(samples.drop(columns=scores), probabilities, rule)[0]


def decision_table(
    samples: pd.DataFrame, probabilities: NDArray[np.float32], rule: DecisionRule
) -> tuple[pd.DataFrame, Decisions]:
    """One row per decision of a multi-label classifier.

    Args:
        samples: n samples, with labels as JSON lists.
        probabilities: (n, L) of the labels.
        rule: of the task.

    Returns:
        n · L rows, the labels of a sample one after another: ``sample`` names sample and label,
        ``data.sample`` the sample, ``label`` and ``predicted`` are the class of the decision, such as
        ``cat`` or ``not cat``, and ``data.group`` is the sample where the data has no group.
    """
    n, n_labels = probabilities.shape
    names = np.array(rule.labels, dtype=object)
    truth, called = (_indicator(samples[column], rule.labels) for column in (LABEL, PREDICTED))
    score = probabilities.astype(np.float64)
    classes = np.array(rule.classes, dtype=object)
    right = np.where(truth, score, 1 - score)
    predicted = np.where(called, score, 1 - score)
    table = samples.loc[samples.index.repeat(n_labels)].reset_index(drop=True)
    of_sample = np.repeat(np.arange(n), n_labels)
    ids = table[SAMPLE].to_numpy(dtype=object)
    table[IMAGE_SAMPLE] = ids
    table[SAMPLE] = [f"{one} · {label}" for one, label in zip(ids, np.tile(names, n), strict=True)]
    table[LABEL] = classes[np.where(truth, rule.positives, rule.positives + 1)].ravel()
    table[PREDICTED] = classes[np.where(called, rule.positives, rule.positives + 1)].ravel()
    table[CONFIDENCE] = predicted.ravel()
    table[LOSS] = -np.log(np.maximum(right, _SMALLEST)).ravel()
    if STATUS in table:
        table.loc[~usable_rows(table), PREDICTED] = None
    table[GROUP] = table[GROUP].fillna(table[IMAGE_SAMPLE]) if GROUP in table else ids
    return table, Decisions(
        names=rule.labels,
        of_row=np.tile(np.arange(n_labels, dtype=np.int64), n),
        truth=truth.ravel(),
        called=called.ravel(),
        score=score.ravel(),
        thresholds=rule.thresholds,
        of_sample=of_sample.astype(np.int64),
    )


def _indicator(cells: pd.Series[str], labels: tuple[str, ...]) -> NDArray[np.bool_]:
    """(n, L) which labels each JSON list names; none where there is no list."""
    position = {name: k for k, name in enumerate(labels)}
    present = np.zeros((len(cells), len(labels)), dtype=bool)
    for row, cell in enumerate(cells):
        if isinstance(cell, str):
            present[row, [position[name] for name in json.loads(cell)]] = True
    return present


def binary_decisions(
    samples: pd.DataFrame, probabilities: NDArray[np.float32], rule: DecisionRule
) -> Decisions:
    """The decisions of a binary classifier, one per sample.

    Args:
        samples: the evaluated samples, with ``label`` and ``predicted`` as categoricals.
        probabilities: (n, 2).
        rule: of the task.
    """
    positive = int(rule.positives[0])
    return Decisions(
        names=rule.labels,
        of_row=np.zeros(len(samples), dtype=np.int64),
        truth=codes(samples[LABEL]) == positive,
        called=codes(samples[PREDICTED]) == positive,
        score=probabilities[:, positive].astype(np.float64),
        thresholds=rule.thresholds,
    )
