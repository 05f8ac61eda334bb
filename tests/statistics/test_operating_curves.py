"""Curves against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from auditor.statistics.operating_curves import (
    CurvePoints,
    precision_recall_points,
    reliability_bins,
    roc_points,
)


def _samples(seed: int, n: int, decimals: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = generator.random(n) < 0.3
    score = np.clip(generator.normal(0.4 + 0.2 * truth, 0.2), 0, 1).round(decimals)
    return truth, score


@pytest.mark.parametrize("decimals", [1, 9])  # with and without ties
def test_roc_points_are_those_of_scikit_learn(decimals: int) -> None:
    truth, score = _samples(1, 300, decimals)
    found = roc_points(truth, score)
    assert found is not None
    x, y, _ = roc_curve(truth, score, drop_intermediate=False)
    np.testing.assert_allclose(found.x, x)
    np.testing.assert_allclose(found.y, y)
    assert np.trapezoid(found.y, found.x) == pytest.approx(roc_auc_score(truth, score))


@pytest.mark.parametrize("decimals", [1, 9])
def test_precision_recall_points_are_those_of_scikit_learn(decimals: int) -> None:
    truth, score = _samples(2, 300, decimals)
    found = precision_recall_points(truth, score)
    assert found is not None
    precision, recall, _ = precision_recall_curve(truth, score)
    # scikit-learn starts at the lowest threshold, and ends with (0, 1) instead of our first point.
    np.testing.assert_allclose(found.x[1:], recall[:-1][::-1])
    np.testing.assert_allclose(found.y[1:], precision[:-1][::-1])
    area = float(np.sum(np.diff(found.x) * found.y[1:]))
    assert area == pytest.approx(average_precision_score(truth, score))


@pytest.mark.parametrize(("truth", "roc", "precision"), [
    ([], False, False),
    ([0, 0, 0], False, False),
    ([1, 1, 1], False, True),
])  # fmt: skip
def test_curves_of_one_class_are_not_defined(
    truth: list[int], *, roc: bool, precision: bool
) -> None:
    score = np.linspace(0, 1, len(truth))
    assert (roc_points(truth, score) is not None) is roc
    assert (precision_recall_points(truth, score) is not None) is precision


def test_thinned_curve_stays_close_to_all_points() -> None:
    truth, score = _samples(3, 5000, 9)
    found = roc_points(truth, score)
    assert found is not None
    thin = found.thinned(200)
    assert len(thin.x) <= 200
    assert (thin.x[0], thin.y[0], thin.x[-1], thin.y[-1]) == (0, 0, 1, 1)
    # Consecutive points are at most 2/199 apart along the curve.
    assert np.abs(np.interp(found.x, thin.x, thin.y) - found.y).max() < 0.011


def test_thinned_short_curve_is_unchanged() -> None:
    points = CurvePoints(np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.9, 1.0]))
    assert points.thinned(3) is points


def test_reliability_bins_divide_the_unit_interval() -> None:
    found = reliability_bins([0.05, 1.0, 0.0, 0.1, 0.999, 0.55])
    assert [one.tolist() for one in found] == [[0, 2], [3], [5], [1, 4]]
    assert reliability_bins([]) == []
