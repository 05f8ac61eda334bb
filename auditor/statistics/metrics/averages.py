"""Averages over classes: balanced accuracy, macro-F1, and the mean of any metric over classes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from auditor.statistics.intervals import Integers
from auditor.statistics.metrics.cases import BinaryCases, ClassCases
from auditor.statistics.metrics.estimated import Estimated, Scale, undefined


class MeanOf:
    """Mean of a metric over classes, of those for which it is defined.

    Args:
        n: number of samples.
    """

    def __init__(self, n: int) -> None:
        self._values: list[float] = []
        self._inverse_size = 0.0
        self._influence = np.zeros(n)
        self._member = np.zeros(n, dtype=bool)
        self._scale: Scale = "share"
        self._latest: Estimated | None = None

    def add(self, part: Estimated, positions: Integers | None = None) -> None:
        """Adds the metric of one class, if it is defined.

        Args:
            part: the metric.
            positions: of its samples among the n; None if it was measured on all of them.
        """
        self._scale = part.scale
        if not part.defined:
            return
        self._latest = part
        self._values.append(part.value)
        self._inverse_size += 1 / (part.size or part.support)
        if positions is None:
            self._influence += part.influence
            self._member[part.rows] = True
        else:
            self._influence[positions] += part.influence
            self._member[positions[part.rows]] = True

    def result(self) -> Estimated:
        """The mean; its support is the number of samples on which any class rests."""
        count = len(self._values)
        if self._latest is None:
            return undefined(len(self._influence), self._scale)
        members = np.flatnonzero(self._member).astype(np.int64)
        if count == 1:
            # The mean over one class keeps the interval of this class.
            return replace(self._latest, influence=self._influence, members=members)
        return Estimated(
            float(np.mean(self._values)),
            self._influence / count,
            len(members),
            None,
            self._scale,
            members,
            size=count**2 / self._inverse_size,
        )


def mean_of(parts: Iterable[Estimated], n: int) -> Estimated:
    """Mean of a metric over classes, of those for which it is defined.

    Args:
        parts: the metric of each class, on the same n samples.
        n: number of samples.

    Returns:
        The mean; undefined if no part is defined.
    """
    mean = MeanOf(n)
    for part in parts:
        mean.add(part)
    return mean.result()


def balanced_accuracy(cases: BinaryCases | ClassCases, rows: Integers) -> Estimated:
    """Mean over the classes with samples of the share that is recognised.

    Args:
        cases: predictions of one of K classes, or decisions as two classes.
        rows: positions of the samples of the slice.

    Returns:
        The mean as in scikit-learn; undefined for an empty slice.
    """
    label, predicted, n_classes = _classes(cases)
    own, total = label[rows], np.bincount(label[rows], minlength=n_classes)
    present = total > 0
    if not present.any():
        return undefined(len(cases))
    right = own == predicted[rows]
    safe = np.where(present, total, 1)
    recall = np.bincount(own, right, n_classes) / safe
    weight = 1 / (present.sum() * safe)
    influence = np.zeros(len(cases))
    correction = np.sqrt(safe / np.maximum(safe - 1, 1))
    influence[rows] = ((right - recall[own]) * (weight * correction)[own]).astype(np.float64)
    value = float(recall[present].mean())
    size = float(1 / (present / safe / present.sum() ** 2).sum())
    return Estimated(value, influence, len(rows), None, "share", rows, size=size)


def macro_f1(cases: BinaryCases | ClassCases, rows: Integers) -> Estimated:
    """Mean of the F1 scores of the classes that are labels or predictions of the slice.

    Args:
        cases: predictions of one of K classes, or decisions as two classes.
        rows: positions of the samples of the slice.

    Returns:
        The mean as in scikit-learn; undefined for an empty slice.

    Reference:
        Delta method: K. Takahashi, K. Yamamoto, A. Kuchiba and T. Koyama, "Confidence interval for
        micro-averaged F1 and macro-averaged F1 scores", Applied Intelligence 52 (2022) 4961-4972.
    """
    label, predicted, n_classes = _classes(cases)
    own, called = label[rows], predicted[rows]
    hits = np.bincount(own[own == called], minlength=n_classes)
    both = np.bincount(own, minlength=n_classes) + np.bincount(called, minlength=n_classes)
    present = both > 0
    if not present.any():
        return undefined(len(cases))
    safe = np.where(present, both, 1)
    score = 2 * hits / safe
    # The derivative of 2 TP / (label + predicted) with respect to the weight of a sample.
    slope = 1 / (present.sum() * safe)
    effect = 2 * (own == called) * slope[own] - (score * slope)[own] - (score * slope)[called]
    influence = np.zeros(len(cases))
    influence[rows] = effect
    size = float(1 / (2 * present / safe / present.sum() ** 2).sum())
    value = float(score[present].mean())
    return Estimated(value, influence, len(rows), None, "share", rows, size=size)


def _classes(cases: BinaryCases | ClassCases) -> tuple[Integers, Integers, int]:
    if isinstance(cases, ClassCases):
        return cases.label, cases.predicted, cases.n_classes
    return cases.truth.astype(np.int64), cases.called.astype(np.int64), 2
