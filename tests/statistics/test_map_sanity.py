from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import t as student
from scipy.stats import ttest_1samp

from auditor.statistics.map_sanity import mean_interval, unrelated_bound


def test_mean_interval_without_clusters_is_students() -> None:
    values = np.random.default_rng(0).normal(1, 2, 30)
    expected = ttest_1samp(values, 0).confidence_interval()
    found = mean_interval([*values, np.nan])
    assert found is not None
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_mean_interval_of_clusters_equals_statsmodels() -> None:
    rng = np.random.default_rng(1)
    cluster = np.repeat(np.arange(6), 5)
    values = rng.normal(size=30) + rng.normal(size=6)[cluster]
    fitted = sm.OLS(values, np.ones(30)).fit(
        cov_type="cluster", cov_kwds={"groups": cluster}, use_t=True
    )
    # statsmodels corrects with k / (k - 1) * (n - 1) / (n - p), which is the same for one parameter.
    half = student.ppf(0.975, 5) * fitted.bse[0]
    found = mean_interval(values, cluster)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half))


def test_mean_interval_needs_two_clusters() -> None:
    assert mean_interval([0.5]) is None
    assert mean_interval([np.nan, np.nan]) is None
    assert mean_interval([0.5, 0.6], [3, 3]) is None


def test_unrelated_bound_is_a_quantile_below_one_half() -> None:
    assert unrelated_bound(np.linspace(0, 0.2, 21)) == pytest.approx(0.19)
    assert unrelated_bound([0.9, np.nan, 0.8]) == 0.5
    assert unrelated_bound([np.nan]) is None
