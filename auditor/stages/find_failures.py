"""Mine: from predictions to ranked failures, confusions and the recognition of each class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from auditor.errors import DataError
from auditor.records import ClassRecord, ConfusionPair, Estimate, Summary, Unusable
from auditor.records.predictions import (
    CONFIDENCE,
    EVALUATED,
    FAILURE,
    FINGERPRINTS,
    IDENTITY,
    LABEL,
    LOSS,
    PREDICTED,
    REQUIRED,
    STATUS,
    codes,
    is_reserved,
    probability_column,
    reserved_names,
    usable_rows,
)
from auditor.statistics import Intervals, wilson


@dataclass(frozen=True)
class FailureAnalysis:
    """What the predictions hold.

    Attributes:
        usable: the evaluated samples, index 0…n-1 in the order of the data: ``sample``, ``path``,
            ``label``, ``predicted`` (categoricals over the classes), ``confidence``, ``loss``,
            ``failure`` (bool), the attributes as they stand in the data, the computed properties,
            and ``sha256`` and ``phash`` where the file has them.
        failures: positions in ``usable`` of the misclassified samples, worst first, int64. Ranked
            by loss; equal losses by confidence, then in the order of the data. A network that is
            sure of a wrong class leaves little to the right one, so the confident failures lead.
        confusion: how often which label got which prediction; the failures by count first, then
            the correct ones in the order of the classes. Pairs that never occur are left out.
        classes: support, recall and precision of every class, in index order.
        unusable: the samples that could not be evaluated, with the reason.
        summary: the audit in numbers; nothing is explained yet.
        probabilities: (n, K) float32, or None where the file does not have them.
    """

    usable: pd.DataFrame
    failures: NDArray[np.int64]
    confusion: list[ConfusionPair]
    classes: list[ClassRecord]
    unusable: list[Unusable]
    summary: Summary
    probabilities: NDArray[np.float32] | None = None


def find_failures(
    predictions: Path,
    classes: Sequence[str],
    attributes: Sequence[str],
    computed: Sequence[str] = (),
) -> FailureAnalysis:
    """Finds and ranks the failures of a run.

    Args:
        predictions: ``predictions.parquet`` of the run; see the run folder's description.
        classes: class names in index order.
        attributes: names of the attribute columns.
        computed: names of the columns of computed properties.

    Returns:
        The evaluated samples, the failures among them, and what was confused with what.

    Raises:
        DataError: an attribute bears the name of a column of the predictions.
    """
    for name in attributes:
        if is_reserved(name):
            raise DataError(
                f"attribute {name!r}: expected a name other than {reserved_names()}, which the audit "
                "uses for its own columns: rename the column in the data"
            )
    there = set(pq.read_schema(predictions).names)
    prints = [name for name in FINGERPRINTS if name in there]
    columns = [probability_column(name) for name in classes]
    shares = columns if there.issuperset(columns) else []
    wanted = [*REQUIRED, *attributes, *computed, *prints, *shares]
    frame = pq.read_table(predictions, columns=wanted).to_pandas()
    ok = usable_rows(frame)
    unusable = [
        Unusable(sample=str(row.sample), path=str(row.path), reason=str(row.status))
        for row in frame.loc[~ok, [*IDENTITY, STATUS]].itertuples(index=False)
    ]
    usable = frame.loc[ok].drop(columns=[STATUS, *shares]).reset_index(drop=True)
    names = list(classes)
    for column in (LABEL, PREDICTED):
        usable[column] = pd.Categorical(usable[column].astype("str"), categories=names)
    label, predicted = codes(usable[LABEL]), codes(usable[PREDICTED])
    usable.insert(len(EVALUATED), FAILURE, label != predicted)
    matrix = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(matrix, (label, predicted), 1)
    failures = _ranked(usable)
    return FailureAnalysis(
        usable=usable,
        failures=failures,
        confusion=_confusion(matrix, names),
        classes=_classes(matrix, names),
        unusable=unusable,
        summary=Summary(
            n_samples=len(frame),
            n_evaluated=len(usable),
            n_unusable=len(unusable),
            n_failures=len(failures),
            n_explained=0,
            accuracy=_estimates(wilson([len(usable) - len(failures)], [len(usable)]))[0],
            unusable=dict(sorted(Counter(one.reason for one in unusable).items())),
        ),
        probabilities=frame.loc[ok, shares].to_numpy(dtype=np.float32) if shares else None,
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


def _classes(matrix: NDArray[np.int64], names: list[str]) -> list[ClassRecord]:
    correct, support, claimed = np.diag(matrix), matrix.sum(1), matrix.sum(0)
    recall, precision = (_estimates(wilson(correct, totals)) for totals in (support, claimed))
    return [
        ClassRecord(name=name, support=int(support[k]), recall=recall[k], precision=precision[k])
        for k, name in enumerate(names)
    ]


def _estimates(intervals: Intervals) -> list[Estimate | None]:
    return [
        Estimate(value=one.value, low=one.low, high=one.high) if np.isfinite(one.value) else None
        for one in intervals
    ]
