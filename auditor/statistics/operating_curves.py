"""ROC and precision–recall curves, and the bins of a reliability diagram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from auditor.statistics.intervals import Floats, Integers


@dataclass(frozen=True, slots=True)
class CurvePoints:
    """Points of a curve at descending thresholds.

    Attributes:
        x: (m,) ascending, in [0, 1].
        y: (m,) in [0, 1].
    """

    x: Floats
    y: Floats

    def thinned(self, most: int) -> CurvePoints:
        """The curve with at most this many points, at about equal distances along it.

        Args:
            most: number of points, at least 2. The first and the last one are kept.
        """
        if len(self.x) <= most:
            return self
        steps = np.abs(np.diff(self.x)) + np.abs(np.diff(self.y))
        length = np.concatenate([[0.0], np.cumsum(steps)])
        kept = np.unique(np.searchsorted(length, np.linspace(0, length[-1], most)))
        kept[-1] = len(self.x) - 1
        return CurvePoints(self.x[kept], self.y[kept])


def roc_points(truth: ArrayLike, score: ArrayLike) -> CurvePoints | None:
    """The ROC curve: false positive rate and sensitivity.

    Args:
        truth: (n,) bool, whether a sample is positive.
        score: (n,) its score; higher means more probably positive.

    Returns:
        One point for each threshold, from (0, 0) to (1, 1); None without positive or without negative
        samples.

    Reference:
        T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27 (2006) 861-874,
        algorithm 1.
    """
    hits, calls = _cumulative(truth, score)
    if not len(calls) or not 0 < hits[-1] < calls[-1]:
        return None
    false = calls - hits
    return CurvePoints(
        np.concatenate([[0.0], false / false[-1]]), np.concatenate([[0.0], hits / hits[-1]])
    )


def precision_recall_points(truth: ArrayLike, score: ArrayLike) -> CurvePoints | None:
    """The precision–recall curve as steps.

    Args:
        truth: (n,) bool, whether a sample is positive.
        score: (n,) its score; higher means more probably positive.

    Returns:
        x is the recall and y the precision at each threshold, after a first point at recall 0. The
        precision of a point holds from the previous recall up to its own, so that the area below the
        steps is the average precision. None without positive samples.
    """
    hits, calls = _cumulative(truth, score)
    if not len(calls) or not hits[-1]:
        return None
    precision = hits / calls
    return CurvePoints(
        np.concatenate([[0.0], hits / hits[-1]]), np.concatenate([precision[:1], precision])
    )


def reliability_bins(probability: ArrayLike, n_bins: int = 10) -> list[Integers]:
    """Samples by the size of a probability.

    Args:
        probability: (n,) in [0, 1].
        n_bins: number of bins of equal width.

    Returns:
        Positions of the samples of each bin that has any, in ascending order of the bins.
    """
    values = np.asarray(probability, dtype=np.float64)
    number = np.minimum((values * n_bins).astype(np.int64), n_bins - 1)
    return [np.flatnonzero(number == k) for k in np.unique(number)]


def _cumulative(truth: ArrayLike, score: ArrayLike) -> tuple[Floats, Floats]:
    """Positive samples, and all samples, with at least each distinct score, the highest first."""
    positive: NDArray[np.bool_] = np.asarray(truth, dtype=bool)
    values = np.asarray(score, dtype=np.float64)
    if positive.shape != values.shape or values.ndim != 1:
        raise ValueError(
            f"expected one score per sample; got shapes {positive.shape} and {values.shape}"
        )
    order = np.argsort(-values, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(values[order])), len(values) - 1)[: len(values)]
    hits = np.cumsum(positive[order], dtype=np.float64)[ends]
    return hits, np.asarray(ends + 1.0, dtype=np.float64)
