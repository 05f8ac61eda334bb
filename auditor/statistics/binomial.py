"""Logarithms of binomial coefficients and probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from auditor.statistics.intervals import Floats


def log_choose(n: ArrayLike, k: ArrayLike) -> Floats:
    """Logarithm of the binomial coefficient.

    Args:
        n: numbers of at least 0, any shape.
        k: numbers in 0 … n, broadcastable to `n`.

    Returns:
        Float64 of the broadcast shape.
    """
    total, part = np.asarray(n, dtype=np.float64), np.asarray(k, dtype=np.float64)
    return np.asarray(
        gammaln(total + 1) - gammaln(part + 1) - gammaln(total - part + 1), dtype=np.float64
    )
