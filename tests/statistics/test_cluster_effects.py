"""Effective sample sizes of clusters, the interval of the design effect, and the test of likeness."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import f as f_law
from scipy.stats import f_oneway

from auditor.statistics import (
    cluster_design,
    cluster_p_value,
    clustered_gap,
    clustered_wilson,
    design_effect_interval,
    inflation_of_rates,
    proportion,
)
from auditor.statistics.cluster_cells import Cells, Side
from auditor.statistics.cluster_columns import Given
from auditor.statistics.cluster_correlation import Pairs, null_variances


def _values(seed: int, shared: float) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    groups = np.repeat(np.arange(40), 10)
    values = generator.normal(size=400) + shared * generator.normal(size=40)[groups]
    return values, groups


def test_inflation_without_clusters_is_one() -> None:
    failed = np.array([0, 1, 0, 1, 1])
    factors = inflation_of_rates(failed, [np.arange(3), np.arange(0)], np.arange(5))
    assert factors.tolist() == [1, 1]


def test_inflation_divides_the_samples_of_the_interval_of_a_rate() -> None:
    values, groups = _values(0, 1.0)
    failed = (values > 1).astype(float)
    rows = np.flatnonzero(groups < 20)
    (factor,) = inflation_of_rates(failed, [rows], groups)
    clustered = clustered_wilson(failed, [rows], groups)[0]
    count = failed[rows].sum()
    plain = proportion(count / factor, len(rows) / factor)[()]
    assert (clustered.low, clustered.high) == pytest.approx((plain.low, plain.high))
    assert factor > 2


def test_inflation_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="a finite value and a group"):
        inflation_of_rates([0.0, np.nan], [np.arange(2)], [0, 1])


def test_design_effect_interval_inverts_the_law_of_the_f_ratio() -> None:
    values, groups = _values(1, 0.5)
    design = cluster_design(values, groups)
    found = design_effect_interval(design, groups)
    ratio = f_oneway(*(values[groups == k] for k in range(40))).statistic
    # Of even clusters of n = 10: F = (1 + 9 r) / (1 - r), so r = (F - 1) / (F + 9).
    expected = [
        1 + 9 * (one - 1) / (one + 9)
        for one in (ratio / f_law.isf(0.025, 39, 360), ratio / f_law.isf(0.975, 39, 360))
    ]
    assert found.value == design.design_effect
    assert (found.low, found.high) == pytest.approx(tuple(expected))


def test_design_effect_interval_that_cannot_be_known_reaches_the_number_of_samples() -> None:
    found = design_effect_interval(cluster_design([0, 1], [0, 1]), [0, 1])
    assert np.isnan(found.value)
    assert (found.low, found.high) == (1, 2)


def test_cluster_p_value_agrees_with_analysis_of_variance() -> None:
    for seed, shared in ((2, 0.0), (3, 0.15)):
        values, groups = _values(seed, shared)
        expected = f_oneway(*(values[groups == k] for k in range(40))).pvalue
        found = cluster_p_value(values, groups, np.zeros(400))
        assert found == pytest.approx(expected, abs=0.04)
    values, groups = _values(4, 1.0)
    assert cluster_p_value(values, groups, np.zeros(400)) < 1e-4


def test_clustered_gap_without_draws_takes_the_normal_limit() -> None:
    values, groups = _values(5, 1.0)
    failed = (values > 1).astype(float)
    rows = [np.flatnonzero(groups % 2 == 0)]
    drawn = clustered_gap(failed, rows, np.zeros(400), groups)
    normal = clustered_gap(failed, rows, np.zeros(400), groups, max_draws=0)
    assert normal.p_value[0] == pytest.approx(drawn.p_value[0], abs=0.05)
    assert normal.gap[0] == drawn.gap[0]


def test_null_variances_of_several_outcomes_are_those_of_all_of_them_together() -> None:
    """Slow rewrite, with the arrays of all outcomes side by side."""
    generator = np.random.default_rng(5)
    group, label = generator.integers(0, 40, 500), generator.integers(0, 3, 500)
    values = (generator.random((500, 4)) < [0.1, 0.3, 0.5, 0.9]).astype(np.float64)
    cells = Cells.of(label, group)
    size = cells.by_cell(np.ones(500))
    sides = [Side.of(cells, size, cells.by_cell(one), cells.by_cell(one**2)) for one in values.T]
    pairs = [Pairs.of(cells, side) for side in sides]
    same = sum(one.product.sum() for one in pairs) / sum(one.expected.sum() for one in pairs)
    same = min(max(float(same), 0.0), 1.0)
    variances = np.stack([side.variance for side in sides], axis=1)[cells.stratum]
    expected = np.zeros((cells.n_clusters, 4))
    for cluster in range(cells.n_clusters):
        inside = cells.cluster == cluster
        alone = (variances * size[:, None])[inside].sum(0)
        whole = (np.sqrt(variances) * size[:, None])[inside].sum(0) ** 2
        expected[cluster] = (1 - same) * alone + same * whole
    assert null_variances(cells, Given(values)) == pytest.approx(expected)
