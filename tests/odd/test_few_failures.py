"""A gap of few failures is no warning where Fisher's exact test does not exclude chance."""

from __future__ import annotations

import numpy as np
import pytest
from builders.claims import claim
from builders.image_evidence import audit_data
from scipy.stats import fisher_exact, hypergeom

from auditor.checks.performance_gap import PerformanceGap
from auditor.comparisons.slice_claims import graded_by_exact_test
from auditor.comparisons.slice_counts import Counts
from auditor.stages.judge import judge
from auditor.statistics import exact_p_value, proportion_gap, worse_p_values

TABLES = [
    # failures and samples of the slice and of the rest
    (3, 20, 2, 80),
    (10, 20, 20, 80),
    (12, 20, 28, 80),
    (7, 22, 20, 150),
]


@pytest.mark.parametrize("table", TABLES)
def test_small_table_with_a_small_one_sided_p_value_is_a_note(
    table: tuple[int, int, int, int],
) -> None:
    failed, n, rest_failed, m = table
    # The one-sided mid-p value is below 5 %, Fisher's exact test is not.
    gaps = proportion_gap(*table)
    assert float(worse_p_values(gaps)) < 0.05
    assert fisher_exact([[failed, n - failed], [rest_failed, m - rest_failed]]).pvalue > 0.05
    group = np.array(["a"] * n + ["b"] * m)
    fails = np.zeros(n + m, dtype=bool)
    fails[:failed] = fails[n : n + rest_failed] = True
    shares = np.where(fails[:, None], [0.2, 0.8], [0.8, 0.2])
    audit = audit_data(np.zeros(n + m, dtype=np.int64), shares, {"site": group})
    found = judge({"performance-gap": PerformanceGap()}, audit)
    assert all(one.severity == "note" for one in found.findings)


@pytest.mark.parametrize("table", TABLES)
def test_exact_p_value_is_twice_the_smaller_tail_of_fishers_test(
    table: tuple[int, int, int, int],
) -> None:
    failed, n, rest_failed, m = table
    law = hypergeom(n + m, failed + rest_failed, n)
    expected = min(1.0, 2 * min(law.cdf(failed), law.sf(failed - 1)))
    assert exact_p_value([failed], [n], [rest_failed], [m]) == pytest.approx(expected)


def test_clear_gap_and_large_counts_are_graded_by_their_interval() -> None:
    one = claim({"site": "a"}, (0.2, 0.1, 0.3), 1e-4)
    clear = (
        Counts(*map(np.array, ([[12.0]], [[20.0]]))),
        Counts(*map(np.array, ([[8.0]], [[80.0]]))),
    )
    assert graded_by_exact_test(one, *clear, 0.05) is one
    many = tuple(Counts(np.array([[200.0]]), np.array([[1000.0]])) for _ in range(2))
    assert graded_by_exact_test(one, many[0], many[1], 0.05) is one
