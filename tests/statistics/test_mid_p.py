"""Mid-p intervals: by hand, against a slow rewrite with scipy, and their exact coverage."""

from __future__ import annotations

import numpy as np
import pytest
from reference import mid_p_limits
from scipy.stats import binom

from auditor.statistics import mid_p, proportion, proportion_gap, wilson
from auditor.statistics.mid_p import mid_p_of_share


def test_mid_p_without_failures_gives_the_limit_by_hand() -> None:
    # (1 - p)^n / 2 = 0.025, so the upper limit is 1 - 0.05^(1/n): 0.0582 for n = 50.
    one = mid_p([0], [50])[0]
    assert one.low == 0.0
    assert one.high == pytest.approx(1 - 0.05 ** (1 / 50))
    all_failed = mid_p([50], [50])[0]
    assert all_failed.low == pytest.approx(0.05 ** (1 / 50))
    assert all_failed.high == 1.0


@pytest.mark.parametrize("confidence", [0.5, 0.95, 1 - 1e-8])
def test_mid_p_agrees_with_a_slow_rewrite(confidence: float) -> None:
    for count, total in [(0, 1), (1, 1), (1, 40), (3, 7), (50, 100), (2, 5000), (4990, 5000)]:
        ours = mid_p([count], [total], confidence)[0]
        assert (ours.low, ours.high) == pytest.approx(
            mid_p_limits(count, total, confidence), rel=1e-7, abs=1e-12
        )


def test_mid_p_of_real_counts_lies_between_those_of_whole_counts() -> None:
    low = mid_p_of_share(np.array([2.0, 2.4, 3.0]), np.full(3, 40.0), 1.96).low
    assert low[0] < low[1] < low[2]


def test_mid_p_of_nothing_is_unknown() -> None:
    nothing = proportion([0], [0])[0]
    assert np.isnan(nothing.value)
    assert (nothing.low, nothing.high) == (0.0, 1.0)
    assert mid_p(np.zeros((0,)), np.zeros((0,))).value.shape == (0,)


def test_proportion_takes_the_wider_limit_of_wilson_and_mid_p() -> None:
    counts = np.array([0, 1, 25, 49])
    score, exact, ours = (f(counts, 50) for f in (wilson, mid_p, proportion))
    np.testing.assert_array_equal(ours.low, np.minimum(score.low, exact.low))
    np.testing.assert_array_equal(ours.high, np.maximum(score.high, exact.high))


@pytest.mark.parametrize("total", [50, 200, 1000])
def test_proportion_covers_at_any_rate(total: int) -> None:
    # Exact: the binomial mass of all counts whose interval holds the rate.
    counts = np.arange(total + 1)
    rates = np.concatenate([np.geomspace(0.002, 0.5, 200), 1 - np.geomspace(0.002, 0.5, 200)])
    mass = binom.pmf(counts, total, rates[:, None])
    ours, score = proportion(counts, total), wilson(counts, total)
    covered = ((ours.low <= rates[:, None]) & (rates[:, None] <= ours.high)) * mass
    by_score = ((score.low <= rates[:, None]) & (rates[:, None] <= score.high)) * mass
    assert covered.sum(1).min() >= 0.93
    assert by_score.sum(1).min() < covered.sum(1).min()


@pytest.mark.parametrize("confidence", [0.95, 0.995])
@pytest.mark.parametrize(
    ("own", "rest"), [((10, 0.1), (490, 0.02)), ((5, 0.004), (245, 0.004)), ((50, 0.5), (450, 0.3))]
)
def test_gap_interval_covers_small_slices(
    own: tuple[int, float], rest: tuple[int, float], confidence: float
) -> None:
    first, second = np.meshgrid(np.arange(own[0] + 1), np.arange(rest[0] + 1), indexing="ij")
    mass = binom.pmf(first, *own) * binom.pmf(second, *rest)
    gap = proportion_gap(first, own[0], second, rest[0], confidence).gap
    truth = own[1] - rest[1]
    assert mass[(gap.low <= truth) & (truth <= gap.high)].sum() >= 1 - 1.4 * (1 - confidence)
