"""Classifier two-sample test: power, level, clusters."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from auditor.statistics.two_sample import two_sample_test


def test_shifted_samples_have_the_area_of_the_best_classifier() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(0, 1, (1500, 3)), rng.normal(0, 1, (1500, 3))
    second[:, 1] += 1
    found = two_sample_test(first, second)
    # The best classifier of two normal laws that are one deviation apart: P(X > Y) = Φ(1 / √2).
    assert found.auroc.low < norm.cdf(1 / np.sqrt(2)) < found.auroc.high
    assert found.auroc.high - found.auroc.low < 0.06
    assert found.p_value < 1e-10
    # Scores of unseen members rank the second sample higher, and grow along the shifted column.
    assert np.corrcoef(found.scores[1500:], second[:, 1])[0, 1] > 0.9


def test_separable_samples_have_an_interval_below_one() -> None:
    values = np.linspace(0, 1, 60)[:, None]
    found = two_sample_test(values, values + 5)
    assert found.auroc.value == 1
    assert 0.85 < found.auroc.low < 1
    assert found.p_value < 1e-6


def test_equal_distributions_keep_the_level() -> None:
    rng = np.random.default_rng(1)
    p_values = [
        two_sample_test(rng.standard_t(3, (60, 8)), rng.standard_t(3, (90, 8)), seed=k).p_value
        for k in range(60)
    ]
    # At a true level of 5 %, more than 8 of 60 have a probability of 0.4 %.
    assert sum(one <= 0.05 for one in p_values) <= 8


def test_clusters_that_differ_are_no_shift() -> None:
    def clustered(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        group = np.repeat(np.arange(20), 10)
        return rng.normal(0, 1, (20, 2))[group] + rng.normal(0, 0.1, (200, 2)), group

    alone, together = [], []
    for seed in range(25):
        rng = np.random.default_rng(seed)
        (first, own), (second, other) = clustered(rng), clustered(rng)
        alone.append(two_sample_test(first, second, seed=seed).p_value)
        names = [f"b{k}" for k in other]
        together.append(two_sample_test(first, second, own.tolist(), names, seed).p_value)
    assert sum(one <= 0.05 for one in alone) > 12
    assert sum(one <= 0.05 for one in together) <= 4


def test_too_few_clusters_are_not_tested() -> None:
    values = np.arange(60.0)[:, None]
    found = two_sample_test(values, values, np.arange(60) // 6, None)
    assert np.isnan(found.auroc.value)
    assert found.p_value == 1


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (np.zeros((30, 2)), np.zeros((30, 3)), "equal width"),
        (np.zeros(30), np.zeros((30, 1)), "equal width"),
        (np.full((30, 1), np.nan), np.zeros((30, 1)), "finite"),
    ],
)
def test_invalid_samples_raise(first: np.ndarray, second: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        two_sample_test(first, second)


def test_constant_columns_tell_nothing() -> None:
    found = two_sample_test(np.ones((40, 2)), np.ones((50, 2)))
    assert found.auroc.value == 0.5
    assert found.p_value > 0.5
