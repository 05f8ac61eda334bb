"""Intra-class correlation, design effect and effective sample size of clustered samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import f as f_law
from scipy.stats import t as student

from auditor.statistics.cluster_cells import Cells, Side, index_of
from auditor.statistics.cluster_correlation import Pairs, effective_number
from auditor.statistics.intervals import (
    Floats,
    Integers,
    Interval,
    Intervals,
    two_sided_z,
)
from auditor.statistics.mid_p import proportion


@dataclass(frozen=True, slots=True)
class ClusterDesign:
    """Effect of clustering on the uncertainty of a mean.

    Attributes:
        correlation: intra-class correlation, at most 1; negative if samples of one cluster differ
            more than independent ones. NaN if no cluster has two samples, if there is only one
            cluster, or if the values are constant.
        design_effect: variance of the mean relative to that of independent samples, at least 1; NaN
            if the correlation is NaN.
        effective_size: number of samples divided by the design effect.
        n_samples: number of samples, N.
        n_clusters: number of clusters, G.
        effective_clusters: effective number of clusters, which is smaller than G if their sizes differ.
    """

    correlation: float
    design_effect: float
    effective_size: float
    n_samples: int
    n_clusters: int
    effective_clusters: float


def cluster_design(
    values: ArrayLike, groups: ArrayLike, strata: ArrayLike | None = None
) -> ClusterDesign:
    """Intra-class correlation and design effect of a variable, such as failures as 0 and 1.

    Args:
        values: (N,) finite numbers.
        groups: (N,) cluster of each sample; any values that can be sorted.
        strata: (N,) stratum of each sample, such as its label: values are compared with the mean of
            their stratum. None for a single stratum.

    Returns:
        The design. For clusters of n samples each, the design effect is 1 + (n - 1) · correlation;
        for clusters of different sizes, n is Σ n² / Σ n.

    Raises:
        ValueError: the lengths differ, there is no sample, or a value is not finite.

    Reference:
        Analysis-of-variance estimator: A. Donner, "A review of inference procedures for the
        intraclass correlation coefficient in the one-way random effects model", International
        Statistical Review 54 (1986) 67-82, section 2; recommended for binary data by Ridout,
        Demétrio and Firth, Biometrics 55 (1999) 137-148. Design effect: L. Kish, "Survey sampling"
        (1965), section 5.4; uneven clusters: J. N. K. Rao and A. J. Scott, Biometrics 48 (1992) 577.
    """
    number = np.asarray(values, dtype=np.float64)
    held = np.zeros(len(number), dtype=np.int64) if strata is None else index_of(strata)
    if not number.shape == np.shape(groups) == held.shape or not bool(np.isfinite(number).all()):
        raise ValueError(
            f"expected a finite value, a group and a stratum for each sample; got shapes "
            f"{number.shape}, {np.shape(groups)} and {held.shape}, or values that are not finite"
        )
    cells = Cells.of(held, groups)
    total = np.bincount(held, number) / np.bincount(held)
    residual = number - total[held]
    size = cells.by_cluster(cells.by_cell(np.ones(len(number))))
    n_samples, n_clusters = len(number), cells.n_clusters
    # If each cluster lies in one stratum, the strata use up degrees of freedom between clusters.
    lost = cells.n_strata if len(cells) == n_clusters else 1
    correlation = _anova(residual, cells, size, n_clusters - lost)
    effect = max(1.0, 1 + (float((size**2).sum()) / n_samples - 1) * correlation)
    return ClusterDesign(
        correlation,
        np.nan if np.isnan(correlation) else effect,
        np.nan if np.isnan(correlation) else n_samples / effect,
        n_samples,
        n_clusters,
        effective_number(size),
    )


def design_effect_interval(
    design: ClusterDesign, groups: ArrayLike, confidence: float = 0.95
) -> Interval:
    """The design effect with an interval, from the interval of the correlation.

    Args:
        design: result of `cluster_design`.
        groups: (N,) cluster of each sample.
        confidence: coverage, between 0 and 1; approximate for binary values and unequal cluster sizes.

    Returns:
        The design effect; its limits are at least 1. NaN with the limits 1 and N if it is unknown.

    Raises:
        ValueError: `confidence` is out of range.

    Reference:
        Limits of the correlation from the F distribution of the ratio of mean squares: S. R. Searle, "Linear
        Models" (1971), section 9.9; A. Donner (1986), section 3.
    """
    two_sided_z(confidence)
    if np.isnan(design.design_effect):
        return Interval(np.nan, 1.0, float(design.n_samples))
    sizes = np.bincount(index_of(groups)).astype(np.float64)
    mean_size = float((sizes**2).sum()) / design.n_samples
    common = (design.n_samples - mean_size) / (design.n_clusters - 1)
    known = min(design.correlation, 1 - 1e-9)
    observed = (1 + (common - 1) * known) / (1 - known)
    freedom = design.n_clusters - 1, design.n_samples - design.n_clusters
    tail = (1 - confidence) / 2
    ratios = observed / f_law.isf(tail, *freedom), observed / f_law.isf(1 - tail, *freedom)
    low, high = (max(1.0, 1 + (mean_size - 1) * (one - 1) / (one + common - 1)) for one in ratios)
    return Interval(design.design_effect, low, high)


def _anova(residual: Floats, cells: Cells, size: Floats, between_freedom: int) -> float:
    """The estimator (B - W) / (B + (n₀ - 1) W) from the mean squares between and within clusters."""
    n_samples, n_clusters = len(residual), len(size)
    within_freedom = n_samples - n_clusters
    if between_freedom < 1 or within_freedom < 1:
        return float("nan")
    sums = cells.by_cluster(cells.by_cell(residual))
    explained = float((sums**2 / size).sum())
    whole = float((residual**2).sum())
    between, within = explained / between_freedom, (whole - explained) / within_freedom
    common = (n_samples - float((size**2).sum()) / n_samples) / (n_clusters - 1)
    scale = between + (common - 1) * within
    return (between - within) / scale if scale > 1e-12 * max(whole, 1e-300) else float("nan")


def clustered_wilson(
    failures: ArrayLike,
    slices: Sequence[Integers],
    groups: ArrayLike,
    confidence: float = 0.95,
) -> Intervals:
    """Interval of the failure rate of each slice, for clustered samples, as in `proportion`.

    The sample size is divided by the design effect. The correlation inside the clusters of a slice
    is shrunk towards that of all samples, and is not smaller than it.

    Args:
        failures: (N,) whether a sample failed, 0 or 1.
        slices: rows of the samples of each slice, M arrays.
        groups: (N,) cluster of each sample; any values that can be sorted.
        confidence: coverage, between 0 and 1.

    Returns:
        (M,) rates with limits in [0, 1]; NaN with the limits 0 and 1 for an empty slice. The same as
        `proportion` if no two samples share a cluster.

    Raises:
        ValueError: the lengths differ, a failure is neither 0 nor 1, or `confidence` is out of
            range.

    Reference:
        Rao and Scott (1992); Student's quantile in place of the normal one: Korn and Graubard,
        Survey Methodology 24 (1998) 193-201.
    """
    failed = np.asarray(failures, dtype=np.float64)
    if failed.shape != np.shape(groups) or not bool(np.isin(failed, (0, 1)).all()):
        raise ValueError(
            f"expected failures as 0 and 1 with one group each; got shapes {failed.shape} and "
            f"{np.shape(groups)}, or other values: pass whether each sample failed"
        )
    count, total = np.zeros((2, len(slices)))
    for k, rows in enumerate(slices):
        count[k], total[k] = failed[rows].sum(), len(rows)
    factor = _inflation(failed, slices, groups, confidence)
    return proportion(count / factor, total / factor, confidence)


def inflation_of_rates(
    values: ArrayLike,
    slices: Sequence[Integers],
    groups: ArrayLike,
    confidence: float = 0.95,
) -> Floats:
    """Factor by which clustering inflates the variance of the mean of each slice.

    The design effect times the squared ratio of Student's to the normal quantile, which matters for
    few clusters. Counts divided by it can be used as if samples were independent.

    Args:
        values: (N,) finite numbers, such as failures as 0 and 1.
        slices: rows of the samples of each slice, M arrays.
        groups: (N,) cluster of each sample; any values that can be sorted.
        confidence: coverage of the intervals for which the factors are used, between 0 and 1.

    Returns:
        (M,) factors, at least 1; 1 if no two samples of the slice share a cluster.

    Raises:
        ValueError: the lengths differ, a value is not finite, or `confidence` is out of range.

    Reference:
        J. N. K. Rao and A. J. Scott, "A simple method for the analysis of clustered binary data",
        Biometrics 48 (1992) 577-585; E. L. Korn and B. I. Graubard, Survey Methodology 24 (1998)
        193-201, for the quantile.
    """
    number = np.asarray(values, dtype=np.float64)
    if number.shape != np.shape(groups) or not bool(np.isfinite(number).all()):
        raise ValueError(
            f"expected a finite value and a group for each sample; got shapes {number.shape} and "
            f"{np.shape(groups)}, or values that are not finite"
        )
    return _inflation(number, slices, groups, confidence)


def _inflation(
    values: Floats, slices: Sequence[Integers], groups: ArrayLike, confidence: float
) -> Floats:
    z = two_sided_z(confidence)
    cells = Cells.of(np.zeros(len(values), dtype=np.int64), groups)
    everything = Pairs.of(cells, _side(cells, values, np.arange(len(values))))
    expected = float(everything.expected.sum())
    same = float(np.clip(everything.product.sum() / expected, 0, 1)) if expected > 0 else 1.0
    # If failures are rare, only the clusters with failures carry information on the correlation.
    informative = effective_number(everything.squares) if expected > 0 else float(cells.n_clusters)
    quantile = float(student.isf((1 - confidence) / 2, max(informative - 1, 1.0)))
    factor = np.ones(len(slices))
    for k, rows in enumerate(slices):
        side = _side(cells, values, rows)
        if side.size.max(initial=0.0) <= 1:
            continue
        correlation = Pairs.of(cells, side).correlation(same)
        mean_size = float((side.size**2).sum()) / len(rows)
        factor[k] = (quantile / z) ** 2 * (1 + (mean_size - 1) * correlation)
    return factor


def _side(cells: Cells, values: Floats, rows: Integers) -> Side:
    parts = np.ones(len(rows)), values[rows], values[rows] ** 2
    return Side.of(cells, *(cells.by_cell(part, rows) for part in parts))
