"""Monte Carlo p-values and permutations: against hand calculations and enumeration."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from auditor.statistics import Floats, sequential_p_value, sign_flip
from auditor.statistics.permutation import permute_within, places_within


class _Every:
    """Draws of which every n-th reaches 1."""

    def __init__(self, step: int) -> None:
        self.step = step
        self.drawn = 0

    def __call__(self, size: int) -> Floats:
        places = np.arange(self.drawn, self.drawn + size)
        self.drawn += size
        return np.asarray((places + 1) % self.step == 0, dtype=np.float64)


def test_p_value_of_the_first_batch_counts_the_observed_statistic() -> None:
    found = sequential_p_value(_Every(5), 1.0)
    # 199 of 999 draws reach it; with the observed one that is 200 of 1000.
    assert (found.p_value, found.reached, len(found.drawn)) == (0.2, 199, 999)
    assert found.mean == pytest.approx(199 / 999)


def test_sampling_stops_at_the_hundredth_draw_that_reaches() -> None:
    every = _Every(50)
    found = sequential_p_value(every, 1.0)
    assert len(found.drawn) == 5000  # the 100th multiple of 50
    assert found.p_value == 100 / 5000
    assert every.drawn < 9000


def test_p_value_without_any_draw_that_reaches_is_the_floor() -> None:
    found = sequential_p_value(np.zeros, 1.0, max_draws=4999)
    assert (found.p_value, found.reached, len(found.drawn)) == (1 / 5000, 0, 4999)


def test_draws_that_differ_by_rounding_reach() -> None:
    found = sequential_p_value(lambda size: np.full(size, 0.3), 0.1 + 0.2, max_draws=10)
    assert found.p_value == 1.0


def test_batches_are_not_larger_than_allowed() -> None:
    sizes: list[int] = []

    def draw(size: int) -> Floats:
        sizes.append(size)
        return np.zeros(size)

    sequential_p_value(draw, 1.0, max_draws=1234, largest_batch=100)
    assert max(sizes) == 100
    assert sum(sizes) == 1234


@pytest.mark.parametrize(("draws", "batch"), [(0, 10), (10, 0)])
def test_no_draws_are_refused(draws: int, batch: int) -> None:
    with pytest.raises(ValueError, match="at least one draw"):
        sequential_p_value(np.zeros, 1.0, draws, batch)


def test_p_values_keep_every_level_under_the_null_hypothesis() -> None:
    generator = np.random.default_rng(0)
    p_values = np.array(
        [
            sequential_p_value(generator.random, float(generator.random()), 9_999).p_value
            for _ in range(2000)
        ]
    )
    for level in (0.005, 0.02, 0.05, 0.1, 0.3):
        # Three standard errors of a share of 2000 trials.
        assert (p_values <= level).mean() <= level + 3 * np.sqrt(level * (1 - level) / 2000)
    assert p_values.mean() == pytest.approx(0.5, abs=0.02)


def test_small_p_values_have_a_relative_error_of_a_tenth() -> None:
    generator = np.random.default_rng(1)
    found = [sequential_p_value(generator.random, 0.995).p_value for _ in range(60)]
    assert np.mean(found) == pytest.approx(0.005, rel=0.05)
    assert np.std(found) < 0.15 * 0.005


def test_permutations_stay_inside_their_blocks() -> None:
    generator = np.random.default_rng(2)
    drawn = permute_within(np.array([1, 2, 3, 10, 20]), np.array([3, 2]), 6000, generator)
    assert (np.sort(drawn[:, :3], axis=1) == [1, 2, 3]).all()
    assert (np.sort(drawn[:, 3:], axis=1) == [10, 20]).all()
    counts = Counter(map(tuple, drawn.tolist()))
    assert len(counts) == 6 * 2
    assert chisquare(list(counts.values())).pvalue > 0.001


def test_places_are_distinct_and_equally_likely() -> None:
    generator = np.random.default_rng(3)
    drawn = places_within(np.array([2, 0, 1]), np.array([4, 5, 3]), 12_000, generator)
    assert set(drawn[:, 2].tolist()) == {9, 10, 11}
    counts = Counter(map(tuple, drawn[:, :2].tolist()))
    assert set(counts) == set(itertools.permutations(range(4), 2))
    assert chisquare(list(counts.values())).pvalue > 0.001


# --- sign flips of clusters --------------------------------------------------------------------


def test_sign_flips_of_clusters_agree_with_enumeration() -> None:
    # Sums of the clusters: 3, 2, -1, 4; their total is 8.
    change = [1.0, 2.0, 2.0, -1.0, 1.0, 3.0]
    ours = sign_flip(change, groups=["a", "a", "b", "c", "d", "d"])
    reached = sum(
        abs(np.dot(signs, [3, 2, -1, 4])) >= 8 for signs in itertools.product([1, -1], repeat=4)
    )
    assert ours.method == "exact"
    assert ours.p_value == reached / 16
    assert ours.change.value == pytest.approx(8 / 6)


def test_sign_flip_interval_of_clusters_is_the_jackknife() -> None:
    generator = np.random.default_rng(4)
    groups = np.repeat(np.arange(12), 5)
    change = generator.normal(size=60) + generator.normal(size=12)[groups]
    ours = sign_flip(change, groups=groups).change
    left_out = np.array([change[groups != one].mean() for one in range(12)])
    error = np.sqrt(11 / 12 * ((left_out - change.mean()) ** 2).sum())
    # Student's quantile with 11 degrees of freedom: the clusters are equal.
    assert ours.high - ours.value == pytest.approx(2.200985 * error, rel=1e-6)


def test_sign_flip_of_clusters_of_one_is_that_of_samples() -> None:
    change = np.random.default_rng(5).normal(0.2, 1, 40)
    assert sign_flip(change, groups=np.arange(40)[::-1]).p_value == pytest.approx(
        sign_flip(change).p_value, abs=0.05
    )
    alone, grouped = sign_flip(change).change, sign_flip(change, groups=np.arange(40)).change
    assert grouped.low == pytest.approx(alone.low)
    assert grouped.high == pytest.approx(alone.high)


def test_sign_flip_of_one_cluster_is_untestable() -> None:
    assert sign_flip([1.0, 2.0], groups=["a", "a"]).method == "untestable"
    with pytest.raises(ValueError, match="one group for each"):
        sign_flip([1.0, 2.0], groups=["a"])
