"""Sample sizes, against exact sums, statsmodels and simulated audits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom
from statsmodels.stats.power import normal_sample_size_one_tail
from statsmodels.stats.proportion import proportion_confint

from auditor.statistics import proportion_gap, stratified_gap
from auditor.statistics.metrics import BinaryCases, interval, measure
from auditor.statistics.sample_size import (
    clusters_for,
    effective_number,
    gap_power,
    samples_for_auroc,
    samples_for_balanced_accuracy,
    samples_for_gap,
    samples_for_mean,
    samples_for_share,
    share_power,
)


def slow_power(number: int, rate: float, limit: float) -> float:
    """Sum over all counts whose Wilson and mid-p limits are both above the limit."""
    power = 0.0
    for count in range(number + 1):
        low, _ = proportion_confint(count, number, method="wilson")
        # The mid-p limit is above where the one-sided mid-p value at the limit is below 2.5 %.
        mid_p = binom.sf(count, number, limit) + binom.pmf(count, number, limit) / 2
        if low > limit and mid_p < 0.025:
            power += float(binom.pmf(count, number, rate))
    return power


@pytest.mark.parametrize(
    ("number", "rate", "limit"), [(30, 1.0, 0.9), (60, 0.95, 0.8), (200, 0.96, 0.9), (90, 0.3, 0.2)]
)
def test_share_power_equals_the_sum_over_all_counts(number: int, rate: float, limit: float) -> None:
    found = share_power(np.array([number]), rate, limit)[0]
    assert found == pytest.approx(slow_power(number, rate, limit), abs=1e-9)


@pytest.mark.parametrize(
    ("rate", "limit"), [(0.95, 0.9), (0.9, 0.85), (1.0, 0.95), (0.02, 0.05), (0.6, 0.5)]
)
def test_samples_for_share_is_the_first_number_that_keeps_the_power(
    rate: float, limit: float
) -> None:
    found = samples_for_share(rate, limit)
    assert found is not None
    # By symmetry, a share below a limit is its complement above one.
    high, bound = (rate, limit) if rate > limit else (1 - rate, 1 - limit)
    later = share_power(np.arange(found, 2 * found), high, bound)
    assert later.min() >= 0.8
    assert share_power(np.array([found - 1]), high, bound)[0] < 0.8
    assert found == pytest.approx(effective_number(rate, limit), rel=0.35)


def test_samples_for_share_on_the_limit_has_no_number() -> None:
    assert samples_for_share(0.9, 0.9) is None
    assert samples_for_share(0.9001, 0.9) is None


@pytest.mark.parametrize(("rate", "limit", "power"), [(0.9, 0.85, 0.8), (0.02, 0.05, 0.9)])
def test_effective_number_equals_statsmodels(rate: float, limit: float, power: float) -> None:
    expected = normal_sample_size_one_tail(
        abs(rate - limit),
        power,
        0.025,
        std_null=np.sqrt(limit * (1 - limit)),
        std_alternative=np.sqrt(rate * (1 - rate)),
    )
    assert effective_number(rate, limit, 0.95, power) == pytest.approx(expected)


def test_samples_for_mean_equals_statsmodels() -> None:
    expected = normal_sample_size_one_tail(0.03, 0.8, 0.005, std_null=0.3)
    assert samples_for_mean(0.03, 0.3, 0.99) == int(np.ceil(expected))


def test_samples_for_balanced_accuracy_of_equal_classes_equals_a_share() -> None:
    # Two classes of one half each: Var = r (1 - r) (2 + 2) / 4 / n, as of a share.
    found = samples_for_balanced_accuracy(0.9, 0.85, np.array([0.5, 0.5]))
    assert found == int(np.ceil(effective_number(0.9, 0.85)))
    # 10 % and 90 %: (10 + 10 / 9) / 4 = 2.78 times as many.
    rare = samples_for_balanced_accuracy(0.9, 0.85, np.array([0.1, 0.9]))
    assert rare == pytest.approx(found * 100 / 36, abs=3)


def test_gap_power_equals_simulated_gaps() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.binomial(300, 0.1, 4000), rng.binomial(600, 0.12, 4000)
    gap = proportion_gap(one, 300, other, 600).gap
    inside = float(((gap.low > -0.07) & (gap.high < 0.07)).mean())
    found = gap_power(300, 600, (0.1, 0.12), 0.07)
    assert found == pytest.approx(inside, abs=3 * np.sqrt(0.25 / 4000))


def test_samples_for_gap_agree_with_the_normal_approximation() -> None:
    # Two groups of n: se² = 2 · 0.3 · 0.7 / n; both limits inside with 80 %, so 90 % for each:
    # n = 0.42 · ((1.960 + 1.282) / 0.1)² = 441.
    assert samples_for_gap((0.3, 0.3), 0.1, 1.0) == pytest.approx(441, rel=0.02)
    assert samples_for_gap((0.1, 0.2), 0.1, 1.0) is None


def test_samples_for_gap_show_a_gap_within_labels_in_80_percent_of_audits() -> None:
    """The gap that criteria judge is compared within labels: two equally frequent ones; 500 audits."""
    number = samples_for_gap((0.15, 0.15), 0.1, 1.0)
    assert number is not None
    own = np.array([number // 2, number - number // 2])
    rng = np.random.default_rng(4)
    failures, rest = rng.binomial(own, 0.15, (2, 500, 2))
    gap = stratified_gap(failures, own, rest, own).gap
    shown = float(((gap.low > -0.1) & (gap.high < 0.1)).mean())
    assert shown == pytest.approx(0.8, abs=3 * np.sqrt(0.16 / 500))


def test_samples_for_auroc_show_it_in_80_percent_of_audits() -> None:
    """Exponential scores, for which Hanley and McNeil's variance is exact; 300 audits."""
    number = samples_for_auroc(0.9, 0.85, 0.3)
    assert number is not None
    rng = np.random.default_rng(2)
    shown = 0
    for _ in range(300):
        truth = np.arange(number) < round(0.3 * number)
        # P(positive > negative) = 9 / (9 + 1).
        raw = rng.exponential(np.where(truth, 9.0, 1.0))
        cases = BinaryCases(truth, truth, raw / (1 + raw))
        found = interval(measure("auroc", cases, np.arange(number)), None)
        shown += found.low > 0.85
    assert shown / 300 == pytest.approx(0.8, abs=3 * np.sqrt(0.16 / 300))


