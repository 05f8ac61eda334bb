"""Which values of an attribute differ, after one test has said that some of them do."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from auditor.statistics.gaps import Gaps
from auditor.statistics.intervals import Floats


def worse_p_values(gaps: Gaps) -> Floats:
    """One-sided p-values of "the slice is no worse than the rest".

    Args:
        gaps: of any shape, with two-sided p-values.

    Returns:
        The p-values of the same shape; NaN where nothing was compared.
    """
    half = gaps.p_value / 2
    return np.asarray(np.where(gaps.gap.value > 0, half, 1 - half), dtype=np.float64)


def holm(p_values: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Holm's adjusted p-values, along the last axis.

    It is the closed test (Marcus, Peritz and Gabriel) whose local tests are Bonferroni's, so it
    needs nothing of how the tests depend on each other. Hommel's shortcut rejects a little more,
    but assumes positive dependence: values of one attribute that are compared with all others
    depend negatively.

    Args:
        p_values: (..., N), each in [0, 1]; NaN for what was not tested.
        weights: positive, a shape that broadcasts; None for equal ones.

    Returns:
        (..., N) adjusted p-values. Rejecting those up to alpha keeps the probability of any false
        rejection along the last axis below alpha.

    Raises:
        ValueError: a p-value is outside of [0, 1], or a weight is not positive.

    Reference:
        S. Holm, Scandinavian Journal of Statistics 6 (1979) 65-70, with weights as in its section
        3; R. Marcus, E. Peritz and K. R. Gabriel, Biometrika 63 (1976) 655-660.
    """
    values = _in_range(p_values)
    weight = np.broadcast_to(1.0 if weights is None else np.asarray(weights), values.shape)
    tested = ~np.isnan(values)
    if not bool(np.all(weight > 0)):
        raise ValueError("expected positive weights; leave out what is to have none")
    weight = np.where(tested, weight, 0.0)
    scaled = np.where(tested, values, np.inf) / np.where(tested, weight, 1.0)
    order = np.argsort(scaled, axis=-1, kind="stable")
    # The weight of a hypothesis and of all that come after it.
    left = np.cumsum(np.take_along_axis(weight, order, -1)[..., ::-1], axis=-1)[..., ::-1]
    ordered = np.take_along_axis(scaled, order, -1)
    steps = np.multiply(ordered, left, out=np.ones_like(ordered), where=np.isfinite(ordered))
    adjusted = np.empty_like(values)
    np.put_along_axis(adjusted, order, np.maximum.accumulate(steps, axis=-1), -1)
    return np.where(tested, np.minimum(adjusted, 1.0), np.nan)


def hochberg(p_values: ArrayLike) -> Floats:
    """Hochberg's adjusted p-values, for tests that are independent or depend positively.

    Args:
        p_values: (N,), each in [0, 1]; NaN for what was not tested.

    Returns:
        (N,) adjusted p-values. All are rejected if the largest p-value is at most alpha.

    Raises:
        ValueError: a p-value is outside of [0, 1].

    Reference:
        Y. Hochberg, "A sharper Bonferroni procedure for multiple tests of significance",
        Biometrika 75 (1988) 800-802.
    """
    values = _in_range(p_values)
    tested = np.flatnonzero(~np.isnan(values))
    order = tested[np.argsort(-values[tested], kind="stable")]
    adjusted = np.full(values.shape, np.nan)
    steps = values[order] * np.arange(1, len(order) + 1)
    adjusted[order] = np.minimum(np.minimum.accumulate(steps), 1.0)
    return adjusted


def after_omnibus(
    omnibus_p: ArrayLike, p_values: ArrayLike, weights: ArrayLike | None = None
) -> Floats:
    """Adjusted p-values of values that are tested one by one after an omnibus test.

    A value is named only if the omnibus test rejects and its own test does, corrected for all
    values. The p-value of the omnibus test says nothing of any single value: a common value with a
    gap makes it small, and a rare innocent one would be accused.

    The omnibus test may see differences of another kind than the values' tests do (in predictions,
    say, that leave the error rate as it is). It therefore saves nothing in the correction over
    values, as Shaffer's modification of Holm's procedure would have it.

    Args:
        omnibus_p: (...) of "no value differs".
        p_values: (..., V) one-sided, of "this value is no worse"; NaN for what was not tested.
        weights: positive, a shape that broadcasts with `p_values`; None for equal ones.

    Returns:
        (..., V) adjusted p-values with strong control over the values of the attribute.

    Raises:
        ValueError: a p-value is outside of [0, 1], or a weight is not positive.

    Reference:
        R. Marcus, E. Peritz and K. R. Gabriel, Biometrika 63 (1976) 655-660; the modification not
        made: J. P. Shaffer, JASA 81 (1986) 826-831.
    """
    first = _in_range(omnibus_p)
    return np.asarray(np.maximum(holm(p_values, weights), first[..., None]), dtype=np.float64)


def _in_range(p_values: ArrayLike) -> Floats:
    values = np.asarray(p_values, dtype=np.float64)
    if bool(np.any((values < 0) | (values > 1))):
        raise ValueError("expected p-values in [0, 1], or NaN for what was not tested")
    return values
