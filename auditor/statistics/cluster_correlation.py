"""Correlation inside clusters, and its effect on the uncertainty of a gap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auditor.statistics.cluster_cells import Cells, Comparison, Side, ratio
from auditor.statistics.cluster_columns import Columns
from auditor.statistics.intervals import Floats

_PRIOR_CLUSTERS = 10.0
"""Weight, in clusters, of the pooled correlation when the correlation of one side is shrunk to it."""
_LARGEST_LEVERAGE = 0.9


@dataclass(frozen=True, slots=True)
class Correlations:
    """Correlation between two samples of one cluster, within strata.

    Attributes:
        same: between two samples on the same side, pooled over both sides, in [0, 1].
        own: between two samples of the slice; at least `same`.
        rest: between two samples of the rest; at least `same`.
        across: between a sample of the slice and one of the rest, in [-1, 1].
        freedom: effective number of clusters behind `same`, minus one; at least 1.
    """

    same: float
    own: float
    rest: float
    across: float
    freedom: float


def correlations(comparison: Comparison) -> Correlations:
    """Moment estimates from all pairs of samples of a cluster.

    Clusters are weighted by their number of samples, not of pairs, so that a very large cluster does
    not dominate. The correlation of each side is shrunk towards the pooled one, which has the weight
    of ten clusters, and is never smaller than it. If the values do not vary, the correlation is
    unknown, and is taken to be 1: each cluster counts as one sample.

    Args:
        comparison: slice and rest.

    Returns:
        The correlations.

    Reference:
        Pairwise estimator: S. Karlin, E. C. Cameron and P. T. Williams, PNAS 78 (1981) 2664-2668,
        with the weights 1 / (n - 1); binary data: M. S. Ridout, C. G. B. Demétrio and D. Firth,
        Biometrics 55 (1999) 137-148. The leverage of a cluster corrects its squared residual, as in
        R. M. Bell and D. F. McCaffrey, Survey Methodology 28 (2002) 169-181.
    """
    cells = comparison.cells
    own, rest = Pairs.of(cells, comparison.own), Pairs.of(cells, comparison.rest)
    size = cells.by_cluster(comparison.both.size)
    evidence = own.expected + rest.expected
    if evidence.sum() <= 0:
        return Correlations(1.0, 1.0, 1.0, 0.0, max(float((size > 0).sum()) - 1, 1.0))
    same = _estimate(own.product.sum() + rest.product.sum(), evidence.sum())
    each = np.where(size > 1, 1 / np.maximum(size - 1, 1), 0.0)
    across = _ratio_of_sums(
        each * own.residual * rest.residual, each * own.deviation * rest.deviation
    )
    one, other = own.correlation(same), rest.correlation(same)
    low, high = -float(np.sqrt(one * other)), min(one, other)
    freedom = max(effective_number(evidence) - 1, 1.0)
    return Correlations(same, one, other, float(np.clip(across, low, high)), freedom)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Products of residuals over the pairs of each cluster, weighted 1 / (n - 1), (G,) each.

    Attributes:
        product: sums of products of two residuals.
        expected: the value of `product` if the correlation were 1.
        residual: sums of residuals.
        deviation: sums of standard deviations.
        squares: sums of squared residuals in clusters with two or more samples.
    """

    product: Floats
    expected: Floats
    residual: Floats
    deviation: Floats
    squares: Floats

    @classmethod
    def of(cls, cells: Cells, side: Side) -> Pairs:
        """Sums the pairs of one side of a comparison."""
        stratum, size = cells.stratum, cells.by_cluster(side.size)
        residual = cells.by_cluster(side.residual(cells))
        mean, deviation = side.mean[stratum], np.sqrt(side.variance)[stratum]
        squares = cells.by_cluster(side.squares - 2 * mean * side.total + side.size * mean**2)
        leverage = ratio(cells.by_cluster(ratio(side.size**2, side.support[stratum])), size)
        leverage = np.minimum(leverage, _LARGEST_LEVERAGE)
        total = cells.by_cluster(deviation * side.size)
        own_pairs = cells.by_cluster(deviation**2 * side.size)
        weight = np.where(size > 1, 1 / np.maximum(size - 1, 1), 0.0)
        return cls(
            weight * (residual**2 / (1 - leverage) - squares),
            weight * np.maximum(total**2 - own_pairs, 0),
            residual,
            total,
            np.where(size > 1, squares, 0.0),
        )

    def correlation(self, same: float) -> float:
        """The correlation of this side, shrunk towards `same` and not below it."""
        expected = float(self.expected.sum())
        if expected <= 0:
            return same
        known = effective_number(self.expected) - 1
        alone = _estimate(float(self.product.sum()), expected)
        return same + max(known / (known + _PRIOR_CLUSTERS) * (alone - same), 0.0)


