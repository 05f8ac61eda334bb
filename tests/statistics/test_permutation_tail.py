from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import hypergeom

from auditor.statistics.permutation_tail import permutation_tails


def test_permutation_tails_equal_an_enumeration() -> None:
    generator = np.random.default_rng(0)
    strata = np.repeat([0, 1], 8)
    chosen = [[*one, *(8 + k for k in two)] for one in combinations(range(8), 4)
              for two in combinations(range(8), 3)]  # fmt: skip
    for _ in range(8):
        scores = generator.gamma(1.0, size=16)
        inside = np.isin(np.arange(16), chosen[generator.integers(len(chosen))])
        sums = np.array([scores[one].sum() for one in chosen])
        observed = scores[inside].sum()
        more = (sums > observed + 1e-9).mean() + (np.abs(sums - observed) < 1e-9).mean() / 2
        tails = permutation_tails(scores, inside, strata)
        assert tails[1] == pytest.approx(more, abs=0.05)
        assert sum(tails) == pytest.approx(1)


def test_permutation_tails_far_out_have_a_small_relative_error() -> None:
    # 60 of 300 failures lie in a tenth of 5,000 samples; 30 are expected.
    inside, failed = np.arange(5000) < 500, np.zeros(5000)
    failed[:60] = failed[500:740] = 1
    law = (5000, 300, 500)
    more = hypergeom.sf(60, *law) + hypergeom.pmf(60, *law) / 2
    assert more == pytest.approx(4e-8, rel=0.1)
    found = permutation_tails(failed, inside, np.zeros(5000, dtype=np.int64))[1]
    assert found == pytest.approx(more, rel=0.1)


def test_permutation_tails_largest_and_smallest_sum_have_half_their_probability() -> None:
    scores, strata = np.array([1.0, 0, 0, 0, 2.0, 2.0, 0, 0]), np.repeat([0, 1], 4)
    largest = np.isin(np.arange(8), [0, 4])
    # The one failure of the first stratum, and one of the two of the second: 1/4 · 2/4.
    assert permutation_tails(scores, largest, strata)[1] == pytest.approx(1 / 16)
    smallest = np.isin(np.arange(8), [1, 6])
    assert permutation_tails(scores, smallest, strata)[0] == pytest.approx(3 / 16)


def test_permutation_tails_equal_scores_say_nothing() -> None:
    inside = np.arange(6) < 2
    assert permutation_tails(np.full(6, 0.3), inside, np.zeros(6, dtype=np.int64)) == (0.5, 0.5)
