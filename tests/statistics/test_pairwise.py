"""Values against each other: against fairlearn, published tables, plain rewrites and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame
from scipy.stats import norm, studentized_range

from auditor.statistics.gaps import proportion_gap, stratified_gap
from auditor.statistics.intervals import Floats
from auditor.statistics.pairwise import (
    compare_with_best,
    compare_with_reference,
    largest_difference,
    smallest_ratio,
)
from auditor.statistics.ratios import stratified_ratio


def _share(_: object, values: object) -> float:
    return float(np.mean(np.asarray(values)))


def _frame(counts: list[int], totals: list[int]) -> MetricFrame:
    hit = np.concatenate(
        [np.arange(total) < count for count, total in zip(counts, totals, strict=True)]
    )
    value = np.repeat(np.arange(len(totals)), totals)
    return MetricFrame(metrics=_share, y_true=hit, y_pred=hit, sensitive_features=value)


def _stacked(parts: list[list[int]]) -> Floats:
    return np.array(parts, dtype=np.float64)


def test_extremes_one_stratum_agree_with_fairlearn() -> None:
    counts, totals = [30, 12, 44, 5], [200, 150, 160, 90]
    frame = _frame(counts, totals)
    column, sizes = np.array(counts)[:, None], np.array(totals)[:, None]
    difference = largest_difference(column, sizes)
    assert difference.size.value == pytest.approx(frame.difference())
    assert difference.pair == (2, 3)
    ratio = smallest_ratio(column, sizes)
    assert ratio.size.value == pytest.approx(frame.ratio())
    assert ratio.pair == (2, 3)


def test_two_values_are_the_plain_comparison() -> None:
    # With two values the largest of both differences is the absolute one: the usual interval.
    ours = compare_with_best([[30], [60]], [[200], [220]], n_draws=100_000)
    by_hand = proportion_gap(60, 220, 30, 200)
    assert ours.gap.value[1] == pytest.approx(float(by_hand.gap.value))
    assert ours.gap.low[1] == pytest.approx(float(by_hand.gap.low), abs=1e-3)
    assert ours.gap.high[1] == pytest.approx(float(by_hand.gap.high), abs=1e-3)
    assert ours.comparator.tolist() == [1, 0]
    two_sided = float(proportion_gap(60, 220, 30, 200).p_value)
    assert ours.p_value[1] == pytest.approx(two_sided, rel=0.1)
    assert ours.p_value[0] > 0.9


def test_intervals_use_the_studentized_range() -> None:
    # Four values of one size: the joint interval of a pair is Newcombe's at Tukey's quantile.
    counts, totals = np.array([[20], [30], [40], [50]]), np.full((4, 1), 300)
    ours = compare_with_best(counts, totals, n_draws=200_000)
    z = studentized_range.ppf(0.95, 4, np.inf) / np.sqrt(2)
    by_hand = proportion_gap(50, 300, 20, 300, float(1 - 2 * norm.sf(z)))
    assert ours.comparator[3] == 0
    assert ours.gap.low[3] == pytest.approx(float(by_hand.gap.low), abs=1e-3)
    assert ours.gap.high[3] == pytest.approx(float(by_hand.gap.high), abs=1e-3)


def test_reference_intervals_use_the_quantile_of_dunnett() -> None:
    # Dunnett (1955), table 2a: two-sided 5 %, four treatments, infinite degrees of freedom: 2.44.
    counts, totals = np.array([[30], [30], [40], [50], [20]]), np.full((5, 1), 300)
    ours = compare_with_reference(counts, totals, 0, n_draws=200_000)
    by_hand = proportion_gap(50, 300, 30, 300, float(1 - 2 * norm.sf(2.44)))
    assert ours.gap.low[3] == pytest.approx(float(by_hand.gap.low), abs=1e-3)
    assert ours.comparator.tolist() == [-1, 0, 0, 0, 0]
    assert np.isnan(ours.p_value[0])
    assert ours.p_value[4] > 0.9  # better than the reference


def test_step_down_agrees_with_a_plain_rewrite() -> None:
    counts, totals = np.array([[20], [44], [32], [30]]), np.array([[300], [310], [290], [180]])
    ours = compare_with_best(counts, totals, n_draws=4000, seed=5).p_value
    score = np.full((4, 4), -np.inf)
    for v in range(4):
        for u in set(range(4)) - {v}:
            gap = proportion_gap(counts[v, 0], totals[v, 0], counts[u, 0], totals[u, 0])
            tail = gap.p_value / 2 if gap.gap.value > 0 else 1 - gap.p_value / 2
            score[v, u] = norm.isf(float(tail))
    deviation = 1 / np.sqrt(totals[:, 0])
    drawn = np.random.default_rng(5).normal(size=(4000, 4)) * deviation
    remaining, by_hand, running = [0, 1, 2, 3], np.zeros(4), 0.0
    while remaining:
        worst = max(remaining, key=lambda v: score[v].max())
        seen = score[worst].max()
        reached = 1
        for row in drawn:
            reached += any(
                (row[v] - row[u]) / np.hypot(deviation[v], deviation[u]) >= seen
                for v in remaining
                for u in range(4)
                if u != v
            )
        bound = 3 * len(remaining) * norm.sf(seen)
        running = max(running, min(reached / 4001, bound))
        by_hand[worst] = min(running, 1.0)
        remaining.remove(worst)
    np.testing.assert_allclose(ours, by_hand, rtol=1e-9)


def test_one_good_site_of_five_shows_the_other_four_as_worse() -> None:
    failures = _stacked([[500, 500], *([[2300, 2300]] * 4)])
    totals = np.full((5, 2), 10_000)
    ours = compare_with_best(failures, totals)
    assert bool(np.all(ours.p_value[1:] < 1e-6))
    assert ours.p_value[0] == 1
    np.testing.assert_allclose(ours.gap.value[1:], 0.18)
    assert bool(np.all(ours.gap.low[1:] > 0.16))
    # Against all others together, none of the four is 5 points worse.
    rest = failures.sum(0) - failures
    together = stratified_gap(failures, totals, rest, totals.sum(0) - totals)
    assert float(together.gap.value.max()) < 0.05


def test_harder_labels_are_not_a_difference_between_values() -> None:
    # Equal rates within labels; the values hold the labels in different proportions.
    failures, totals = (
        _stacked([[9, 40], [1, 360], [5, 200]]),
        _stacked([[90, 100], [10, 900], [50, 500]]),
    )
    ours = largest_difference(failures, totals)
    assert ours.size.value == pytest.approx(0, abs=1e-12)
    assert ours.p_value > 0.5


def test_largest_difference_p_value_agrees_with_its_interval() -> None:
    failures, totals = np.array([[45], [180], [120]]), np.full((3, 1), 1000)
    ours = largest_difference(failures, totals, n_draws=50_000)
    beyond = largest_difference(failures, totals, limit=ours.size.low - 1e-3, n_draws=50_000)
    within = largest_difference(failures, totals, limit=ours.size.low + 1e-3, n_draws=50_000)
    assert beyond.p_value < 0.05 < within.p_value


def test_smallest_ratio_of_two_values_is_the_score_test() -> None:
    ours = smallest_ratio([[60], [30]], [[100], [100]], limit=0.8, n_draws=100_000)
    plain = stratified_ratio([60], [100], [30], [100], limit=1 / 0.8)
    # The pair could have been the other way round: two sides.
    assert ours.p_value == pytest.approx(2 * float(plain.p_value), rel=0.1)
    assert ours.size.high == pytest.approx(1 / float(plain.ratio.low), abs=2e-3)


def test_nothing_to_compare_is_unknown() -> None:
    apart = compare_with_best([[3, 0], [0, 2]], [[5, 0], [0, 5]])
    assert apart.comparator.tolist() == [-1, -1]
    assert np.isnan(apart.p_value).all()
    assert len(compare_with_best(np.zeros((0, 2)), np.zeros((0, 2))).p_value) == 0
    for nothing in (largest_difference([[3]], [[5]]), smallest_ratio([[3]], [[5]])):
        assert nothing.pair is None
        assert np.isnan(nothing.p_value)
    quiet = compare_with_best(np.zeros((3, 2)), np.full((3, 2), 20))
    assert quiet.p_value.min() > 0.9


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="by value and stratum"):
        compare_with_best([1, 2], [3, 4])
    with pytest.raises(ValueError, match="reference from 0 to 1"):
        compare_with_reference([[1], [2]], [[3], [4]], 2)
    with pytest.raises(ValueError, match="such as 0"):
        smallest_ratio([[1], [2]], [[3], [4]], limit=80)


@pytest.mark.parametrize("sizes", [[100] * 5, [600, 200, 40, 30, 30]])
def test_equal_values_are_seldom_accused(sizes: list[int]) -> None:
    generator = np.random.default_rng(7)
    totals = np.array(sizes)[:, None] // 2 + np.zeros((1, 2))
    accused = covered = 0
    for _ in range(100):
        failures = generator.binomial(totals.astype(int), [0.04, 0.12])
        ours = compare_with_best(failures, totals, n_draws=1000)
        accused += bool(ours.p_value.min() <= 0.05)
        covered += largest_difference(failures, totals, n_draws=1000).size.low == 0
    # 5 % of 100 is 5; two standard errors are 4.4.
    assert accused <= 9
    assert covered >= 91
