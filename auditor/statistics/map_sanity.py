"""Pass marks of the tests of attribution maps."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student

from auditor.statistics.cluster_cells import index_of
from auditor.statistics.intervals import Interval

MOST_LIKENESS = 0.5
"""The largest bound of ``unrelated_bound``: with more, maps that always lie in the same place would pass."""


def mean_interval(
    values: ArrayLike, cluster: ArrayLike | None = None, confidence: float = 0.95
) -> Interval | None:
    """The mean of some numbers, with an interval that allows for clusters.

    Args:
        values: (n,) numbers; NaN are left out.
        cluster: (n,) cluster of each; any values that can be sorted. None: all are independent.
        confidence: coverage of the interval, between 0 and 1.

    Returns:
        mean ± t · √(k / (k − 1) · Σ_c (Σ_{i in c} (x_i − mean))²) / n with k clusters and k − 1 degrees
        of freedom; without clusters, Student's interval. None for fewer than two clusters.

    Reference:
        Cameron and Miller 2015, "A Practitioner's Guide to Cluster-Robust Inference", equation 11
        for a regression on a constant, with the correction k / (k − 1) and T(k − 1) of section VI.
    """
    given = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(given)
    number = given[known]
    codes = np.arange(len(number)) if cluster is None else index_of(np.asarray(cluster)[known])
    k = len(np.unique(codes))
    if k < 2:
        return None
    mean = float(number.mean())
    sums = np.bincount(codes, number - mean)
    error = np.sqrt(k / (k - 1) * (sums**2).sum()) / len(number)
    half = float(student.ppf((1 + confidence) / 2, k - 1) * error)
    return Interval(mean, mean - half, mean + half)


def unrelated_bound(correlations: ArrayLike) -> float | None:
    """How alike two maps may be that have nothing in common but their kind.

    Args:
        correlations: (n,) rank correlations of maps of different images, −1 to 1; NaN are left out.

    Returns:
        Their 95 % quantile, at most ``MOST_LIKENESS``; None without correlations.
    """
    given = np.asarray(correlations, dtype=np.float64)
    known = given[~np.isnan(given)]
    return min(float(np.quantile(known, 0.95)), MOST_LIKENESS) if len(known) else None
