"""Order of the classes: whether a classifier's outputs look exchanged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.stats import binom

_LEVEL = 0.001
"""Level of the test that most samples of the exchanged classes go to their partners."""
_MOST_CLASSES = 2000
"""The assignment takes seconds for more."""


def exchanged_classes(matrix: NDArray[np.int64]) -> dict[int, int]:
    """The classes whose samples are mostly predicted as another class, one to one.

    The best permutation of the columns is the one with the most correct predictions. It is reported
    only if each class that it moves has most of its samples in its new column, and if that many would
    be improbable (p of at most 0.001) for a fair coin.

    Args:
        matrix: (K, K) counts, label by predicted class.

    Returns:
        Label → the class as which it is predicted, for labels with samples; empty where the order is
        right or nothing can be said.

    Reference:
        Kuhn 1955, "The Hungarian method for the assignment problem".
    """
    if len(matrix) > _MOST_CLASSES:
        return {}
    _, order = linear_sum_assignment(matrix, maximize=True)
    totals = matrix.sum(1)
    moved = np.flatnonzero((order != np.arange(len(matrix))) & (totals > 0))
    there, n = matrix[moved, order[moved]], totals[moved]
    if not len(moved) or bool((2 * there <= n).any()):
        return {}
    if binom.sf(there.sum() - 1, n.sum(), 0.5) > _LEVEL:
        return {}
    return {int(label): int(order[label]) for label in moved}
