"""Intervals and differences of metrics: exact cases, degenerate input and seeded simulation."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from auditor.statistics import proportion
from auditor.statistics.metrics import (
    METRICS,
    BinaryCases,
    ClassCases,
    Estimated,
    correlation_within,
    difference,
    interval,
    measure,
)

Integers = NDArray[np.int64]

OF_DECISIONS = [name for name in METRICS if name != "top-5"]


def decisions(seed: int, n: int = 100) -> BinaryCases:
    generator = np.random.default_rng(seed)
    truth = generator.random(n) < 0.4
    score = expit(generator.normal(0, 1, n) + 1.2 * truth - 0.6)
    return BinaryCases(truth, score >= 0.45, score)


def test_interval_of_a_share_is_that_of_a_proportion() -> None:
    cases = decisions(0)
    found = interval(measure("sensitivity", cases, np.arange(100)), None, 0.9)
    hits, positives = int((cases.truth & cases.called).sum()), int(cases.truth.sum())
    expected = proportion(hits, positives, 0.9)[()]
    assert (found.value, found.low, found.high) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )


def test_interval_of_f1_is_that_of_the_jaccard_index_transformed() -> None:
    cases = decisions(1)
    found = interval(measure("f1", cases, np.arange(100)), None)
    either = int((cases.truth | cases.called).sum())
    jaccard = proportion(int((cases.truth & cases.called).sum()), either)[()]
    assert found.low == pytest.approx(2 * jaccard.low / (1 + jaccard.low))
    assert found.high == pytest.approx(2 * jaccard.high / (1 + jaccard.high))


@pytest.mark.parametrize("name", OF_DECISIONS)
def test_clusters_of_one_sample_change_nothing(name: str) -> None:
    found = measure(name, decisions(2), np.arange(100))
    alone, clustered = interval(found, None), interval(found, np.arange(100))
    assert (clustered.low, clustered.high) == pytest.approx((alone.low, alone.high))


@pytest.mark.parametrize("name", OF_DECISIONS)
def test_doubled_samples_in_clusters_are_worth_the_single_ones(name: str) -> None:
    cases = decisions(3, 400)
    twice = np.repeat(np.arange(400), 2)
    one = interval(measure(name, cases, np.arange(400)), None)
    two = interval(measure(name, cases.taken(twice), np.arange(800)), twice)
    if name == "calibration-error":
        # Its bias correction can't know that there are half as many samples.
        assert two.high - two.low > 0.6 * (one.high - one.low)
    else:
        assert two.value == pytest.approx(one.value)
        assert two.high - two.low == pytest.approx(one.high - one.low, rel=0.03)


@pytest.mark.parametrize("name", OF_DECISIONS)
@pytest.mark.parametrize("clustered", [False, True])
def test_degenerate_slices_give_an_ordered_interval_or_no_value(
    name: str, *, clustered: bool
) -> None:
    yes, no = np.ones(6, dtype=bool), np.zeros(6, dtype=bool)
    mixed = np.array([True, False] * 3)
    half, spread = np.full(6, 0.5), np.linspace(0, 1, 6)
    cluster = np.array([0, 0, 0, 1, 1, 1]) if clustered else None
    for truth in (yes, no, mixed):
        for called in (yes, no, mixed):
            for score in (half, spread, mixed.astype(float)):
                for rows in (np.arange(6), np.arange(3), np.arange(1), np.arange(0)):
                    found = measure(name, BinaryCases(truth, called, score), rows)
                    limits = interval(found, cluster)
                    if found.defined:
                        assert limits.low <= limits.value <= limits.high
                        assert limits.high > limits.low
                    else:
                        assert np.isnan(limits.value)
                        assert limits.low < limits.high


@pytest.mark.parametrize("name", ["accuracy", "balanced-accuracy", "macro-f1", "top-2", "auroc"])
def test_degenerate_predictions_of_classes_give_an_interval_or_no_value(name: str) -> None:
    label = np.zeros(5, dtype=np.int64)
    cases = ClassCases(label, label, 3, np.tile([1.0, 0.0, 0.0], (5, 1)), np.ones(5))
    for rows in (np.arange(5), np.arange(1), np.arange(0)):
        limits = interval(measure(name, cases, rows), np.array([0, 0, 1, 1, 1]))
        assert np.isnan(limits.value) or limits.low <= limits.value <= limits.high
        assert limits.low < limits.high


def test_perfect_auroc_has_an_interval_that_narrows_with_the_samples() -> None:
    lows = []
    for n in (10, 100, 1000):
        truth = np.arange(n) % 2 == 1
        cases = BinaryCases(truth, truth, np.where(truth, 0.9, 0.1))
        found = interval(measure("auroc", cases, np.arange(n)), None)
        assert found.high == 1
        lows.append(found.low)
    assert 0.5 < lows[0] < lows[1] < lows[2] < 1


def test_one_cluster_counts_as_one_sample() -> None:
    cases = decisions(4)
    for name in ("accuracy", "auroc", "balanced-accuracy"):
        found = interval(measure(name, cases, np.arange(100)), np.zeros(100, dtype=np.int64))
        assert found.high - found.low > 0.9


def test_pooled_correlation_narrows_the_interval_of_a_share_without_variation() -> None:
    generator = np.random.default_rng(5)
    called = generator.random(400) < 0.5
    called[:40] = True
    cases = BinaryCases(np.ones(400, dtype=bool), called)
    cluster = np.arange(400) // 4
    pooled = correlation_within(measure("sensitivity", cases, np.arange(400)), cluster)
    found = measure("sensitivity", cases, np.arange(40))
    assert interval(found, cluster, pooled=pooled).low > interval(found, cluster).low + 0.1


def test_difference_of_independent_shares_is_newcombes() -> None:
    # Square-and-add of the limits of both proportions.
    cases = decisions(6)
    one, other = (measure("accuracy", cases, rows) for rows in (np.arange(40), np.arange(40, 100)))
    first, second = interval(one, None), interval(other, None)
    found = difference(one, other, None)
    assert found.value == pytest.approx(first.value - second.value)
    assert found.low == pytest.approx(
        found.value - np.hypot(first.value - first.low, second.high - second.value)
    )
    assert found.high == pytest.approx(
        found.value + np.hypot(first.high - first.value, second.value - second.low)
    )


def test_difference_is_antisymmetric() -> None:
    cases = decisions(7)
    cluster = np.arange(100) // 4
    one, other = (measure("auroc", cases, rows) for rows in (np.arange(50), np.arange(50, 100)))
    there, back = difference(one, other, cluster), difference(other, one, cluster)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


def test_shared_clusters_narrow_a_difference_of_alike_sides() -> None:
    # Each cluster has samples on both sides, with a common level.
    generator = np.random.default_rng(8)
    cluster = np.repeat(np.arange(50), 10)
    right = generator.random(500) < generator.beta(1, 1, 50)[cluster]
    cases = BinaryCases(np.ones(500, dtype=bool), right)
    side = np.arange(500) % 2 == 0
    one, other = (measure("accuracy", cases, np.flatnonzero(s)) for s in (side, ~side))
    shared = difference(one, other, cluster)
    apart = difference(one, other, cluster + 50 * side)
    assert shared.high - shared.low < 0.7 * (apart.high - apart.low)


def test_difference_with_an_undefined_metric_has_no_value() -> None:
    cases = BinaryCases(np.array([True, True, False]), np.array([True, False, False]))
    one = measure("sensitivity", cases, np.arange(2))
    other = measure("sensitivity", cases, np.array([2]))
    found = difference(one, other, None)
    assert np.isnan(found.value)
    assert (found.low, found.high) == (-1, 1)


def test_difference_of_different_samples_is_an_error() -> None:
    one, other = (measure("accuracy", decisions(0, n), np.arange(n)) for n in (10, 20))
    with pytest.raises(ValueError, match="expected two metrics of the same samples"):
        difference(one, other, None)


def test_interval_from_influences_alone_is_students() -> None:
    # Mean of 2, 4, 6, 8: variance of the mean 20/3 / 4; t with 3 degrees of freedom, 3.182.
    values = np.array([2.0, 4.0, 6.0, 8.0])
    influence = (values - 5) / np.sqrt(4 * 3)
    found = interval(Estimated(5.0, influence, 4, scale="real"), None)
    assert found.high - 5 == pytest.approx(3.182446 * np.sqrt(20 / 3 / 4), rel=1e-6)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_confidence_out_of_range_is_an_error(confidence: float) -> None:
    with pytest.raises(ValueError, match="expected a confidence between 0 and 1"):
        interval(measure("accuracy", decisions(0), np.arange(100)), None, confidence)


@pytest.mark.parametrize("name", ["sensitivity", "f1", "auroc", "average-precision"])
def test_interval_with_clusters_covers_the_truth(name: str) -> None:
    # Scores N(0, 1) and N(1.5, 1), cut at 0.75, with half of the variance shared by a cluster; the
    # true values are those of 400,000 samples.
    large, _ = _binormal(np.random.default_rng(0), 80_000)
    truth = measure(name, large, np.arange(len(large))).value
    covered = naive = 0
    for seed in range(1, 201):
        cases, cluster = _binormal(np.random.default_rng(seed), 60)
        found = measure(name, cases, np.arange(len(cases)))
        both = interval(found, cluster), interval(found, None)
        covered += both[0].low <= truth <= both[0].high
        naive += both[1].low <= truth <= both[1].high
    assert 0.90 * 200 <= covered <= 0.995 * 200
    assert naive < covered


def _binormal(generator: np.random.Generator, n_clusters: int) -> tuple[BinaryCases, Integers]:
    cluster = np.repeat(np.arange(n_clusters), 5)
    parts = []
    for _ in range(2):
        shared = generator.normal(size=n_clusters)[cluster]
        parts.append(np.sqrt(0.5) * (shared + generator.normal(size=len(cluster))))
    truth = parts[0] < -0.5
    x = parts[1] + 1.5 * truth
    return BinaryCases(truth, x > 0.75, expit(x)), cluster
