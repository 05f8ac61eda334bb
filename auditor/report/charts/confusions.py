"""The confusion matrix of many classes, as a clustered heat map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from auditor.phrasing import count, percent
from auditor.report.charts.canvas import (
    MAIN,
    MUTED,
    RULE,
    TEXT_SIZE,
    Chart,
    finished,
    shortened,
    square_grid,
)
from auditor.report.view.confusion import ConfusionMatrix

MOST_IN_TABLE = 12
"""Up to so many classes, the matrix is a table."""
_MOST = 30
"""Classes of the heat map: those with the most failures, as label or as prediction."""
_DESCRIBED = 10
_LONGEST_NAME = 18


def confusion_chart(matrix: ConfusionMatrix, name: str) -> Chart | None:
    """The confusions of the classes with the most failures; similar classes stand side by side.

    Args:
        matrix: all counts.
        name: of the chart, unique in the document.

    Returns:
        The chart; None for few classes, for a multi-label task, and without failures.
    """
    if matrix.labels or len(matrix.classes) <= MOST_IN_TABLE or not matrix.most_frequent(1):
        return None
    counts = np.array(matrix.counts, dtype=np.float64)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    chosen = clustered_classes(counts)
    shown = shares[np.ix_(chosen, chosen)]
    names = [shortened(matrix.classes[k], _LONGEST_NAME) for k in chosen]
    figure, axes = square_grid(names)
    off = shown.copy()
    np.fill_diagonal(off, 0)
    for row, column in zip(*np.nonzero(shown), strict=True):
        same = row == column
        axes.add_patch(
            _cell(column, row, RULE if same else MAIN, 1.0 if same else _depth(off, row, column))
        )
    axes.set_xlabel("predicted", color=MUTED, fontsize=TEXT_SIZE - 1)
    axes.set_ylabel("label", color=MUTED, fontsize=TEXT_SIZE - 1)
    n_left_out = len(matrix.classes) - len(chosen)
    whole = f"{count(len(matrix.classes))} classes"
    title = (
        f"Confusions of {whole if not n_left_out else f'the {len(chosen)} of {whole} with the most failures'}"
        ", similar classes side by side"
    )
    listed = "; ".join(
        f"{matrix.classes[i]} predicted as {matrix.classes[j]}: {count(n)} samples, "
        f"{percent(n / matrix.supports[i])} of the label"
        for i, j, n in matrix.most_frequent(_DESCRIBED)
    )
    legend = f"Blue: share of the label, the darkest {percent(float(off.max()))}; grey: correct"
    return finished(figure, name, title, f"The most frequent: {listed}", legend)


def clustered_classes(counts: NDArray[np.float64]) -> NDArray[np.int64]:
    """Positions of the classes with the most failures, those that are confused next to each other.

    Args:
        counts: (k, k) samples by label and prediction, at least two classes.

    Returns:
        At most 30 positions, in the order of a hierarchical clustering with average linkage; the
        distance of two classes falls with the share of their samples that are confused.
    """
    off = counts - np.diag(np.diag(counts))
    failures = off.sum(0) + off.sum(1)
    most = np.sort(np.argsort(-failures, kind="stable")[:_MOST])
    most = most[failures[most] > 0]
    shares = (off / np.maximum(counts.sum(1, keepdims=True), 1))[np.ix_(most, most)]
    alike = shares + shares.T
    distance = 1 - alike / max(float(alike.max()), 1e-12)
    np.fill_diagonal(distance, 0)
    order = leaves_list(linkage(squareform(distance, checks=False), "average"))
    chosen: NDArray[np.int64] = most[order]
    return chosen


def _depth(shares: NDArray[np.float64], row: int, column: int) -> float:
    """Opacity of a cell: the largest share is opaque, the smallest can still be seen."""
    return 0.15 + 0.85 * float(shares[row, column] / shares.max())


def _cell(column: int, row: int, colour: str, opacity: float) -> object:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.48, row - 0.48), 0.96, 0.96, color=colour, alpha=opacity, lw=0)
