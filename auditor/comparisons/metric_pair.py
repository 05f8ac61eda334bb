"""A metric on two sets of samples, and their difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auditor.statistics import Integers, Interval
from auditor.statistics.metrics import Estimated, difference, difference_p_value, interval


@dataclass(frozen=True)
class MetricPair:
    """A metric on two sets of samples.

    Attributes:
        first: on the first set.
        second: on the second set, of the same n samples.
        clusters: (n,) cluster number of each sample; None for independent samples.
        pooled: correlation within clusters among all samples; NaN if it is not known.
    """

    first: Estimated
    second: Estimated
    clusters: Integers | None
    pooled: float

    @property
    def swapped(self) -> MetricPair:
        """The second set first."""
        return MetricPair(self.second, self.first, self.clusters, self.pooled)

    def values(self, confidence: float = 0.95) -> tuple[Interval, Interval]:
        """The metric on each set."""
        first, second = (
            interval(one, self.clusters, confidence, self.pooled)
            for one in (self.first, self.second)
        )
        return first, second

    def difference(self, confidence: float = 0.95) -> Interval:
        """First minus second."""
        return difference(self.first, self.second, self.clusters, confidence, self.pooled)

    def p_value(self) -> float:
        """One-sided p-value of "the metric is not higher on the first set"."""
        return difference_p_value(self.first, self.second, self.clusters, self.pooled)

    def n_clusters(self, which: Estimated) -> int:
        """Number of clusters from which the samples of one side come."""
        return (
            len(which.rows) if self.clusters is None else len(np.unique(self.clusters[which.rows]))
        )
