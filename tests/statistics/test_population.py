from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from statsmodels.stats.weightstats import DescrStatsW

from auditor.statistics import raked_weights, weighted_share, wilson

Floats = NDArray[np.float64]


def test_raked_weights_of_one_attribute_are_shares_over_counts() -> None:
    codes = np.array([[0, 0, 0, 1]])
    weights = raked_weights(codes, [np.array([0.6, 0.4])])
    # Post-stratification: 0.6 / 3 for each of three samples, 0.4 for the other.
    assert weights == pytest.approx([0.2, 0.2, 0.2, 0.4])


def test_raked_weights_of_two_attributes_match_plain_iterative_fitting() -> None:
    random = np.random.default_rng(0)
    codes = np.stack([random.integers(0, 2, 60), random.integers(0, 3, 60)])
    shares = [np.array([0.3, 0.7]), np.array([0.2, 0.2, 0.6])]
    weights = raked_weights(codes, shares)
    assert weights is not None
    plain = [1.0] * 60
    for _ in range(500):
        for code, share in zip(codes, shares, strict=True):
            sums = [
                sum(w for w, c in zip(plain, code, strict=True) if c == v)
                for v in range(len(share))
            ]
            plain = [w * share[c] / sums[c] for w, c in zip(plain, code, strict=True)]
    assert weights == pytest.approx(plain)
    for code, share in zip(codes, shares, strict=True):
        assert np.bincount(code, weights) == pytest.approx(share)


def test_raked_weights_unlisted_values_and_shares_of_zero_get_no_weight() -> None:
    codes = np.array([[0, 1, 2, -1]])
    weights = raked_weights(codes, [np.array([0.25, 0.75, 0.0])])
    assert weights == pytest.approx([0.25, 0.75, 0, 0])


@pytest.mark.parametrize(
    ("codes", "shares"),
    [
        ([[0, 0]], [[0.5, 0.5]]),  # no sample has the second value
        ([[-1, -1]], [[0.5, 0.5]]),
        ([[0, 0, 1, 1], [0, 0, 1, 1]], [[0.5, 0.5], [0.2, 0.8]]),  # both attributes are the same
        ([[0, 0, 1], [0, 1, 1]], [[0.2, 0.8], [0.9, 0.1]]),  # 0.9 has to lie in the 0.2
    ],
)
def test_raked_weights_that_do_not_exist_are_none(
    codes: list[list[int]], shares: list[list[float]]
) -> None:
    assert raked_weights(np.array(codes), [np.array(one) for one in shares]) is None


def test_weighted_share_equals_that_of_statsmodels() -> None:
    random = np.random.default_rng(1)
    value, weight = (random.random(200) < 0.3).astype(float), random.exponential(size=200)
    assert weighted_share(value, weight).share.value == pytest.approx(
        DescrStatsW(value, weight).mean
    )


def test_weighted_share_effective_size_is_that_of_kish() -> None:
    # (1 + 1 + 2)² / (1 + 1 + 4) = 16 / 6
    assert weighted_share([0, 1, 0], [1, 1, 2]).effective_size == pytest.approx(16 / 6)


def test_weighted_share_of_huge_weights_is_that_of_their_ratios() -> None:
    # The sum of the huge weights is more than a float64 can hold.
    huge, small = (
        weighted_share([0, 1, 1, 0], [1e308, 1e308, scale, 1e308]) for scale in (5e307, 0)
    )
    assert huge.share.value == pytest.approx(1.5 / 3.5)
    assert small.share.value == pytest.approx(1 / 3)


def test_weighted_share_of_equal_weights_is_close_to_wilson() -> None:
    value = np.repeat([1.0, 0.0], [120, 880])
    found, plain = weighted_share(value, np.full(1000, 7.0)).share, wilson(120, 1000)[()]
    assert (found.value, found.low, found.high) == pytest.approx(
        (plain.value, plain.low, plain.high), abs=2e-4
    )


