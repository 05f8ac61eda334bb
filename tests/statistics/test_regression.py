from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray

from auditor.statistics import Integers, adjusted_gap


def _cells(seed: int) -> tuple[Integers, Integers, NDArray[np.bool_], Integers, Integers]:
    generator = np.random.default_rng(seed)
    inside, age, label = (part.ravel() for part in np.mgrid[0:2, 0:3, 0:2])
    totals = np.where(inside == (age == 0), 150, 30)
    score = -2.5 + 2.0 * (age == 0) + 0.3 * label
    return generator.binomial(totals, 1 / (1 + np.exp(-score))), totals, inside == 1, age, label


def test_adjusted_gap_confounded_slice_has_no_gap() -> None:
    failures, totals, inside, age, label = _cells(10)
    crude = failures[inside].sum() / totals[inside].sum()
    crude -= failures[~inside].sum() / totals[~inside].sum()
    adjusted = adjusted_gap(failures, totals, inside, [age, label])
    assert crude > 0.1
    assert adjusted.gap.low < 0 < adjusted.gap.high
    assert adjusted.method == "logistic"


def test_adjusted_gap_equals_statsmodels_on_rows() -> None:
    failures, totals, inside, age, label = _cells(11)
    rows = np.repeat(np.arange(12), totals)
    failed = np.concatenate([np.arange(n) < k for k, n in zip(failures, totals, strict=True)])
    columns = [inside[rows], age[rows] == 1, age[rows] == 2, label[rows] == 1]
    design = sm.add_constant(np.stack(columns, axis=1).astype(float))
    fit = sm.Logit(failed.astype(float), design).fit(disp=0)
    ours = adjusted_gap(failures, totals, inside, [age, label])
    assert ours.log_odds.value == pytest.approx(fit.params[1], rel=1e-5)
    assert ours.log_odds.low == pytest.approx(fit.conf_int()[1, 0], rel=1e-4)
    assert ours.p_value == pytest.approx(fit.pvalues[1], rel=1e-4)
    margin = fit.get_margeff(dummy=True)
    assert ours.gap.value == pytest.approx(margin.margeff[0], rel=1e-5)
    width = np.diff(margin.conf_int()[0])[0]
    assert ours.gap.high - ours.gap.low == pytest.approx(width, rel=1e-4)


def test_adjusted_gap_separated_data_use_a_ridge_penalty() -> None:
    separated = adjusted_gap([20, 0, 18, 0], [20, 30, 18, 25], [True, False] * 2, [[0, 0, 1, 1]])
    assert separated.method == "ridge"
    assert separated.gap.value > 0.8
    assert np.isfinite([separated.log_odds.low, separated.log_odds.high]).all()
    assert separated.p_value < 0.01


def test_adjusted_gap_membership_implied_by_a_column_is_untestable() -> None:
    entangled = adjusted_gap([5, 9], [50, 40], [True, False], [["x", "y"]])
    assert entangled.method == "untestable"
    assert np.isnan(entangled.p_value)
    assert adjusted_gap([0, 0], [5, 5], [True, False], []).method == "untestable"
