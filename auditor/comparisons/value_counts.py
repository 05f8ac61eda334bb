"""Counts of the values of one attribute by label, and the spread of their error rates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from auditor.comparisons.clusters import effective, enough_clusters, inflation, rates_of
from auditor.comparisons.slice_counts import Counts, SliceCounter
from auditor.records import AuditData, ComparedValue, Estimate, Slice, ValueSpread
from auditor.statistics import (
    Floats,
    Integers,
    Intervals,
    ValueComparisons,
    largest_difference,
    smallest_ratio,
)

DRAWS = 10_000
"""Number of simulations of the largest difference; Bonferroni's bound applies to smaller p-values."""


@dataclass(frozen=True)
class ValueCounts:
    """Failures and samples of those values of an attribute that are large enough to be compared.

    Attributes:
        attribute: its name.
        values: their names.
        slices: their samples.
        own: (V, K) counts by label.
        rest: (V, K) counts of all other samples.
        worth: (V, K) effective counts by label; equal to `own` for independent samples.
        intervals: (V,) error rates with intervals.
    """

    attribute: str
    values: tuple[str, ...]
    slices: tuple[Slice, ...]
    own: Counts
    rest: Counts
    worth: Counts
    intervals: Intervals

    @property
    def support(self) -> Integers:
        """(V,) number of samples."""
        return np.array([one.support for one in self.slices], dtype=np.int64)

    @property
    def rates(self) -> Floats:
        """(V,) error rates."""
        return np.asarray(self.own.failures.sum(1) / np.maximum(self.own.totals.sum(1), 1))

    def spread(self, against: str, compared: ValueComparisons, seed: int) -> ValueSpread | None:
        """The spread of the error rates; None if no two values share a label.

        Args:
            against: ``best`` or ``reference``.
            compared: the comparisons of the values.
            seed: random seed.
        """
        cells = self.worth.failures, self.worth.totals
        size = largest_difference(*cells, n_draws=DRAWS, seed=seed)
        if size.pair is None:
            return None
        by_failures = smallest_ratio(*cells, n_draws=DRAWS, seed=seed).size
        correct = self.worth.totals - self.worth.failures
        by_accuracy = smallest_ratio(correct, self.worth.totals, n_draws=DRAWS, seed=seed).size
        return ValueSpread(
            attribute=self.attribute,
            compared_with="reference" if against == "reference" else "best",
            values=tuple(
                ComparedValue(
                    value=value,
                    support=self.slices[k].support,
                    error_rate=Estimate.of(self.intervals[k]),
                    gap=Estimate.of(compared.gap[k]) if compared.comparator[k] >= 0 else None,
                    compared_with=(
                        self.values[compared.comparator[k]] if compared.comparator[k] >= 0 else None
                    ),
                )
                for k, value in enumerate(self.values)
            ),
            largest_difference=Estimate.of(size.size),
            smallest_ratio=Estimate.of(by_failures) if np.isfinite(by_failures.value) else None,
            smallest_accuracy_ratio=(
                Estimate.of(by_accuracy) if np.isfinite(by_accuracy.value) else None
            ),
            furthest_apart=(self.values[size.pair[0]], self.values[size.pair[1]]),
        )


def values_of_attributes(audit: AuditData, counter: SliceCounter) -> Iterator[ValueCounts]:
    """The values of each annotated attribute that have enough samples."""
    for name in audit.attributes:
        slices = tuple(
            one
            for one in audit.slices
            if set(one.key.attributes) == {name} and one.key.label is None
            if one.support >= audit.min_support and not one.tail
            if enough_clusters(audit, one.rows)
        )
        own = counter.of(slices)
        values = tuple(one.key.attributes[name] for one in slices)
        failure = audit.predictions["failure"].to_numpy(dtype=bool)
        worth = effective(own, inflation(audit, failure, [one.rows for one in slices]))
        rest, rates = counter.overall - own, rates_of(audit, slices)
        yield ValueCounts(name, values, slices, own, rest, worth, rates)
