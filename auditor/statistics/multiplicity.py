"""Correction for multiple testing."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import false_discovery_control

from auditor.statistics.intervals import Floats


def q_values(p_values: ArrayLike) -> Floats:
    """Benjamini-Hochberg adjusted p-values; NaN (not tested) stays NaN and is not counted.

    Args:
        p_values: any shape, each in [0, 1] or NaN.

    Returns:
        Adjusted values of the same shape. Rejecting those up to a bound keeps the expected share of
        false discoveries below that bound.

    Raises:
        ValueError: a p-value is outside [0, 1].

    Reference:
        Y. Benjamini and Y. Hochberg, JRSS B 57 (1995) 289-300; valid under positive regression
        dependence: Y. Benjamini and D. Yekutieli, Annals of Statistics 29 (2001) 1165-1188.
    """
    values = np.asarray(p_values, dtype=np.float64)
    tested = ~np.isnan(values)
    if bool(np.any((values[tested] < 0) | (values[tested] > 1))):
        raise ValueError("expected p-values in [0, 1], or NaN for what was not tested")
    adjusted = np.full(values.shape, np.nan)
    if tested.any():
        adjusted[tested] = false_discovery_control(values[tested], method="bh")
    return adjusted
