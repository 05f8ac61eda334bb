from __future__ import annotations

import numpy as np
import pytest

from auditor.report.charts.confusions import clustered_classes, confusion_chart
from auditor.report.view.confusion import ConfusionMatrix


def _matrix(counts: np.ndarray) -> ConfusionMatrix:
    names = tuple(f"class {k} {'x' * 300}" if k == 1 else f"$class {k}" for k in range(len(counts)))
    rows = tuple(tuple(int(n) for n in row) for row in counts)
    return ConfusionMatrix(names, rows, tuple(sum(row) for row in rows))


def test_confused_classes_stand_side_by_side() -> None:
    counts = np.diag(np.full(6, 100.0))
    # Two pairs that are confused often, 0 with 4 and 2 with 5; 1 fails once; 3 never.
    counts[0, 4] = counts[4, 0] = 20
    counts[2, 5] = counts[5, 2] = 30
    counts[1, 0] = 1
    found = clustered_classes(counts).tolist()
    assert sorted(found) == [0, 1, 2, 4, 5]
    assert abs(found.index(0) - found.index(4)) == 1
    assert abs(found.index(2) - found.index(5)) == 1


def test_confusion_chart_shows_the_classes_with_the_most_failures() -> None:
    counts = np.diag(np.full(1000, 10))
    for k in range(40):
        counts[k, (k + 1) % 40] += 40 - k
    chart = confusion_chart(_matrix(counts), "confusions")
    assert chart is not None
    assert chart.title.startswith("Confusions of the 30 of 1 000 classes with the most failures")
    # Class 0: 10 correct and 40 predicted as class 1.
    assert "$class 0 predicted as class 1" in chart.description
    assert "40 samples, 80 % of the label" in chart.description
    assert len(chart.svg) < 60_000


@pytest.mark.parametrize("n_classes", [1, 12, 20])
def test_confusion_chart_needs_many_classes_and_failures(n_classes: int) -> None:
    counts = np.diag(np.full(n_classes, 10))
    assert confusion_chart(_matrix(counts), "none") is None
    counts[0, -1] += 1
    assert (confusion_chart(_matrix(counts), "some") is not None) == (n_classes == 20)
