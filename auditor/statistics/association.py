"""Association of two nominal columns, and the images to collect in order to reduce it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.stats import chi2, ncx2, random_table

from auditor.statistics.intervals import Floats, Integers, Interval, two_sided_z

_SMALL_EXPECTED = 5.0


@dataclass(frozen=True, slots=True)
class Association:
    """Association of the rows and columns of a contingency table.

    Attributes:
        strength: bias-corrected Cramér's V in [0, 1]; NaN where a table has one row or column.
        p_value: p-value of the test of independence.
        method: ``"chi-squared"``, ``"permutation"`` (small expected counts) or ``"untestable"``.
    """

    strength: Interval
    p_value: float
    method: str


def association(
    table: ArrayLike, confidence: float = 0.95, n_permutations: int = 9999, seed: int = 0
) -> Association:
    """Bias-corrected Cramér's V with its interval and a test of independence.

    Args:
        table: (R, C) counts; empty rows and columns are ignored.
        confidence: coverage of the interval.
        n_permutations: number of random tables with the same margins, drawn if an expected count is
            below 5.
        seed: seed of those draws.

    Returns:
        The association. The interval inverts the noncentral chi-squared distribution of the statistic.

    Raises:
        ValueError: `table` is not a matrix of counts.

    Reference:
        V: W. Bergsma, "A bias-correction for Cramér's V and Tschuprow's T", Journal of the Korean
        Statistical Society 42 (2013) 323-328. Interval: M. Smithson, "Confidence Intervals"
        (2003), chapter 4.
    """
    two_sided_z(confidence)
    counts = contingency(table)
    counts = counts[counts.sum(1) > 0][:, counts.sum(0) > 0]
    n_rows, n_columns = counts.shape
    if min(n_rows, n_columns) < 2:
        return Association(Interval(np.nan, 0.0, 1.0), np.nan, "untestable")
    total = int(counts.sum())
    statistic = float(_phi_squared(counts)) * total
    freedom = (n_rows - 1) * (n_columns - 1)
    expected = np.outer(counts.sum(1), counts.sum(0)) / total
    if expected.min() >= _SMALL_EXPECTED:
        p_value, method = float(chi2.sf(statistic, freedom)), "chi-squared"
    else:
        tables = random_table(counts.sum(1), counts.sum(0)).rvs(
            size=n_permutations, random_state=np.random.default_rng(seed)
        )
        draws = _phi_squared(tables.astype(np.float64)) * total
        # Ties count as extreme; the factor absorbs rounding in the sum.
        reached = int((draws >= statistic * (1 - 1e-12)).sum())
        p_value, method = (reached + 1) / (n_permutations + 1), "permutation"
    value = float(cramers_v(counts))
    low, high = (
        min(1.0, np.sqrt(shift / (total * min(n_rows - 1, n_columns - 1))))
        for shift in _noncentrality(statistic, freedom, confidence)
    )
    return Association(Interval(value, min(low, value), max(high, value)), p_value, method)


def contingency(table: ArrayLike) -> Floats:
    """Validates a table of counts.

    Args:
        table: (R, C) counts.

    Returns:
        The table as float64.

    Raises:
        ValueError: it is not two-dimensional, or a count is negative or not finite.
    """
    counts = np.asarray(table, dtype=np.float64)
    if counts.ndim != 2 or not bool(np.all(np.isfinite(counts) & (counts >= 0))):
        raise ValueError(
            f"expected a matrix of non-negative counts; got shape {counts.shape}: count samples by row "
            "and column value first"
        )
    return counts


def _phi_squared(tables: Floats) -> Floats:
    """Pearson's chi-squared divided by n for (..., R, C) tables; empty rows and columns add 0."""
    rows, columns = tables.sum(-1, keepdims=True), tables.sum(-2, keepdims=True)
    product = rows * columns
    parts = np.divide(tables**2, product, out=np.zeros_like(tables), where=product > 0)
    return np.asarray(np.maximum(parts.sum((-2, -1)) - 1, 0), dtype=np.float64)


