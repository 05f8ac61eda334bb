"""All pairs of values of one attribute: scores, gaps, effective counts, and the law of the largest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from auditor.statistics.closed_testing import worse_p_values
from auditor.statistics.gaps import stratified_gap
from auditor.statistics.intervals import Floats, Integers, Intervals, counts_and_totals
from auditor.statistics.ratios import EffectiveCounts, effective_counts

_CELLS = 2_000_000
"""Pairs × strata that are held at a time."""


@dataclass(frozen=True, slots=True)
class ValuePairs:
    """All ordered pairs of values.

    Attributes:
        failures: (V, S).
        totals: (V, S).
        known: (V, V) pairs that share a stratum.
        score: (V, V) normal score of the exact test that the first value is worse than the second;
            minus infinity where nothing is known.
    """

    failures: Floats
    totals: Floats
    known: NDArray[np.bool_]
    score: Floats

    @classmethod
    def of(cls, failures: ArrayLike, totals: ArrayLike) -> ValuePairs:
        """Tests all pairs.

        Args:
            failures: (V, S) failures by value and stratum.
            totals: (V, S) samples.

        Raises:
            ValueError: a count is outside of 0 … total, or there are not two axes.
        """
        count, total = counts_and_totals(failures, totals)
        if count.ndim != 2:
            raise ValueError(
                f"expected failures by value and stratum; got shape {count.shape}: "
                "add an axis of one stratum to compare without strata"
            )
        score = np.full((len(count), len(count)), -np.inf)
        for first, second in _parts(count):
            gaps = stratified_gap(count[first], total[first], count[second], total[second])
            found = norm.isf(worse_p_values(gaps))
            score[first, second] = np.where(np.isnan(found), -np.inf, found)
            score[second, first] = np.where(np.isnan(found), -np.inf, -found)
        shared = (total > 0).astype(np.float64)
        known = shared @ shared.T > 0
        np.fill_diagonal(known, val=False)
        return cls(count, total, known, score)

    def gaps(self, z: float) -> Intervals:
        """(V, V) gaps with Newcombe's limits at a normal quantile."""
        confidence = float(1 - 2 * norm.sf(z))
        shape = self.known.shape
        found = Intervals(np.full(shape, np.nan), np.full(shape, -1.0), np.full(shape, 1.0))
        for first, second in _parts(self.failures):
            gap = stratified_gap(
                self.failures[first],
                self.totals[first],
                self.failures[second],
                self.totals[second],
                confidence,
            ).gap
            found.value[first, second], found.value[second, first] = gap.value, -gap.value
            found.low[first, second], found.low[second, first] = gap.low, -gap.high
            found.high[first, second], found.high[second, first] = gap.high, -gap.low
        return found

    def effective(self) -> EffectiveCounts:
        """(V, V) effective counts of the first value, and of the second as the rest."""
        shape = self.known.shape
        found = EffectiveCounts(*(np.zeros(shape) for _ in range(4)))
        for first, second in _parts(self.failures):
            part = effective_counts(
                self.failures[first], self.totals[first], self.failures[second], self.totals[second]
            )
            found.count[first, second] = found.rest_count[second, first] = part.count
            found.total[first, second] = found.rest_total[second, first] = part.total
            found.rest_count[first, second] = found.count[second, first] = part.rest_count
            found.rest_total[first, second] = found.total[second, first] = part.rest_total
        return found

    def draws(self, asked: NDArray[np.bool_], n_draws: int, seed: int) -> Floats:
        """(B, V) largest standardised difference of each value to the asked ones, no value worse.

        Rates of values are independent, with variances in proportion to 1 / samples.
        """
        size = self.totals.sum(1)
        deviation = 1 / np.sqrt(np.maximum(size, 1))
        drawn = np.random.default_rng(seed).normal(size=(n_draws, len(size))) * deviation
        largest = np.full(drawn.shape, -np.inf)
        for other in np.flatnonzero(asked.any(0)):
            against = asked[:, other]
            scale = np.hypot(deviation[against], deviation[other])
            standard = (drawn[:, against] - drawn[:, [other]]) / scale
            largest[:, against] = np.maximum(largest[:, against], standard)
        return largest


def _parts(counts: Floats) -> list[tuple[Integers, Integers]]:
    """Pairs of positions, the first below the second, in parts that fit into memory."""
    first, second = np.triu_indices(len(counts), 1)
    n_parts = max(1, -(-len(first) * counts.shape[1] // _CELLS))
    return list(zip(np.array_split(first, n_parts), np.array_split(second, n_parts), strict=True))
