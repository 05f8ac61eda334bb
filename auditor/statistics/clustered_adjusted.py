"""Gaps with other attributes held fixed, where samples come in clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm, t

from auditor.statistics.adjusted import AdjustedGaps, Compared, compared_columns, weighted_gaps
from auditor.statistics.cluster_cells import index_of
from auditor.statistics.cluster_correlation import effective_number
from auditor.statistics.intervals import Floats, Integers, Intervals, two_sided_z


def clustered_adjusted_gaps(
    failures: ArrayLike,
    attributes: Sequence[ArrayLike],
    strata: ArrayLike,
    clusters: ArrayLike,
    confidence: float = 0.95,
) -> list[AdjustedGaps]:
    """Gap of every value of every attribute with all other attributes held fixed, robust to clusters.

    Args:
        failures: (N,) whether each sample is a failure, 0 or 1.
        attributes: A columns of (N,) codes from 0 on, one column per attribute.
        strata: (N,) codes from 0 on, such as the label. They are held fixed throughout.
        clusters: (N,) cluster of each sample, such as the patient; any values that can be sorted.
        confidence: coverage of each interval.

    Returns:
        The gaps of `adjusted_gaps`, with intervals and tests for clusters, and with the number of
        samples that they are worth divided by the design effect.

    Raises:
        ValueError: lengths differ, a code is negative, a failure is neither 0 nor 1, or
            `confidence` is out of range.

    Reference:
        Score test with the variance of cluster sums under the null hypothesis: K.-Y. Liang and S. L.
        Zeger, Biometrika 73 (1986) 13-22. Degrees of freedom by the effective number of clusters, as
        W. G. Imbens and M. Kolesár, Review of Economics and Statistics 98 (2016) 701-712, after
        F. E. Satterthwaite, Biometrics Bulletin 2 (1946) 110-114.
    """
    z = two_sided_z(confidence)
    count = np.asarray(failures, dtype=np.float64)
    cluster = index_of(np.asarray(clusters))
    if cluster.shape != count.shape:
        raise ValueError(
            f"expected one cluster per sample; got {len(cluster)} clusters for {len(count)} samples"
        )
    # Samples with the same values have the same weights, and are one cell of the regression.
    columns = [np.asarray(column, dtype=np.int64) for column in (strata, *attributes)]
    first, cell = _cells(columns, len(count))
    failed = np.bincount(cell, count).astype(np.float64)
    total = np.bincount(cell).astype(np.float64)
    found = []
    own = [column[first] for column in columns]
    for one in compared_columns(failed, total, own[1:], own[0]):
        effect, freedom = _design(one, count, cell, cluster)
        found.append(_for_clusters(weighted_gaps(failed, total, one, z), effect, freedom, z))
    return found


def _cells(columns: Sequence[Integers], n: int) -> tuple[Integers, Integers]:
    """The first sample of each combination of values, and (n,) the combination of each sample."""
    cell = np.zeros(n, dtype=np.int64)
    for column in columns:
        if column.shape != cell.shape or bool((column < 0).any()):
            raise ValueError(
                f"expected {n} codes of at least 0 in each column; got {column.shape}, or negative ones"
            )
        cell = index_of(cell * (int(column.max(initial=0)) + 1) + column)
    return np.unique(cell, return_index=True)[1].astype(np.int64), cell


def _design(
    compared: Compared, count: Floats, cell: Integers, cluster: Integers
) -> tuple[Floats, Floats]:
    """(K,) design effects, at least 1, and (K,) degrees of freedom, at least 1."""
    n = int(cluster.max(initial=-1)) + 1
    residual = count - np.clip(compared.expected, 0, 1)[cell]
    effects, numbers = [], []
    for of_cells in compared.weights.T:
        weight = of_cells[cell]
        scores = weight * residual
        sums = np.bincount(cluster, scores, n)
        sizes = np.bincount(cluster, weight**2, n).astype(np.float64)
        alone = float((scores**2).sum())
        effect = float((sums**2).sum()) / alone if alone > 0 else 1.0
        effects.append(effect * n / max(n - 1, 1))
        numbers.append(effective_number(sizes) or 1.0)
    return np.maximum(np.array(effects), 1.0), np.maximum(np.array(numbers) - 1, 1.0)


def _for_clusters(gaps: AdjustedGaps, effect: Floats, freedom: Floats, z: float) -> AdjustedGaps:
    """Intervals widened, and tests held to Student's distribution."""
    score = norm.isf(np.clip(np.nan_to_num(gaps.p_value, nan=1.0), 1e-300, 1) / 2)
    p_value = 2 * t.sf(score / np.sqrt(effect), freedom)
    spread = np.sqrt(effect) * t.isf(norm.sf(z), freedom) / z
    value = gaps.gap.value
    limits = Intervals(
        value,
        np.fmax(value - spread * (value - gaps.gap.low), -1.0),
        np.fmin(value + spread * (gaps.gap.high - value), 1.0),
    )
    known = ~np.isnan(gaps.p_value)
    return replace(
        gaps,
        gap=limits,
        p_value=np.where(known, np.clip(p_value, 0, 1), np.nan),
        worth=gaps.worth / effect,
    )
