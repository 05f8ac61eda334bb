"""The confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from auditor.records.predictions import LABEL, PREDICTED


@dataclass(frozen=True)
class ConfusionMatrix:
    """How often each class was predicted for each label.

    Attributes:
        classes: names in index order.
        counts: (label, predicted) → samples, all cells, ``classes`` by ``classes``.
        supports: samples of each label.
    """

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    supports: tuple[int, ...]

    def most_frequent(self, limit: int = 30) -> tuple[tuple[int, int, int], ...]:
        """The most frequent confusions: index of the label, of the prediction, samples."""
        pairs = [
            (row, column, n)
            for row, counts in enumerate(self.counts)
            for column, n in enumerate(counts)
            if row != column and n
        ]
        return tuple(sorted(pairs, key=lambda one: (-one[2], one[0], one[1]))[:limit])


def confusion_matrix(classes: Sequence[str], evaluated: pd.DataFrame) -> ConfusionMatrix:
    """Counts labels and predictions.

    Args:
        classes: names in index order.
        evaluated: the evaluated samples, with ``label`` and ``predicted``.
    """
    sizes = evaluated.groupby([LABEL, PREDICTED], observed=True, as_index=False).size()
    counts = {
        (str(row[LABEL]), str(row[PREDICTED])): int(row["size"]) for row in sizes.to_dict("records")
    }
    grid = tuple(tuple(counts.get((one, other), 0) for other in classes) for one in classes)
    return ConfusionMatrix(tuple(classes), grid, tuple(sum(row) for row in grid))
