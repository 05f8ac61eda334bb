from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import permutation_test
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from auditor.statistics import mcnemar, sign_flip


def test_mcnemar_p_value_is_between_those_of_statsmodels() -> None:
    for one, two in [(0, 5), (3, 9), (12, 12), (30, 11)]:
        ours = mcnemar(one, two, 100)
        table = [[20, one], [two, 80 - one - two]]
        exact = statsmodels_mcnemar(table, exact=True).pvalue
        limit = statsmodels_mcnemar(table, exact=False, correction=False).pvalue
        assert float(ours.p_value) <= exact
        assert float(ours.p_value) == pytest.approx(limit, abs=0.03)
        assert float(ours.change.value) == pytest.approx((one - two) / 100)
    # Fagerland et al. (2013), Table 1 (airway hyper-responsiveness): 1 and 7 discordant of 21.
    assert float(mcnemar(1, 7, 21).p_value) == pytest.approx(0.039, abs=0.0005)
    assert mcnemar(0, 0, 10).p_value == 1.0
    assert np.isnan(mcnemar(0, 0, 0).p_value)


def test_mcnemar_interval_covers() -> None:
    generator = np.random.default_rng(8)
    draws = generator.multinomial(80, [0.12, 0.04, 0.84], 4000)
    change = mcnemar(draws[:, 0], draws[:, 1], 80).change
    assert 0.93 <= np.mean((change.low <= 0.08) & (change.high >= 0.08)) <= 0.975


def test_sign_flip_equals_scipy_permutation_test() -> None:
    generator = np.random.default_rng(9)
    few, many = generator.normal(0.5, 1, 9), generator.normal(0.2, 1, 60)
    for change, tolerance in [(few, 1e-9), (many, 0.02)]:
        theirs = permutation_test(
            (change,), np.mean, permutation_type="samples", n_resamples=5000, rng=1
        )
        ours = sign_flip(change)
        assert ours.p_value == pytest.approx(theirs.pvalue, abs=tolerance)
    assert sign_flip(few).method == "exact"
    assert sign_flip(np.zeros(30)).p_value == 1.0
    assert sign_flip([1.0]).method == "untestable"
    with pytest.raises(ValueError, match="finite"):
        sign_flip([1.0, np.nan])
