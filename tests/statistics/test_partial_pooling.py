from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import betaln

from auditor.statistics import partially_pooled, wilson


def _plain(counts: list[float], totals: list[float], steps: int = 400) -> list[tuple[float, float]]:
    """Posterior mean and variance of each rate on an even grid of mean and spread."""
    grid = (np.arange(steps) + 0.5) / steps
    mean, size = grid[:, None], grid[None, :] ** -2
    a, b = mean * size, (1 - mean) * size
    pairs = list(zip(counts, totals, strict=True))
    weights = sum(betaln(a + k, b + n - k) - betaln(a, b) for k, n in pairs)
    shares = np.exp(weights - weights.max())
    shares /= shares.sum()
    found = []
    for k, n in pairs:
        rate = (a + k) / (a + b + n)
        square = rate * (a + k + 1) / (a + b + n + 1)
        first = float((shares * rate).sum())
        found.append((first, float((shares * square).sum()) - first**2))
    return found


@pytest.mark.parametrize(
    ("counts", "totals"),
    [([3, 10, 30, 1], [6, 50, 90, 30]), ([2.5, 4.0, 20.5], [10.5, 40.0, 41.0])],
)
def test_partially_pooled_equals_an_even_grid(counts: list[float], totals: list[float]) -> None:
    found = partially_pooled(counts, totals)
    expected = _plain(counts, totals)
    assert found.value == pytest.approx([mean for mean, _ in expected], rel=0.01)
    # Four standard deviations of a law that is close to the normal one lie within about the limits.
    widths = [3.92 * math.sqrt(variance) for _, variance in expected]
    assert (found.high - found.low)[1] == pytest.approx(widths[1], rel=0.05)


def test_partially_pooled_small_slices_move_and_large_ones_stay() -> None:
    counts, totals = np.array([3, 100, 300, 290]), np.array([3, 1000, 3000, 3000])
    found, raw = partially_pooled(counts, totals).value, counts / totals
    assert found[0] < 0.75
    assert found[1:] == pytest.approx(raw[1:], abs=0.003)


def test_partially_pooled_differing_values_are_shrunk_less_than_equal_ones() -> None:
    alike = partially_pooled([4, 20, 20, 20], [10, 200, 200, 200]).value[0]
    differing = partially_pooled([4, 10, 60, 100], [10, 200, 200, 200]).value[0]
    assert alike < differing < 0.4


def test_partially_pooled_many_samples_have_the_interval_of_each_value_alone() -> None:
    counts, totals = [5_000, 20_000, 60_000], [100_000] * 3
    found, alone = partially_pooled(counts, totals), wilson(counts, totals)
    assert found.low == pytest.approx(alone.low, abs=1e-4)
    assert found.high == pytest.approx(alone.high, abs=1e-4)


@pytest.mark.parametrize(
    ("counts", "totals"),
    [([0, 0, 0], [10, 10, 10]), ([10, 10, 10], [10, 10, 10]), ([0, 0, 0], [0, 0, 5]), ([], [])],
)
def test_partially_pooled_degenerate_counts_have_finite_limits(
    counts: list[int], totals: list[int]
) -> None:
    found = partially_pooled(counts, totals)
    assert np.isfinite([found.value, found.low, found.high]).all()
    assert (found.low <= found.value).all()
    assert (found.value <= found.high).all()


def test_partially_pooled_ranks_small_slices_better_than_raw_rates() -> None:
    random = np.random.default_rng(3)
    lost_pooled, lost_raw, covered = [], [], []
    for _ in range(60):
        totals = random.integers(3, 200, 20)
        rates = 1 / (1 + np.exp(2 - 0.4 * random.standard_normal(20)))
        counts = random.binomial(totals, rates)
        found = partially_pooled(counts, totals)
        lost_pooled.append(rates.max() - rates[found.value.argmax()])
        lost_raw.append(rates.max() - rates[(counts / totals).argmax()])
        covered.append(((found.low <= rates) & (rates <= found.high)).mean())
    # The slice that is called the worst has a true rate closer to the highest one.
    assert np.mean(lost_pooled) < np.mean(lost_raw) - 0.01
    assert 0.92 < np.mean(covered) < 0.98


def test_partially_pooled_impossible_counts_raise() -> None:
    with pytest.raises(ValueError, match="0 <= count <= total"):
        partially_pooled([3], [2])
