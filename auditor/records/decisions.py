"""How the probabilities of a model become decisions, for the three tasks.

single-label
    One class per sample: the most probable one.
binary
    Two classes, one of them positive: it is predicted if its probability reaches the threshold.
multi-label
    Any number of labels per sample, each decided at its own threshold. The label `cat` has the two
    classes `cat` and `not cat`, in neighbouring columns, so that a decision is one of two classes here too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from auditor.records.base import Record

TaskName = Literal["single-label", "binary", "multi-label"]
ALL_TASKS: frozenset[TaskName] = frozenset({"single-label", "binary", "multi-label"})
"""Every task."""
ONE_CLASS: frozenset[TaskName] = frozenset({"single-label", "binary"})
"""The tasks in which a sample has exactly one class."""

Probabilities = NDArray[np.float64]
Codes = NDArray[np.int64]


class DecisionRecord(Record):
    """The decision rule of an audit, in ``audit.json``."""

    task: TaskName = "single-label"
    positive: list[str] = []
    """The positive class of a binary task, or the labels of a multi-label one."""
    thresholds: list[float] = []
    """Probability from which on each of them is predicted."""
    source: str = ""
    """Where the thresholds come from, in words."""
    negated: list[str] = []
    """Classes without an output, or with a constant one: their evidence is that of the negated output
    of the other class."""
    centred: bool = False
    """Whether the evidence is that of the logits minus their mean, because a logit is constant."""


@dataclass(frozen=True)
class DecisionRule:
    """How probabilities become decisions.

    Attributes:
        task: what is decided.
        classes: K class names, in the order of the model's columns.
        positives: (L,) columns of the positive classes: one for a binary task, none for single-label.
        thresholds: (L,) probability from which on each of them is predicted, in (0, 1).
        source: where the thresholds come from, in words.
    """

    task: TaskName
    classes: tuple[str, ...]
    positives: Codes = field(default_factory=lambda: np.empty(0, np.int64))
    thresholds: Probabilities = field(default_factory=lambda: np.empty(0))
    source: str = ""

    @classmethod
    def single_label(cls, classes: Sequence[str]) -> DecisionRule:
        """The most probable class."""
        return cls("single-label", tuple(classes))

    @classmethod
    def binary(cls, classes: Sequence[str], positive: str, threshold: float) -> DecisionRule:
        """The positive class if its probability is at least the threshold."""
        column = np.array([list(classes).index(positive)], dtype=np.int64)
        return cls("binary", tuple(classes), column, np.array([threshold]))

    @classmethod
    def multi_label(cls, labels: Sequence[str], thresholds: Sequence[float]) -> DecisionRule:
        """Each label on its own.

        Args:
            labels: L names, in the order of the model's outputs.
            thresholds: (L,).
        """
        classes = tuple(name for label in labels for name in (label, absent(label)))
        columns = 2 * np.arange(len(labels), dtype=np.int64)
        return cls("multi-label", classes, columns, np.asarray(thresholds, dtype=np.float64))

    @classmethod
    def of(cls, record: DecisionRecord, classes: Sequence[str]) -> DecisionRule:
        """The rule of a finished audit.

        Args:
            record: as it was stored.
            classes: names of the classes of the result.
        """
        names = tuple(classes)
        columns = np.array([names.index(one) for one in record.positive], dtype=np.int64)
        thresholds = np.array(record.thresholds, dtype=np.float64)
        return cls(record.task, names, columns, thresholds, record.source)

    @property
    def labels(self) -> tuple[str, ...]:
        """(L,) names of the positive classes."""
        return tuple(self.classes[column] for column in self.positives)

    def log_probabilities(self, logits: NDArray[np.float64]) -> Probabilities:
        """Natural logarithms of the probabilities of all classes.

        Args:
            logits: (n, K); of a multi-label task, (n, 2L).

        Returns:
            (n, K). Exponentials of a row sum to 1; of a multi-label task, those of each label do.
        """
        parts = 2 if self.task == "multi-label" else logits.shape[1]
        columns = logits.reshape(len(logits), logits.shape[1] // parts, parts)
        with np.errstate(
            invalid="ignore"
        ):  # rows that are not finite give NaN and are not evaluated
            normed = columns - np.logaddexp.reduce(columns, axis=2, keepdims=True)
        return np.asarray(normed.reshape(logits.shape), dtype=np.float64)

    def decide(self, probabilities: Probabilities) -> Codes:
        """The decisions.

        Args:
            probabilities: (n, K).

        Returns:
            (n, D) columns of the predicted classes, int64; D = 1, or L for a multi-label task.
        """
        if self.task == "single-label":
            return np.asarray(probabilities.argmax(1), dtype=np.int64)[:, None]
        called = probabilities[:, self.positives] >= self.thresholds
        # The two classes of a decision are 0 and 1, or neighbouring columns of a multi-label task.
        others = 1 - self.positives if self.task == "binary" else self.positives + 1
        return np.where(called, self.positives, others)

    def record(self) -> DecisionRecord:
        """The rule as it is stored."""
        return DecisionRecord(
            task=self.task,
            positive=list(self.labels),
            thresholds=[float(one) for one in self.thresholds],
            source=self.source,
        )


@dataclass(frozen=True)
class Decisions:
    """Binary decisions behind the rows of ``AuditData.predictions``.

    Attributes:
        names: (L,) the positive classes, one for a binary task.
        of_row: (n,) int64, which of them the row decides about.
        truth: (n,) bool, whether it is present.
        called: (n,) bool, whether the model says so at the threshold.
        score: (n,) float64, its probability.
        thresholds: (L,) float64.
        of_sample: (n,) int64, number of the sample that the row belongs to; None for a binary task,
            in which every row is a sample.
    """

    names: tuple[str, ...]
    of_row: NDArray[np.int64]
    truth: NDArray[np.bool_]
    called: NDArray[np.bool_]
    score: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    of_sample: NDArray[np.int64] | None = None


def absent(label: str) -> str:
    """Name of the class of samples without a label: ``not cat``."""
    return f"not {label}"
