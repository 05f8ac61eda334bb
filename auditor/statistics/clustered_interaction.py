"""Interaction of two or three attribute values in the error rate, for clustered samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student

from auditor.statistics.cluster_cells import Cells, Side, index_of, ratio
from auditor.statistics.cluster_correlation import Pairs, effective_number
from auditor.statistics.cluster_sample import LEAST_CLUSTERS
from auditor.statistics.interaction import (
    Interactions,
    interaction_cells,
    interaction_signs,
    stratified_interaction,
)
from auditor.statistics.intervals import Floats, Integers, Intervals, two_sided_z


def clustered_interaction(
    failures: ArrayLike,
    values: Sequence[Sequence[Integers]],
    strata: ArrayLike,
    groups: ArrayLike,
    confidence: float = 0.95,
) -> Interactions:
    """Interaction of pairs or triples of values on the scale of rate differences, for clustered samples.

    The estimate is that of `stratified_interaction`. Its variance is the larger of two: that of
    independent samples times the design effect of the contrast, and that of the jackknife over
    clusters.

    Args:
        failures: (N,) whether a sample failed, 0 or 1.
        values: for the first, the second, and perhaps the third value of each of M pairs or triples:
            rows of the samples that have it, M arrays.
        strata: (N,) stratum of each sample, such as its label; any values that can be sorted.
        groups: (N,) cluster of each sample, such as the patient; any values that can be sorted.
        confidence: coverage of the intervals.

    Returns:
        (M,) excess with Student's interval, and the test; p-values are also NaN if one of the four
        or eight cells has fewer than five clusters. If no two samples share a cluster, the result is that of
        `stratified_interaction`.

    Raises:
        ValueError: the lengths differ, a failure is neither 0 nor 1, or `confidence` is out of
            range.

    Reference:
        Jackknife (CR3): J. G. MacKinnon, M. Ø. Nielsen and M. D. Webb, Journal of Applied
        Econometrics 38 (2023) 671-694, equation 6; design effect: Rao and Scott (1992).
    """
    two_sided_z(confidence)
    failed, stratum = np.asarray(failures, dtype=np.float64), index_of(strata)
    if failed.shape != stratum.shape or not bool(np.isin(failed, (0, 1)).all()):
        raise ValueError(
            f"expected failures as 0 and 1 with a stratum each; got shapes {failed.shape} and "
            f"{stratum.shape}, or other values: pass whether each sample failed"
        )
    cells = Cells.of(stratum, groups)
    pairs = [_Crossed.of(cells, failed, rows) for rows in zip(*values, strict=True)]
    if cells.n_clusters == len(failed):
        counts = np.zeros((2, 2 ** len(values), len(pairs), cells.n_strata))
        for k, pair in enumerate(pairs):
            counts[:, :, k] = pair.by_stratum
        return stratified_interaction(counts[0], counts[1], confidence)
    everything = (cells.by_cell(part) for part in (np.ones(len(failed)), failed, failed))
    correlation, freedom = _alike(cells, Side.of(cells, *everything))
    found = [pair.interaction(correlation, freedom, confidence) for pair in pairs]
    value, low, high, p_value = np.array(found, dtype=np.float64).reshape(len(found), 4).T
    return Interactions(Intervals(value, low, high), p_value)


def _alike(cells: Cells, everything: Side) -> tuple[float, float]:
    """Correlation inside clusters and its degrees of freedom."""
    pairs = Pairs.of(cells, everything)
    expected = float(pairs.expected.sum())
    if expected <= 0:
        return 1.0, max(cells.n_clusters - 1.0, 1.0)
    correlation = float(np.clip(pairs.product.sum() / expected, 0, 1))
    return correlation, max(effective_number(pairs.expected) - 1, 1.0)


class _Crossed:
    """Failures and samples of the sides of an intersection, by cell and by stratum.

    A side is a combination of having each value or not; there are K = 4 for a pair and 8 for a triple.
    """

    def __init__(self, cells: Cells, by_cell: Floats) -> None:
        self._cells = cells
        self._by_cell = by_cell  # (2, K, C)
        self._signs = interaction_signs(by_cell.shape[1].bit_length() - 1)
        self.by_stratum: Floats = np.stack(
            [[cells.by_stratum(side) for side in part] for part in by_cell]
        )  # (2, K, S)

    @classmethod
    def of(cls, cells: Cells, failed: Floats, values: Sequence[Integers]) -> _Crossed:
        bits = np.zeros(len(failed), dtype=np.int64)
        for rows in values:
            bits *= 2
            bits[rows] += 1
        sides = interaction_cells(len(values))
        place = np.zeros(len(sides), dtype=np.int64)
        for k, side in enumerate(sides):
            place[sum(has << (len(values) - 1 - j) for j, has in enumerate(side))] = k
        code, size = place[bits] * len(cells) + cells.cell, len(sides) * len(cells)
        sums = [np.bincount(code, failed, size), np.bincount(code, minlength=size)]
        return cls(cells, np.stack(sums).reshape(2, len(sides), len(cells)).astype(np.float64))

    def interaction(
        self, correlation: float, freedom: float, confidence: float
    ) -> tuple[float, float, float, float]:
        """Excess, limits and p-value."""
        weight, contrast = self._contrast(self.by_stratum)
        widest = len(self._signs) / 2
        if not weight.sum() > 0:
            return np.nan, -widest, widest, np.nan
        value = float((weight * contrast).sum() / weight.sum())
        variance = max(self._model(weight, correlation), self._jackknife(weight, contrast))
        kept = (weight > 0)[self._cells.stratum]
        clusters = [self._cells.by_cluster(side * kept) for side in self._by_cell[1]]
        spread = np.sqrt(variance)
        if min(int((side > 0).sum()) for side in clusters) < LEAST_CLUSTERS or not spread > 0:
            return value, -widest, widest, np.nan
        half = float(student.isf((1 - confidence) / 2, freedom)) * spread
        return value, value - half, value + half, float(student.sf(value / spread, freedom))

    def _model(self, weight: Floats, correlation: float) -> float:
        """Smoothed variance of independent samples times the design effect of the contrast."""
        count, total = self.by_stratum
        share = weight / weight.sum()
        smooth = (count + 0.5) / (total + 1)
        each = smooth * (1 - smooth)
        scale = ratio(np.broadcast_to(share, total.shape), total)
        alone = float((scale**2 * each * total).sum())
        parts = (self._signs[:, None] * scale * np.sqrt(each))[:, self._cells.stratum]
        whole = self._cells.by_cluster((parts * self._by_cell[1]).sum(0))
        return (1 - correlation) * alone + correlation * float((whole**2).sum())

    def _jackknife(self, weight: Floats, contrast: Floats) -> float:
        """Jackknife variance over clusters."""
        cells = self._cells
        left, left_contrast = self._contrast(self.by_stratum[:, :, cells.stratum] - self._by_cell)
        held, held_contrast = weight[cells.stratum], contrast[cells.stratum]
        above = (weight * contrast).sum() + cells.by_cluster(
            left * left_contrast - held * held_contrast
        )
        below = weight.sum() + cells.by_cluster(left - held)
        value = (weight * contrast).sum() / weight.sum()
        without = np.where(below > 1e-9 * weight.sum(), ratio(above, below), value)
        return float(((without - value) ** 2).sum() * (1 - 1 / cells.n_clusters))

    def _contrast(self, sums: Floats) -> tuple[Floats, Floats]:
        """Weights and contrasts of rates from (2, K, …) failures and samples."""
        count, total = sums
        filled = (total > 0).all(0)
        safe = np.where(filled, total, 1.0)
        weight = np.where(filled, 1 / (1 / safe).sum(0), 0.0)
        return weight, np.tensordot(self._signs, np.where(filled, count, 0.0) / safe, 1)
