"""Adjusted gaps of clustered samples: against statsmodels, single samples and simulation."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy.stats import t

from auditor.statistics import adjusted_gaps, clustered_adjusted_gaps


def _drawn(seed: int, n_clusters: int = 80, size: int = 6) -> tuple[NDArray[np.int64], ...]:
    """Failures with intra-cluster correlation, and two attributes that vary between clusters."""
    generator = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(n_clusters), size)
    rate = generator.beta(0.6, 2.4, n_clusters)
    failure = (generator.random(len(cluster)) < rate[cluster]).astype(np.int64)
    first = generator.integers(2, size=n_clusters)[cluster]
    second = generator.integers(3, size=n_clusters)[cluster]
    label = generator.integers(2, size=len(cluster))
    return cluster, failure, first, second, label


def test_clusters_of_one_sample_give_the_gaps_of_independent_samples() -> None:
    _, failure, first, second, label = _drawn(0)
    n = len(failure)
    plain = adjusted_gaps(failure, np.ones(n), [first, second], label)
    ours = clustered_adjusted_gaps(failure, [first, second], label, np.arange(n))
    for one, other in zip(ours, plain, strict=True):
        np.testing.assert_allclose(one.gap.value, other.gap.value)
        np.testing.assert_allclose(one.gap.low, other.gap.low, atol=5e-3)
        # Student's distribution instead of the normal one: a little less in the tails.
        np.testing.assert_allclose(np.log(one.p_value), np.log(other.p_value), rtol=0.03)


def test_interval_is_as_wide_as_the_cluster_robust_one_of_statsmodels() -> None:
    # Under 400 samples all are in one class of risk, so that the gap is a coefficient of least squares.
    cluster, failure, first, second, label = _drawn(1, n_clusters=60)
    design = np.column_stack([np.ones(len(failure)), first, second == 1, second == 2, label])
    fit = sm.OLS(failure, design.astype(float)).fit(
        cov_type="cluster", cov_kwds={"groups": cluster, "use_correction": True}
    )
    ours = clustered_adjusted_gaps(failure, [first, second], label, cluster)[0].gap
    assert ours.value[1] == pytest.approx(fit.params[1])
    width = float(t.ppf(0.975, 59)) * fit.bse[1]
    # Theirs takes residuals with the gap, ours those without it.
    assert (ours.high[1] - ours.low[1]) / 2 == pytest.approx(width, rel=0.1)


def test_innocent_values_of_clusters_are_rarely_significant() -> None:
    p_values, plain = [], []
    for seed in range(60):
        cluster, failure, first, second, label = _drawn(100 + seed, n_clusters=60, size=10)
        for one in clustered_adjusted_gaps(failure, [first, second], label, cluster):
            p_values += one.p_value.tolist()
        for one in adjusted_gaps(failure, np.ones(len(failure)), [first, second], label):
            plain += one.p_value.tolist()
    assert np.mean(np.array(p_values) <= 0.05) <= 0.08
    assert np.mean(np.array(plain) <= 0.05) > 0.2  # what the clusters are accounted for


def test_gap_masked_by_another_attribute_is_found_in_clusters() -> None:
    generator = np.random.default_rng(4)
    cluster = np.repeat(np.arange(400), 5)
    group = generator.random(400) < 0.3
    old = generator.random(400) < np.where(group, 0.2, 0.7)
    rate = 0.05 + 0.2 * old + 0.15 * group
    failure = generator.random(2000) < rate[cluster]
    columns = [group.astype(int)[cluster], old.astype(int)[cluster]]
    label = generator.integers(2, size=2000)
    found = clustered_adjusted_gaps(failure, columns, label, cluster)[0]
    assert found.gap.low[1] < 0.15 < found.gap.high[1]
    assert found.p_value[1] < 1e-4


def test_clusters_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="one cluster per sample"):
        clustered_adjusted_gaps([0, 1], [[0, 1]], [0, 0], [1, 1, 2])