def _jackknife(
    value: Floats, weight: Floats, group: NDArray[np.int64], codes: Floats | None
) -> float:
    """Variance of the share by leaving out one cluster after another, and fitting the weights anew."""
    shares = [] if codes is None else [np.bincount(codes[0].astype(int), weight) / weight.sum()]
    estimates = []
    for one in np.unique(group):
        kept = group != one
        left = weight[kept]
        if codes is not None:
            again = raked_weights(codes[:, kept].astype(np.int64), shares)
            assert again is not None
            left = again
        estimates.append(left @ value[kept] / left.sum())
    n = len(estimates)
    return float((n - 1) / n * ((np.array(estimates) - np.mean(estimates)) ** 2).sum())


@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize("size", [1, 4])
def test_weighted_share_variance_is_close_to_the_jackknife(*, fitted: bool, size: int) -> None:
    random = np.random.default_rng(5)
    n = 800
    group = np.arange(n) // size
    stratum = random.integers(0, 2, n // size)[group]
    risk = np.where(stratum == 1, 0.6, 0.1) * random.uniform(0.4, 1.6, n // size)[group]
    value = (random.random(n) < risk).astype(float)
    weight = np.where(stratum == 1, 3.0, 1.0)
    codes = stratum[None, :]
    if fitted:
        poststratified = raked_weights(codes, [np.array([0.6, 0.4])])
        assert poststratified is not None
        weight = poststratified
    found = weighted_share(value, weight, None if size == 1 else group, codes if fitted else None)
    plain = found.share.value * (1 - found.share.value) / n
    expected = _jackknife(value, weight, group, codes.astype(float) if fitted else None)
    assert found.design_effect * plain == pytest.approx(expected, rel=0.05)


def test_weighted_share_fitted_weights_are_more_precise_if_strata_differ() -> None:
    stratum = np.repeat([0, 1], 100)
    value = np.r_[np.zeros(95), np.ones(10), np.zeros(5), np.ones(90)]
    weight = np.ones(200)
    known = weighted_share(value, weight)
    fitted = weighted_share(value, weight, margins=stratum[None, :])
    assert fitted.share.high - fitted.share.low < 0.8 * (known.share.high - known.share.low)


def test_weighted_share_without_failures_has_the_interval_of_the_effective_size() -> None:
    found = weighted_share(np.zeros(300), np.repeat([1.0, 3.0], 150))
    # (150 + 450)² / (150 + 9 · 150) = 240; Student's quantile is a little wider than Wilson's.
    expected = wilson(0, 240)[()]
    assert (found.share.value, found.share.low) == (0, 0)
    assert found.share.high == pytest.approx(expected.high, rel=0.03)
    assert np.isnan(found.design_effect)


def test_weighted_share_one_cluster_knows_nothing() -> None:
    found = weighted_share([0, 1, 1, 1], np.ones(4), np.zeros(4))
    assert found.share.low < 0.1
    assert found.share.high > 0.95


@pytest.mark.parametrize(
    ("values", "weights", "message"),
    [
        ([0, 2], [1, 1], "expected 0 or 1"),
        ([0, 1], [1, 1, 1], "got shapes"),
        ([0, 1], [1, -1], "finite weights of at least 0"),
        ([0, 1], [1, np.inf], "finite weights of at least 0"),
        ([0, 1], [1, np.nan], "finite weights of at least 0"),
        ([0, 1], [0, 0], "not all 0"),
    ],
)
def test_weighted_share_bad_input_raises(
    values: list[float], weights: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        weighted_share(values, weights)


@pytest.mark.parametrize("rate", [0.02, 0.3])
def test_weighted_share_interval_covers_the_population(rate: float) -> None:
    random = np.random.default_rng(7)
    covered = 0
    for _ in range(200):
        group = random.random(400) < 0.25  # half of the population, a quarter of the samples
        value = (random.random(400) < np.where(group, 1.5 * rate, 0.5 * rate)).astype(float)
        found = weighted_share(value, np.where(group, 2.0, 2 / 3)).share
        covered += found.low <= rate <= found.high
    assert 183 <= covered <= 198  # 95 % of 200, three standard errors