def cramers_v(tables: ArrayLike) -> Floats:
    """Bias-corrected Cramér's V of many tables, in [0, 1]; see `association`.

    Args:
        tables: (..., R, C) counts without empty rows and columns.

    Returns:
        V of shape (...).
    """
    counts = np.asarray(tables, dtype=np.float64)
    total = counts.sum((-2, -1))
    n_rows, n_columns = counts.shape[-2:]
    spare = np.maximum(total - 1, 1)
    corrected = np.maximum(_phi_squared(counts) - (n_rows - 1) * (n_columns - 1) / spare, 0)
    least = np.minimum(
        n_rows - 1 - (n_rows - 1) ** 2 / spare, n_columns - 1 - (n_columns - 1) ** 2 / spare
    )
    ratio = np.divide(corrected, least, out=np.zeros_like(corrected), where=least > 0)
    return np.asarray(np.sqrt(np.minimum(ratio, 1)), dtype=np.float64)


def _noncentrality(statistic: float, freedom: int, confidence: float) -> tuple[float, float]:
    """Smallest and largest noncentrality for which the observed statistic is plausible."""
    tail = (1 - confidence) / 2

    def solve(level: float) -> float:
        if chi2.cdf(statistic, freedom) <= level:
            return 0.0
        top = statistic + 10 * np.sqrt(2 * statistic) + 50
        return float(brentq(lambda shift: ncx2.cdf(statistic, freedom, shift) - level, 1e-9, top))

    return solve(1 - tail), solve(tail)


def collection_plan(table: ArrayLike, limit: float) -> Integers:
    """Finds how many images to add to which cells to bring the association below a limit.

    A greedy search adds images, chunk by chunk, to the cell where they reduce the association most.
    Then each addition is reduced as far as possible. The plan is short, but not provably the shortest.

    Args:
        table: (R, C) counts, such as class × attribute value; empty rows and columns stay empty.
        limit: largest acceptable bias-corrected V, above 0 and at most 1.

    Returns:
        (R, C) int64, images to add; all zero if the limit is already met.

    Raises:
        ValueError: `table` is not a matrix of counts, or `limit` is out of range.
    """
    counts = contingency(table)
    if not 0 < limit <= 1:
        raise ValueError(f"expected a limit above 0 and at most 1; got {limit!r}: try 0.1")
    full_rows, full_columns = counts.sum(1) > 0, counts.sum(0) > 0
    plan = np.zeros(counts.shape, dtype=np.int64)
    core = counts[np.ix_(full_rows, full_columns)]
    if min(core.shape) < 2:
        return plan
    added = np.zeros_like(core)
    while float(cramers_v(core + added)) > limit:
        # 1/500 of the samples: few steps for large tables, single images for small ones.
        chunk = max(1.0, np.floor((core + added).sum() / 500))
        slope = _slope(core + added)
        added[np.unravel_index(int(np.argmin(slope)), slope.shape)] += chunk
    plan[np.ix_(full_rows, full_columns)] = _reduce_additions(core, added, limit).astype(np.int64)
    return plan


def _slope(table: Floats) -> Floats:
    """Derivative of chi-squared / n with respect to the count of each cell."""
    rows, columns = table.sum(1, keepdims=True), table.sum(0, keepdims=True)
    return np.asarray(
        2 * table / (rows * columns)
        - (table**2 / columns).sum(1, keepdims=True) / rows**2
        - (table**2 / rows).sum(0, keepdims=True) / columns**2,
        dtype=np.float64,
    )


def _reduce_additions(core: Floats, added: Floats, limit: float) -> Floats:
    """Reduces each addition, largest first, as far as the limit allows (by bisection)."""
    for flat in np.argsort(-added, axis=None):
        cell = np.unravel_index(flat, added.shape)
        needed, spare = -1.0, float(added[cell])
        while spare - needed > 1:
            added[cell] = np.floor((needed + spare) / 2)
            if float(cramers_v(core + added)) > limit:
                needed = float(added[cell])
            else:
                spare = float(added[cell])
        added[cell] = spare
    return added
