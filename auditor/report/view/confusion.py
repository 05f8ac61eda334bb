"""The confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from auditor.records import AuditResult
from auditor.records.decisions import absent
from auditor.records.predictions import LABEL, PREDICTED


@dataclass(frozen=True)
class LabelCounts:
    """The decisions on one label of a multi-label task.

    Attributes:
        label: its name.
        present: index of the class of samples with the label.
        absent: index of the class of samples without it.
        hits: decisions that it is present, on samples with it.
        missed: decisions that it is absent, on samples with it.
        false_alarms: decisions that it is present, on samples without it.
        rejected: decisions that it is absent, on samples without it.
    """

    label: str
    present: int
    absent: int
    hits: int
    missed: int
    false_alarms: int
    rejected: int


@dataclass(frozen=True)
class ConfusionMatrix:
    """How often each class was predicted for each label.

    Attributes:
        classes: names in index order.
        counts: (label, predicted) → samples, all cells, ``classes`` by ``classes``.
        supports: samples of each label.
        labels: the labels of a multi-label task; empty for other tasks.
    """

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    supports: tuple[int, ...]
    labels: tuple[str, ...] = ()

    @property
    def by_label(self) -> tuple[LabelCounts, ...]:
        """The decisions on each label of a multi-label task."""
        found = []
        for label in self.labels:
            one, other = self.classes.index(label), self.classes.index(absent(label))
            rows = (self.counts[one], self.counts[other])
            cells = (row[column] for row in rows for column in (one, other))
            found.append(LabelCounts(label, one, other, *cells))
        return tuple(found)

    def most_frequent(self, limit: int = 30) -> tuple[tuple[int, int, int], ...]:
        """The most frequent confusions: index of the label, of the prediction, samples."""
        pairs = [
            (row, column, n)
            for row, counts in enumerate(self.counts)
            for column, n in enumerate(counts)
            if row != column and n
        ]
        return tuple(sorted(pairs, key=lambda one: (-one[2], one[0], one[1]))[:limit])


def confusion_of(result: AuditResult, evaluated: pd.DataFrame) -> ConfusionMatrix:
    """The confusion matrix of an audit.

    Args:
        result: the audit.
        evaluated: the evaluated samples or decisions, with ``label`` and ``predicted``.
    """
    labels = result.decision.positive if result.decision.task == "multi-label" else ()
    return confusion_matrix([one.name for one in result.classes], evaluated, labels)


def confusion_matrix(
    classes: Sequence[str], evaluated: pd.DataFrame, labels: Sequence[str] = ()
) -> ConfusionMatrix:
    """Counts labels and predictions.

    Args:
        classes: names in index order.
        evaluated: the evaluated samples or decisions, with ``label`` and ``predicted``.
        labels: the labels of a multi-label task; empty for other tasks.
    """
    sizes = evaluated.groupby([LABEL, PREDICTED], observed=True, as_index=False).size()
    counts = {
        (str(row[LABEL]), str(row[PREDICTED])): int(row["size"]) for row in sizes.to_dict("records")
    }
    grid = tuple(tuple(counts.get((one, other), 0) for other in classes) for one in classes)
    supports = tuple(sum(row) for row in grid)
    return ConfusionMatrix(tuple(classes), grid, supports, tuple(labels))