def test_clusters_for_show_a_share_in_80_percent_of_audits() -> None:
    """Clusters of 10 with correlation 0.2, from a beta-binomial distribution; 300 audits."""
    alone = samples_for_share(0.9, 0.8)
    assert alone is not None
    clusters = clusters_for(alone, 10, 0.2)
    # Design effect 1 + 9 · 0.2 = 2.8, and a little more for Student's t.
    assert 2.8 * alone / 10 <= clusters <= 2.8 * alone / 10 * 1.1 + 1
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(clusters), 10)
    shown = 0
    for _ in range(300):
        # Correlation 1 / (a + b + 1) = 0.2 with a + b = 4.
        right = rng.random(10 * clusters) < np.repeat(rng.beta(3.6, 0.4, clusters), 10)
        everything = np.ones(10 * clusters, dtype=bool)
        cases = BinaryCases(everything, right)
        found = interval(measure("accuracy", cases, np.arange(10 * clusters)), groups)
        shown += found.low > 0.8
    assert shown / 300 == pytest.approx(0.8, abs=3 * np.sqrt(0.16 / 300))


@pytest.mark.parametrize(
    "call",
    [
        lambda: samples_for_share(95, 0.9),
        lambda: samples_for_share(0.9, 1.0),
        lambda: samples_for_share(0.95, 0.9, 95),
        lambda: samples_for_share(0.95, 0.9, 0.95, 80),
        lambda: samples_for_auroc(0.9, 0.8, 0.0),
        lambda: samples_for_mean(0.0, 1.0),
        lambda: samples_for_gap((0.1, 0.1), 5, 1.0),
        lambda: clusters_for(10, 0.5, 0.2),
        lambda: clusters_for(10, 10, 1.2),
    ],
)
def test_number_out_of_range_is_refused(call: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        call()  # type: ignore[operator]
