"""How much clusters widen the interval of a metric."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from auditor.statistics.cluster_correlation import effective_number
from auditor.statistics.intervals import Floats, Integers, two_sided_z

Booleans = NDArray[np.bool_]

_PRIOR_CLUSTERS = 10.0
"""Weight, in clusters, of the pooled correlation against that of a slice."""
_LARGEST_LEVERAGE = 0.9


@dataclass(frozen=True, slots=True)
class Widening:
    """Variance of a metric relative to that of independent samples.

    Attributes:
        factor: the ratio of the variances.
        freedom: degrees of freedom of the variance; infinite for independent samples.
    """

    factor: float = 1.0
    freedom: float = np.inf

    def quantile(self, confidence: float) -> float:
        """Student's quantile of a two-sided interval."""
        normal = two_sided_z(confidence)
        if np.isinf(self.freedom):
            return normal
        return float(stdtrit(self.freedom, (1 + confidence) / 2))

    def inflation(self, confidence: float) -> float:
        """The factor times the squared ratio of Student's to the normal quantile."""
        return self.factor * (self.quantile(confidence) / two_sided_z(confidence)) ** 2


def shares_widening(success: Booleans, clusters: Integers, pooled: float) -> Widening:
    """The design effect of a share, with the correlation within clusters from pairs of samples.

    The correlation of these samples is shrunk towards the pooled one and not below it. If neither is
    known, each cluster counts as one sample.

    Args:
        success: (m,) whether a counted sample is a success; m > 0.
        clusters: (m,) their clusters.
        pooled: correlation among more samples, in [0, 1]; NaN if there are none.

    Returns:
        The design effect, at least 1, with the effective number of clusters less one as degrees of
        freedom; 1 if no two samples share a cluster.

    Reference:
        J. N. K. Rao and A. J. Scott, Biometrics 48 (1992) 577-585; degrees of freedom: A. V. Carter,
        K. T. Schnepel and D. G. Steigerwald, Review of Economics and Statistics 99 (2017) 698-709.
    """
    size = cluster_sizes(clusters)
    if size.max() <= 1:
        return Widening()
    own, n_clusters = pair_correlation(success, clusters)
    if np.isnan(pooled):
        correlation = 1.0 if np.isnan(own) else own
    elif np.isnan(own):
        correlation = pooled
    else:
        trust = (n_clusters - 1) / (n_clusters - 1 + _PRIOR_CLUSTERS)
        correlation = pooled + max(trust * (own - pooled), 0.0)
    mean_size = float((size**2).sum() / size.sum())
    return Widening(1 + (mean_size - 1) * correlation, max(effective_number(size) - 1, 1.0))


def sums_widening(influence: Floats, clusters: Integers) -> Widening:
    """The variance of a sum of influences with clusters, relative to that without.

    The degrees of freedom are the smaller of two estimates: Satterthwaite's from the squared sums,
    and the effective number of clusters less one for the correlation that the ratio implies.

    Args:
        influence: (m,) influences of the samples on which the metric rests.
        clusters: (m,) their clusters.

    Returns:
        The ratio; without variation, or from one cluster, each cluster counts as one sample.
    """
    size = cluster_sizes(clusters)
    if size.max(initial=0) <= 1:
        return Widening()
    mean_size = float((size**2).sum() / size.sum())
    alone = float((influence**2).sum())
    if alone <= 0 or len(size) == 1:
        return Widening(mean_size, max(len(size) - 1.0, 1.0))
    sums = jackknife_sums(influence, clusters)
    factor = float((sums**2).sum()) / alone
    correlation = float(np.clip((factor - 1) / (mean_size - 1), 0, 1))
    known = effective_number(size * (1 + (size - 1) * correlation)) - 1
    return Widening(factor, max(min(known, freedom_of(sums)), 1.0))


def jackknife_sums(influence: Floats, clusters: Integers) -> Floats:
    """Influences summed within clusters, so that their squares add up to the jackknife variance.

    The sum of a cluster with the share h of the samples is divided by 1 - h, which is exact for a
    mean, and multiplied by the square root of (G - 1) / G for G clusters.

    Args:
        influence: (m,) influences of the samples on which the metric rests.
        clusters: (m,) their clusters.

    Returns:
        (G,) sums of the clusters with samples.

    Reference:
        R. M. Bell and D. F. McCaffrey, Survey Methodology 28 (2002) 169-181, the jackknife estimator;
        its accuracy for uneven clusters: J. G. MacKinnon, M. Ø. Nielsen and M. D. Webb, Journal of
        Applied Econometrics 38 (2023) 671-694 (CV3).
    """
    size, sums = cluster_sizes(clusters), cluster_sums(influence, clusters)
    if len(size) == 1:
        return sums
    left = 1 - np.minimum(size / size.sum(), _LARGEST_LEVERAGE)
    return np.asarray(sums / left * np.sqrt((len(size) - 1) / len(size)), dtype=np.float64)


def cluster_sizes(clusters: Integers) -> Floats:
    """Number of samples of each cluster that has some."""
    size = np.bincount(clusters)
    return size[size > 0].astype(np.float64)


def cluster_sums(values: Floats, clusters: Integers) -> Floats:
    """Sum of the values of each cluster that has samples."""
    return np.bincount(clusters, values)[np.bincount(clusters) > 0].astype(np.float64)


def freedom_of(sums: Floats) -> float:
    """Satterthwaite's degrees of freedom of a sum of squares, between 1 and the number less one.

    Args:
        sums: independent terms with the expectation zero.

    Reference:
        F. E. Satterthwaite, Biometrics Bulletin 2 (1946) 110-114: twice the squared expectation over
        the variance, both estimated from the squares.
    """
    most = max(len(sums) - 1.0, 1.0)
    squares = sums**2
    whole = float(squares.sum()) ** 2
    spread = float((squares**2).sum()) - whole / max(len(sums), 1)
    return most if spread * most <= 2 * whole else max(2 * whole / spread, 1.0)


def pair_correlation(success: Booleans, clusters: Integers) -> tuple[float, float]:
    """Correlation of binary outcomes from the pairs of each cluster, weighted 1 / (n - 1).

    Args:
        success: (m,) outcomes, m > 0.
        clusters: (m,) their clusters.

    Returns:
        The correlation, in [0, 1], and the effective number of clusters with pairs. NaN if the
        outcomes do not vary, if no two samples share a cluster, or if there is only one cluster.

    Reference:
        S. Karlin, E. C. Cameron and P. T. Williams, PNAS 78 (1981) 2664-2668; leverage: R. M. Bell
        and D. F. McCaffrey, Survey Methodology 28 (2002) 169-181.
    """
    size = cluster_sizes(clusters)
    count = cluster_sums(success.astype(np.float64), clusters)
    total, rate = float(size.sum()), float(success.mean())
    paired = size > 1
    if len(size) < 2 or rate in {0.0, 1.0} or not paired.any():
        return float("nan"), 0.0
    size, count = size[paired], count[paired]
    residual = (count - size * rate) ** 2 / (1 - np.minimum(size / total, _LARGEST_LEVERAGE))
    squares = count * (1 - 2 * rate) + size * rate**2
    product = float(((residual - squares) / (size - 1)).sum())
    expected = rate * (1 - rate) * float(size.sum())
    return float(np.clip(product / expected, 0, 1)), effective_number(size)