def null_variances(cells: Cells, values: Columns) -> Floats:
    """Null variances of the cluster sums of several variables, with one correlation for all.

    Args:
        cells: clusters and strata of the samples.
        values: (N, P) values of P variables.

    Returns:
        (G, P) variances of Σ (value - mean of the stratum) over each cluster.
    """
    size = cells.by_cell(np.ones(values.shape[0]))
    product = expected = 0.0
    of_strata = []
    for k in range(values.shape[1]):  # one after another: with their pairs, all take much memory
        column = values.column(k)
        side = Side.of(cells, size, cells.by_cell(column), cells.by_cell(column**2))
        pairs = Pairs.of(cells, side)
        product += float(pairs.product.sum())
        expected += float(pairs.expected.sum())
        of_strata.append(side.variance)
    same = _estimate(product, expected)
    starts = np.flatnonzero(np.diff(cells.cluster, prepend=-1))
    found = np.empty((len(starts), len(of_strata)))
    for k, one in enumerate(of_strata):
        variance = one[cells.stratum]
        whole = np.add.reduceat(np.sqrt(variance) * size, starts) ** 2
        found[:, k] = (1 - same) * np.add.reduceat(variance * size, starts) + same * whole
    return found


def _estimate(product: float, expected: float) -> float:
    return float(np.clip(product / expected, 0, 1)) if expected > 0 else 0.0


def _ratio_of_sums(above: Floats, below: Floats) -> float:
    return float(above.sum() / below.sum()) if below.sum() > 0 else 0.0


def effective_number(parts: Floats) -> float:
    """Effective number of clusters, (Σ a)² / Σ a²; zero if there are none.

    Args:
        parts: contribution of each cluster, not negative.

    Returns:
        Between 0 and the number of parts.

    Reference:
        A. V. Carter, K. T. Schnepel and D. G. Steigerwald, Review of Economics and Statistics 99
        (2017) 698-709, equation 8.
    """
    return float(effective_number_of(parts.sum(), (parts**2).sum()))


def effective_number_of(total: Floats, squares: Floats) -> Floats:
    """`effective_number` of parts with these sums and sums of squares, of any shape."""
    return ratio(np.asarray(total) ** 2, np.asarray(squares))


@dataclass(frozen=True, slots=True)
class Inflation:
    """Design effects of the two sides of a gap and of the gap.

    Attributes:
        own: variance of the mean of the slice, relative to that of independent samples.
        rest: the same for the rest.
        correlation: between the two means.
        together: variance of the gap, relative to that of independent samples.
        freedom: degrees of freedom of these variances.
    """

    own: float
    rest: float
    correlation: float
    together: float
    freedom: float


def inflation(comparison: Comparison, known: Correlations) -> Inflation:
    """Computes the design effects of both sides and of their difference.

    Args:
        comparison: slice and rest.
        known: result of `correlations`.

    Returns:
        The design effects; 1 if every cluster has one sample.

    Reference:
        J. N. K. Rao and A. J. Scott, "A simple method for the analysis of clustered binary data",
        Biometrics 48 (1992) 577-585: sample sizes are divided by the design effect of each side.
    """
    one, own_parts = _parts(comparison, comparison.own)
    other, rest_parts = _parts(comparison, comparison.rest)
    own = max(one + known.own * (float((own_parts**2).sum()) - one), 0.0)
    rest = max(other + known.rest * (float((rest_parts**2).sum()) - other), 0.0)
    across = known.across * float((own_parts * rest_parts).sum())
    scale = float(np.sqrt(own * rest))
    return Inflation(
        own / one if one > 0 else 1.0,
        rest / other if other > 0 else 1.0,
        float(np.clip(across / scale, -1, 1)) if scale > 0 else 0.0,
        max(own + rest - 2 * across, 1e-6 * (own + rest)) / (one + other)
        if one + other > 0
        else 1.0,
        known.freedom,
    )


def _parts(comparison: Comparison, side: Side) -> tuple[float, Floats]:
    """Variance of the mean of a side for independent samples, and the (G,) weights of its clusters."""
    # If no value varies, any deviation will do: only ratios of variances are used.
    deviation = np.sqrt(comparison.variance) if comparison.variance.any() else np.ones(1)
    scaled = ratio(comparison.weight * deviation, side.support)
    cells = comparison.cells
    parts = cells.by_cluster(scaled[cells.stratum] * side.size)
    return float((scaled**2 * side.support).sum()), parts
