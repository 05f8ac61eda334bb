from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import hypergeom

from auditor.statistics import overconfidence_gap, stratified_gap, stratified_mean_gap


def test_overconfidence_gap_is_the_weighted_mean_over_strata() -> None:
    # Weights n·m / (n + m): 2·2/4 = 1 and 1·2/3.
    stated = np.array([0.9, 0.7, 0.8, 0.6, 0.5, 0.9, 0.7])
    right = np.array([1, 0, 1, 1, 0, 1, 1], dtype=bool)
    inside = np.array([1, 1, 0, 0, 1, 0, 0], dtype=bool)
    strata = np.array([0, 0, 0, 0, 1, 1, 1])
    first = (1.6 - 1) / 2 - (1.4 - 2) / 2
    second = 0.5 - (1.6 - 2) / 2
    found = overconfidence_gap(stated, right, inside, strata)
    assert found.gap.value == pytest.approx((first + second * 2 / 3) / (1 + 2 / 3))
    assert (found.n_slice, found.n_rest) == (3, 4)


@pytest.mark.parametrize("own_failures", [0, 1, 3, 6])
def test_overconfidence_gap_one_confidence_is_the_error_rate_gap(own_failures: int) -> None:
    # 100 of 1,000 samples are in the slice; 6 failures in all.
    inside = np.arange(1000) < 100
    wrong = np.zeros(1000, dtype=bool)
    wrong[:own_failures] = wrong[100 : 106 - own_failures] = True
    found = overconfidence_gap(np.full(1000, 0.99), ~wrong, inside, np.zeros(1000))
    law = (1000, 6, 100)
    own = float(hypergeom.pmf(own_failures, *law)) / 2
    at_least = float(hypergeom.sf(own_failures, *law)) + own
    at_most = float(hypergeom.cdf(own_failures, *law)) - own
    assert found.p_value == pytest.approx(min(1, 2 * min(at_least, at_most)))
    theirs = stratified_gap([own_failures], [100], [6 - own_failures], [900]).gap[()]
    assert found.gap.low == pytest.approx(theirs.low, rel=1e-6)
    assert found.gap.high == pytest.approx(theirs.high, rel=1e-6)


def test_overconfidence_gap_many_errors_equals_drawn_permutations() -> None:
    generator = np.random.default_rng(3)
    stated = generator.uniform(0.5, 1, 400)
    inside, strata = generator.random(400) < 0.3, generator.integers(3, size=400)
    right = generator.random(400) < stated - 0.12 * inside
    ours = overconfidence_gap(stated, right, inside, strata)
    drawn = stratified_mean_gap(stated - right, inside, strata, n_permutations=9999)
    assert ours.gap.value == pytest.approx(drawn.gap.value)
    assert ours.p_value == pytest.approx(drawn.p_value, rel=0.25)
    assert ours.gap.low == pytest.approx(drawn.gap.low, abs=0.02)
    assert ours.gap.high == pytest.approx(drawn.gap.high, abs=0.02)


@pytest.mark.parametrize(("n", "error_rate", "spread"), [(400, 0.004, 0.0), (400, 0.02, 0.5)])
def test_overconfidence_gap_rare_errors_is_covered_and_not_accused(
    n: int, error_rate: float, spread: float
) -> None:
    generator = np.random.default_rng(5)
    covered = accused = plain = 0
    for _ in range(150):
        stated = np.full(n, error_rate)
        if spread:
            stated = generator.beta(spread, spread * (1 - error_rate) / error_rate, n)
        wrong, strata = generator.random(n) < stated, generator.integers(2, size=n)
        inside = generator.random(n) < 0.1
        found = overconfidence_gap(1 - stated, ~wrong, inside, strata)
        covered += found.gap.low <= 0 <= found.gap.high
        accused += found.p_value <= 0.05
        normal = stratified_mean_gap(wrong - stated, inside, strata, n_permutations=0).gap
        plain += normal.low <= 0 <= normal.high
    assert covered >= 134
    assert accused <= 16
    assert plain < covered


def test_overconfidence_gap_one_side_only_is_unknown() -> None:
    found = overconfidence_gap([0.9, 0.8], [True, False], [True, True], [0, 0])
    assert np.isnan(found.gap.value)
    assert np.isnan(found.p_value)
    assert (found.n_slice, found.n_rest) == (0, 0)


def test_overconfidence_gap_degenerate_input() -> None:
    inside = np.arange(20) < 8
    for confidence in (0.0, 0.5, 1.0):
        for right in (True, False):
            stated = np.full(20, confidence)
            found = overconfidence_gap(stated, np.full(20, right), inside, np.zeros(20))
            assert found.gap.low <= 0 <= found.gap.high
            assert found.p_value == 1
    with pytest.raises(ValueError, match="four arrays of the same length"):
        overconfidence_gap([0.5, 0.5], [True, False], [True], [0])
