"""Gaps in recall and in false positives for clustered samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auditor.statistics import Floats, Gaps, Integers, Intervals, clustered_gap
from auditor.statistics.permutation import MAX_DRAWS


@dataclass(frozen=True)
class ClusteredRates:
    """Clustered samples, for comparing rates between the values of one attribute.

    Attributes:
        value: (n,) value of each sample, from 0.
        label: (n,) class indices.
        predicted: (n,) class indices.
        strata: (n,) combinations of the label and what else is held fixed.
        cluster: (n,) cluster of each sample.
        n_values: number of values.
        permuted: whether clusters are permuted; otherwise p-values use the normal approximation.
        seed: random seed.
    """

    value: Integers
    label: Integers
    predicted: Integers
    strata: Integers
    cluster: Integers
    n_values: int
    permuted: bool
    seed: int

    def recalls(self, classes: Integers, confidence: float) -> Gaps:
        """Gaps in the share of samples of a class that are missed, (V, C)."""
        return self._gaps(
            classes, self.label[:, None] == classes, self.predicted != self.label, confidence
        )

    def false_positives(self, classes: Integers, confidence: float) -> Gaps:
        """Gaps in the share of samples of other labels that are predicted as a class, (V, C)."""
        return self._gaps(classes, self.label[:, None] != classes, None, confidence)

    def _gaps(
        self, classes: Integers, among: Floats, bad: Floats | None, confidence: float
    ) -> Gaps:
        """Gaps of each value within strata, among the samples that belong to each class's comparison."""
        parts = []
        for place, one in enumerate(classes):
            rows = np.flatnonzero(among[:, place])
            outcome = self.predicted == one if bad is None else bad
            parts.append(
                clustered_gap(
                    outcome[rows].astype(np.float64),
                    [np.flatnonzero(self.value[rows] == k) for k in range(self.n_values)],
                    self.strata[rows],
                    self.cluster[rows],
                    confidence,
                    self.seed,
                    MAX_DRAWS if self.permuted else 0,
                )
            )

        def stacked(name: str) -> Floats:
            return np.stack([getattr(one, name) for one in parts], axis=1)

        limits = [np.stack([getattr(one.gap, part) for one in parts], axis=1) for part in _LIMITS]
        sizes = (stacked("n_slice"), stacked("n_rest"), stacked("base_rate"))
        return Gaps(Intervals(*limits), stacked("p_value"), *sizes)


_LIMITS = ("value", "low", "high")
