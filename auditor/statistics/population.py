"""Shares in a target population, from samples with weights that represent it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student

from auditor.statistics.cluster_cells import index_of
from auditor.statistics.cluster_correlation import effective_number
from auditor.statistics.clusters import cluster_design
from auditor.statistics.intervals import Floats, Integers, Interval, two_sided_z, wilson_of_share

_TOLERANCE = 1e-9
"""Largest deviation of a raked margin from its share."""
_MOST_ROUNDS = 2000
_PRIOR = 10.0
"""Weight, in clusters, of the variance for failures that are unrelated to the weights."""
_LARGEST_LEVERAGE = 0.9


@dataclass(frozen=True, slots=True)
class WeightedShare:
    """A share in the target population.

    Attributes:
        share: the share with its interval.
        effective_size: effective sample size of the weights, (Σ w)² / Σ w²; at most the number of
            samples with a positive weight.
        design_effect: variance of the share relative to that of as many independent samples without
            weights; NaN if all values are the same.
    """

    share: Interval
    effective_size: float
    design_effect: float


def raked_weights(codes: Integers, shares: Sequence[Floats]) -> Floats | None:
    """Weights with which the samples have the shares of the population in every attribute.

    One attribute gives post-stratification. Several are raked: the weights are fitted to each attribute
    in turn until all shares agree (iterative proportional fitting).

    Args:
        codes: (A, n) value of each sample in each of A attributes, from 0; -1 for a value that the
            population does not have. Such samples get the weight 0.
        shares: for each attribute, (V,) shares of its values; each sums to 1.

    Returns:
        (n,) weights that sum to 1; None if no weights have these shares, because a value has a
        positive share but no samples, or because the shares contradict the combinations of values
        that occur.

    Reference:
        W. E. Deming and F. F. Stephan, Annals of Mathematical Statistics 11 (1940) 427-444; J.-C.
        Deville, C.-E. Särndal and O. Sautory, JASA 88 (1993) 1013-1020.
    """
    part = np.all(codes >= 0, axis=0)
    for code, share in zip(codes, shares, strict=True):
        part[part] = share[code[part]] > 0
    rows = np.flatnonzero(part)
    if len(rows) == 0:
        return None
    cells, cell, counts = np.unique(codes[:, rows], axis=1, return_inverse=True, return_counts=True)
    total = counts / counts.sum()
    for _ in range(_MOST_ROUNDS):
        error = 0.0
        for code, share in zip(cells, shares, strict=True):
            margin = np.bincount(code, total, minlength=len(share))
            if ((margin <= 0) & (share > 0)).any():
                return None
            error = max(error, float(np.abs(margin - share).max()))
            total *= np.divide(share, margin, out=np.zeros(len(share)), where=margin > 0)[code]
        if error < _TOLERANCE:
            weights = np.zeros(codes.shape[1])
            weights[rows] = (total / counts)[cell.reshape(-1)]
            return np.asarray(weights / weights.sum(), dtype=np.float64)
    return None


def kish_size(weights: ArrayLike) -> float:
    """Effective sample size of weights, (Σ w)² / Σ w².

    Args:
        weights: (n,) at least 0, and positive for at least one sample.

    Reference:
        L. Kish, "Survey sampling" (1965), section 11.7.
    """
    return effective_number(np.asarray(weights, dtype=np.float64))


def weighted_share(
    values: ArrayLike,
    weights: ArrayLike,
    groups: ArrayLike | None = None,
    margins: Integers | None = None,
    confidence: float = 0.95,
) -> WeightedShare:
    """The weighted share of samples with a property, such as failures.

    The variance is that of the linearised estimator, Σ (Σ w e)² over the clusters, divided by (Σ w)².
    For weights from the data, e is the deviation from the share. For weights that were fitted to
    margins, it is the residual of the weighted regression on them, because the sampling error of the
    margins is removed. Each cluster is corrected for its leverage. With few informative clusters the
    variance is unstable, so it is averaged with the variance for failures that are unrelated to the
    weights, which has the weight of ten clusters. The interval is Wilson's with the effective sample
    size that follows, and with Student's quantile.

    Args:
        values: (n,) 0 or 1.
        weights: (n,) finite, at least 0, and positive for at least one sample.
        groups: (n,) cluster of each sample; None for independent samples.
        margins: (A, n) codes from 0 of the attributes to whose shares the weights were fitted.
        confidence: coverage, between 0 and 1.

    Returns:
        The share in [0, 1].

    Raises:
        ValueError: the lengths differ, a value is neither 0 nor 1, or a weight is not allowed.

    Reference:
        Linearisation: D. A. Binder, International Statistical Review 51 (1983) 279-292; residuals for
        fitted weights: J.-C. Deville and C.-E. Särndal, JASA 87 (1992) 376-382, section 3. Effective
        sample size: L. Kish, "Survey sampling" (1965), section 11.7; variance with clusters and weights
        that are unrelated to the values: S. Gabler, S. Häder and P. Lahiri, Survey Methodology 25 (1999)
        105-106. Interval: C. Franco, R. J. A. Little, T. A. Louis and E. V. Slud, Journal of Survey
        Statistics and Methodology 7 (2019) 334-364; E. L. Korn and B. I. Graubard, Survey Methodology 24
        (1998) 193-201.
    """
    value, weight = np.asarray(values, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    two_sided_z(confidence)
    _require_usable(value, weight, groups)
    part = np.flatnonzero(weight > 0)
    value, weight = (
        value[part],
        weight[part] / weight.max(),
    )  # their sum may exceed the largest number
    weight = weight / weight.sum()
    cluster = np.arange(len(part)) if groups is None else index_of(np.asarray(groups)[part])
    codes = np.zeros((1, len(part)), np.int64) if margins is None else margins[:, part]
    share = float(np.clip(weight @ value, 0, 1))
    size = kish_size(weight)
    residual, leverage = _residuals(value, weight, codes)
    expected = _expected(residual, weight, cluster)
    freedom = effective_number(expected) - 1
    if value.min() == value.max():
        interval = _wilson(round(share), 1 / float(expected.sum()), _quantile(confidence, freedom))
        return WeightedShare(interval, size, float("nan"))
    plain = share * (1 - share)
    of_cluster = np.minimum(np.bincount(cluster, leverage), _LARGEST_LEVERAGE)
    squares = np.bincount(cluster, weight * residual) ** 2 / (1 - of_cluster)
    informative = effective_number(squares)
    # The second term replaces what the regression takes away from the residuals.
    spread = float(weight @ residual**2) + float(weight @ leverage) * plain
    unrelated = _PRIOR * spread * float(expected.sum())
    variance = (informative * float(squares.sum()) + unrelated) / (informative + _PRIOR)
    quantile = _quantile(confidence, min(freedom, informative + _PRIOR - 1))
    interval = _wilson(share, plain / variance, quantile)
    return WeightedShare(interval, size, variance * len(part) / plain)


def _require_usable(value: Floats, weight: Floats, groups: ArrayLike | None) -> None:
    grouped = value.shape if groups is None else np.shape(groups)
    if not value.shape == weight.shape == grouped or not np.isin(value, (0, 1)).all():
        raise ValueError(
            f"expected 0 or 1, a weight and a group for each sample; got shapes {value.shape}, "
            f"{weight.shape} and {grouped}, or other values"
        )
    if not (np.isfinite(weight).all() and (weight >= 0).all() and (weight > 0).any()):
        raise ValueError(
            "expected finite weights of at least 0, not all 0; got others: correct the weights"
        )


def _expected(residual: Floats, weight: Floats, cluster: Integers) -> Floats:
    """(G,) variance of each cluster's weighted sum, if residuals of variance 1 are unrelated to weights."""
    alone: Floats = np.bincount(cluster, weight**2).astype(np.float64)
    together = np.bincount(cluster, weight) ** 2
    if len(alone) == len(weight):
        return alone
    found = cluster_design(residual, cluster).correlation
    correlation = 1.0 if np.isnan(found) else float(np.clip(found, 0, 1))
    return np.asarray((1 - correlation) * alone + correlation * together, dtype=np.float64)


def _residuals(value: Floats, weight: Floats, codes: Integers) -> tuple[Floats, Floats]:
    """Residuals of the weighted regression on the values of all attributes, and leverages, (n,)."""
    design = np.concatenate(
        [code[:, None] == np.unique(code)[None, :] for code in codes], axis=1
    ).astype(np.float64)
    weighted = design * weight[:, None]
    # The indicators of several attributes are linearly dependent.
    inverse = np.linalg.pinv(design.T @ weighted, hermitian=True)
    residual = value - design @ (inverse @ (weighted.T @ value))
    leverage = ((weighted @ inverse) * design).sum(axis=1)
    return residual, leverage


def _quantile(confidence: float, freedom: float) -> float:
    return float(student.isf((1 - confidence) / 2, max(freedom, 1.0)))


def _wilson(share: float, size: float, quantile: float) -> Interval:
    return wilson_of_share(np.array([share * size]), np.array([size]), quantile)[0]
