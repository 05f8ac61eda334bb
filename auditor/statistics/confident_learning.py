"""Confident learning: labels that a classifier contradicts with the confidence usual for a class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from auditor.statistics.blocks import row_blocks
from auditor.statistics.intervals import Floats, Integers


@dataclass(frozen=True, slots=True)
class ConfidentLearning:
    """Results of confident learning.

    Attributes:
        thresholds: (K,) mean probability of each class among the samples with that label;
            infinite for a class without samples.
        joint: (K, K) samples by label and confident class.
        share: (K, K) estimated joint distribution of given and true label; sums to 1.
        suggested: (n,) the class that a sample probably belongs to; -1 if its label is not doubted.
    """

    thresholds: Floats
    joint: Integers
    share: Floats
    suggested: Integers


def confident_learning(labels: ArrayLike, probabilities: NDArray[np.floating]) -> ConfidentLearning:
    """Finds samples whose label is probably wrong.

    A sample is selected if both published pruning methods select it: it has one of the lowest
    probabilities of its label (prune by class), and one of the largest margins in favour of another
    class (prune by noise rate).

    Args:
        labels: (n,) given labels as class indices.
        probabilities: (n, K) predicted probabilities, from a model that was not trained on these
            samples.

    Returns:
        The thresholds, both joints and the suggestions.

    Raises:
        ValueError: the shapes do not match, or a label is not a class index.

    Reference:
        C. G. Northcutt, L. Jiang and I. L. Chuang, "Confident learning: estimating uncertainty in
        dataset labels", JAIR 70 (2021) 1373-1411: eq. 1 (confident joint), eq. 2 (thresholds), eq. 3
        (calibrated joint), section 3.2, method 5 (both prunings). Numbers of samples to prune are
        rounded to the nearest integer.
    """
    given = np.asarray(labels, dtype=np.int64)
    shares = np.asarray(probabilities)
    if shares.ndim != 2 or given.shape != shares.shape[:1]:
        raise ValueError(
            f"expected labels (n,) and probabilities (n, K); got {given.shape} and {shares.shape}: "
            "pass one row of probabilities per sample"
        )
    n, n_classes = shares.shape
    if n and (given.min() < 0 or given.max() >= n_classes):
        raise ValueError(
            f"expected labels in 0 … {n_classes - 1}; got {given.min()} … {given.max()}"
        )
    totals = np.bincount(given, minlength=n_classes)
    own = shares[np.arange(n), given].astype(np.float64)
    thresholds = np.full(n_classes, np.inf)
    np.divide(np.bincount(given, own, n_classes), totals, out=thresholds, where=totals > 0)
    # Rounding may put the mean of equal values above them; they still reach it.
    reached = thresholds * (1 - 1e-12)
    confident, known = np.empty(n, dtype=np.int64), np.empty(n, dtype=bool)
    for block in row_blocks(n, n_classes):
        part = shares[block].astype(np.float64)
        sure = part >= reached
        confident[block], known[block] = np.where(sure, part, -1.0).argmax(1), sure.any(1)
    joint = np.bincount(
        given[known] * n_classes + confident[known], minlength=n_classes**2
    ).reshape(n_classes, n_classes)
    share = _calibrated(joint, totals)
    least = _least_sure(given, own, share, n)
    return ConfidentLearning(
        thresholds, joint.astype(np.int64), share, _leaning(given, own, shares, share, least)
    )


def _calibrated(joint: NDArray[np.int64], totals: NDArray[np.int64]) -> Floats:
    """Eq. 3: rows scaled to the number of samples of their label, then to a distribution."""
    counts = joint.astype(np.float64)
    # If no sample of a class is confident in any class, its labels are kept.
    empty = counts.sum(1) == 0
    counts[empty, empty] = 1.0
    scaled = counts / counts.sum(1, keepdims=True) * totals[:, None]
    total = scaled.sum()
    return np.asarray(scaled / total if total else scaled, dtype=np.float64)


def _least_sure(given: NDArray[np.int64], own: Floats, share: Floats, n: int) -> NDArray[np.bool_]:
    """Prune by class: of label i, the n Σ_{j≠i} Q_ij samples with the lowest probability of i."""
    chosen = np.zeros(n, dtype=bool)
    wrong = np.rint(n * (share.sum(1) - np.diag(share))).astype(np.int64)
    for label in np.flatnonzero(wrong):
        rows = np.flatnonzero(given == label)
        chosen[rows[np.argsort(own[rows], kind="stable")[: wrong[label]]]] = True
    return chosen


def _leaning(
    given: NDArray[np.int64],
    own: Floats,
    shares: NDArray[np.floating],
    share: Floats,
    among: NDArray[np.bool_],
) -> Integers:
    """Prune by noise rate: of label i and each j, the n Q_ij samples of largest p_j - p_i."""
    n = len(given)
    suggested = np.full(n, -1, dtype=np.int64)
    margin = np.full(n, -np.inf)
    wrong = np.rint(n * share).astype(np.int64)
    np.fill_diagonal(wrong, 0)
    for label, other in np.argwhere(wrong > 0):
        rows = np.flatnonzero(given == label)
        lean = shares[rows, other] - own[rows]
        best = np.argsort(-lean, kind="stable")[: wrong[label, other]]
        better = rows[best][lean[best] > margin[rows[best]]]
        suggested[better] = other
        margin[better] = shares[better, other] - own[better]  # float64, like `own`
    suggested[~among] = -1
    return suggested
