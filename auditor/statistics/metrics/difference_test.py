"""Test of the difference of a metric between two sets of samples."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from auditor.statistics.intervals import Integers
from auditor.statistics.metrics.estimated import Estimated, difference

_LARGEST_Z = 7.0
"""Beyond it, the coverage 1 - 2p of an interval cannot be told from 1."""
_SMALLEST_Z = 1e-6
_PRECISION = 0.005
"""Of the normal quantile."""


def difference_p_value(
    one: Estimated, other: Estimated, clusters: Integers | None, pooled: float = np.nan
) -> float:
    """One-sided p-value of "the metric is not higher on the first set".

    It is the inverse of the interval: the p-value is below alpha if and only if the lower limit of the
    interval with coverage 1 - 2 alpha is above 0. Test and interval thus never disagree.

    Args:
        one: the metric on the first set.
        other: the metric on the second set, of the same n samples.
        clusters: (n,) cluster number of each sample; None for independent samples.
        pooled: as for `difference`.

    Returns:
        The p-value, at least 1e-12; NaN if one of the two has no value.
    """
    if not (one.defined and other.defined):
        return float("nan")
    if one.value == other.value:
        return 0.5
    if one.value < other.value:
        return 1 - difference_p_value(other, one, clusters, pooled)

    def lower_limit(z: float) -> float:
        return difference(one, other, clusters, 1 - 2 * float(norm.sf(z)), pooled).low

    if lower_limit(_LARGEST_Z) > 0:
        return float(norm.sf(_LARGEST_Z))
    if lower_limit(_SMALLEST_Z) <= 0:
        # Exact intervals have a width even at coverage 0.
        return 0.5
    return float(norm.sf(brentq(lower_limit, _SMALLEST_Z, _LARGEST_Z, xtol=_PRECISION)))
