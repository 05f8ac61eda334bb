"""Futility: a test is stopped only where the full test would hardly show anything, and never rejects then."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.statistics import is_futile, sign_flip, stages

LIMIT, N = 0.05, 200


def test_is_futile_compares_the_upper_limit_with_what_the_full_test_needs() -> None:
    # 50 of 200 differences, 4 of them 1: mean 0.08, standard deviation sqrt(0.08 * 0.92) = 0.2713.
    # Upper limit 0.08 + 1.96 * 0.2713 / sqrt(50) = 0.155; needed: limit + 1.96 * 0.2713 / sqrt(200)
    # = limit + 0.0376. So the test is futile from a limit of 0.1176 on.
    change = np.repeat([1.0, 0.0], [4, 46])
    assert not is_futile(change, N, 0.117)
    assert is_futile(change, N, 0.118)


def test_is_futile_allows_for_one_sample_that_differs_where_none_does() -> None:
    # Standard deviation sqrt(1 / 50): upper limit 1.96 / 50 = 0.0392; needed: limit + 0.0196.
    assert not is_futile(np.zeros(50), N, 0.019)
    assert is_futile(np.zeros(50), N, 0.020)


@pytest.mark.parametrize("n", [0, N])
def test_is_futile_without_samples_or_with_all_of_them_is_false(n: int) -> None:
    assert not is_futile(np.full(n, -1.0), N, LIMIT)


def test_stages_take_every_sample_once_from_all_parts_of_the_list() -> None:
    quarter, half, rest = stages(42)
    assert np.sort(np.concatenate([quarter, half, rest])).tolist() == list(range(42))
    assert quarter.tolist() == list(range(0, 42, 4))
    assert (len(quarter), len(half), len(rest)) == (11, 10, 21)


def test_stages_of_few_samples_are_one() -> None:
    (all_of_them,) = stages(39)
    assert all_of_them.tolist() == list(range(39))


def staged(change: np.ndarray) -> tuple[bool, bool]:
    """Whether the staged test shows a mean above the limit, and whether the plain full test does."""
    full = sign_flip(change, n_draws=200)
    shown = full.change.low > LIMIT and full.p_value <= 0.05
    quarter, half, _ = stages(len(change))
    parts = (quarter, np.sort(np.append(quarter, half)))
    stopped = any(is_futile(change[part], len(change), LIMIT) for part in parts)
    return shown and not stopped, shown


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 0.5), st.floats(0, 0.3))
def test_staged_test_shows_nothing_that_the_full_test_does_not(
    seed: int, more: float, fewer: float
) -> None:
    generator = np.random.default_rng(seed)
    change = generator.choice([1.0, 0.0, -1.0], N, p=[more, 1 - more - fewer, fewer])
    by_stages, in_full = staged(change)
    assert in_full or not by_stages


def test_staged_test_keeps_the_power_of_the_full_test_and_its_error_rate() -> None:
    # An effect of 0.15, which the full test shows in most cases; and none, with as many changes.
    generator = np.random.default_rng(0)
    effect = [
        staged(generator.choice([1.0, 0.0, -1.0], N, p=[0.2, 0.75, 0.05])) for _ in range(150)
    ]
    null = [staged(generator.choice([1.0, 0.0, -1.0], N, p=[0.12, 0.76, 0.12])) for _ in range(150)]
    by_stages, in_full = np.array(effect).sum(0)
    assert in_full > 100
    assert in_full - by_stages <= 0.05 * in_full
    assert np.array(null)[:, 0].sum() <= np.array(null)[:, 1].sum()
