"""Rates and gaps of slices for samples that may be clustered, such as the images of a patient."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.comparisons.slice_counts import Counts
from auditor.phrasing.clusters import cluster_count
from auditor.records import AuditData, ClusterRecord, Clusters, Slice
from auditor.records.predictions import GROUP, codes
from auditor.statistics import (
    LEAST_CLUSTERS,
    ClusteredGaps,
    Floats,
    Gaps,
    Integers,
    Interval,
    Intervals,
    MeanGap,
    cluster_design,
    clustered_gap,
    clustered_mean_gap,
    clustered_wilson,
    inflation_of_rates,
    proportion,
    stratified_mean_gap,
)
from auditor.statistics.permutation import MAX_DRAWS

CompareCounts = Callable[..., Gaps]
"""Compares failures and totals of slices with those of the rest: `stratified_gap`, `proportion_gap`."""


def clusters_of(predictions: pd.DataFrame, name: str) -> Clusters | None:
    """The clusters of samples.

    Args:
        predictions: n samples; their clusters are in the column ``data.group``.
        name: name of the column in the data, for texts.

    Returns:
        The clusters; None if the samples are not clustered.
    """
    if GROUP not in predictions:
        return None
    number, _ = pd.factorize(predictions[GROUP])
    missing = number < 0
    cluster = number.astype(np.int64)
    # Each sample without a cluster counts as a cluster of one.
    cluster[missing] = number.max(initial=-1) + 1 + np.arange(missing.sum())
    return Clusters(name, cluster, int(missing.sum()))


def cluster_record(predictions: pd.DataFrame, clusters: Clusters) -> ClusterRecord:
    """The summary of the clusters that is reported.

    Args:
        predictions: n evaluated samples, at least one.
        clusters: of these samples.
    """
    failure = predictions["failure"].to_numpy(dtype=np.float64)
    design = cluster_design(failure, clusters.of_sample, codes(predictions["label"]))
    known = not np.isnan(design.correlation)
    return ClusterRecord(
        name=clusters.name,
        n_clusters=clusters.number,
        n_missing=clusters.n_missing,
        largest=int(np.bincount(clusters.of_sample).max()),
        correlation=design.correlation if known else None,
        design_effect=design.design_effect if known else None,
    )


def gaps_of(
    audit: AuditData,
    slices: Sequence[Integers],
    own: Counts,
    rest: Counts,
    compare: CompareCounts,
    confidence: float = 0.95,
    *,
    tested: bool = True,
) -> Gaps:
    """Gap in the error rate of each slice against the rest of the same labels.

    Args:
        audit: the audited data.
        slices: rows of the samples of each slice, M arrays.
        own: counts of the slices.
        rest: counts of the samples that they are compared with.
        compare: compares counts of independent samples.
        confidence: coverage of the intervals.
        tested: whether accurate p-values are needed; otherwise clustered ones use the normal
            approximation.
    """
    if audit.clusters is None:
        return compare(own.failures, own.totals, rest.failures, rest.totals, confidence)
    return clustered_gap(
        audit.predictions["failure"].to_numpy(dtype=np.float64),
        slices,
        codes(audit.predictions["label"]),
        audit.clusters.of_sample,
        confidence,
        audit.seed,
        MAX_DRAWS if tested else 0,
    )


def mean_gap_of(
    audit: AuditData,
    values: Floats,
    inside: NDArray[np.bool_],
    strata: Integers,
    rows: Integers | None = None,
    n_permutations: int = 0,
) -> MeanGap:
    """Difference of a number's mean between a slice and the rest of the same strata.

    Args:
        audit: the audited data.
        values: (m,) numbers.
        inside: (m,) whether a sample is in the slice.
        strata: (m,) stratum of each sample, such as its label.
        rows: (m,) positions of the samples; None for all, in order.
        n_permutations: maximum number of permutations; 0 uses the normal approximation.
    """
    if audit.clusters is None:
        return stratified_mean_gap(
            values, inside, strata, n_permutations=n_permutations, seed=audit.seed
        )
    cluster = audit.clusters.of_sample if rows is None else audit.clusters.of_sample[rows]
    return clustered_mean_gap(
        values, inside, strata, cluster, n_permutations=n_permutations, seed=audit.seed
    )


def rates_of(audit: AuditData, slices: Sequence[Slice]) -> Intervals:
    """Error rate of each slice with its interval, (M,)."""
    failure = audit.predictions["failure"].to_numpy(dtype=np.float64)
    return shares_of(audit, failure, [one.rows for one in slices])


def shares_of(audit: AuditData, values: NDArray[np.generic], rows: Sequence[Integers]) -> Intervals:
    """Share of the samples with some property in each slice, with its interval.

    Args:
        audit: the audited data.
        values: (n,) whether a sample has the property, 0 or 1.
        rows: positions of the samples of each slice, M arrays.
    """
    return shares(values, rows, None if audit.clusters is None else audit.clusters.of_sample)


def shares(
    values: NDArray[np.generic], rows: Sequence[Integers], clusters: Integers | None
) -> Intervals:
    """`shares_of` with the (n,) cluster numbers of the samples, or None for independent samples."""
    has = values.astype(np.float64)
    if clusters is None or not len(has):
        return proportion([has[one].sum() for one in rows], [len(one) for one in rows])
    return clustered_wilson(has, rows, clusters)


def inflation(audit: AuditData, values: NDArray[np.generic], rows: Sequence[Integers]) -> Floats:
    """(M,) factor by which clustering inflates the variance of a mean.

    Args:
        audit: the audited data.
        values: (n,) numbers, such as failures as 0 and 1.
        rows: positions of the samples of each slice, M arrays.
    """
    if audit.clusters is None:
        return np.ones(len(rows))
    return inflation_of_rates(values.astype(np.float64), rows, audit.clusters.of_sample)


def design_effects(gaps: Gaps) -> Floats:
    """Design effect of each gap, at least 1; 1 if it is unknown."""
    if not isinstance(gaps, ClusteredGaps):
        return np.ones(gaps.gap.value.shape)
    return np.fmax(gaps.design_effect, 1.0)


def effective(counts: Counts, factor: Floats) -> Counts:
    """Effective counts of clustered samples.

    Args:
        counts: (M, K).
        factor: (M,) design effects, at least 1.
    """
    return Counts(counts.failures / factor[:, None], counts.totals / factor[:, None])


def widened(interval: Interval, factor: float, low: float = -1.0, high: float = 1.0) -> Interval:
    """Widens an interval for a variance that is larger by a factor."""
    spread = float(np.sqrt(factor))
    return Interval(
        interval.value,
        max(low, interval.value - spread * (interval.value - interval.low)),
        min(high, interval.value + spread * (interval.high - interval.value)),
    )


def of_clusters(audit: AuditData) -> str:
    """Addition to a message on too few samples, if these are clustered."""
    if audit.clusters is None:
        return ""
    return f", from {cluster_count(LEAST_CLUSTERS, audit.clusters.name)} on each side"


def enough_clusters(audit: AuditData, rows: Integers) -> bool:
    """Whether samples come from enough clusters to estimate the uncertainty."""
    clusters = audit.clusters
    return clusters is None or len(np.unique(clusters.of_sample[rows])) >= LEAST_CLUSTERS


def too_few_clusters(audit: AuditData, one: Slice) -> str | None:
    """Why a slice has too few clusters to be compared with the rest; None if it has enough.

    Args:
        audit: the audited data.
        one: the slice; if it has a label, it is compared among the samples of this label.
    """
    if audit.clusters is None:
        return None
    label = codes(audit.predictions["label"])
    cluster = audit.clusters.of_sample
    inside = np.zeros(len(label), dtype=bool)
    inside[one.rows] = True
    both = np.intersect1d(label[inside], label[~inside])
    compared = np.isin(label, both)
    for side, what in (
        (inside, "the samples of the slice"),
        (~inside, "the other samples of the same labels"),
    ):
        n = len(np.unique(cluster[side & compared]))
        if n < LEAST_CLUSTERS:
            return (
                f"{what} come from {n} of the {cluster_count(LEAST_CLUSTERS, audit.clusters.name)} that "
                "are needed"
            )
    return None
