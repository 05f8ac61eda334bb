"""The class in which an attribute value has the clearest disadvantage: in recall or false positives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from auditor.comparisons.clustered_rates import ClusteredRates
from auditor.phrasing import percents
from auditor.statistics import (
    Floats,
    Gaps,
    Integers,
    Interval,
    proportion_gap,
    stratified_gap,
    worse_p_values,
)

_CLASSES = 40
"""Number of classes whose false positives are compared: those most often predicted wrongly."""

RateName = Literal["recall", "false-positive rate"]


@dataclass(frozen=True)
class WorstRate:
    """The clearest disadvantage of an attribute value.

    Attributes:
        rate_name: the rate.
        target: index of the class.
        gap: how much worse the rate is than for the other values; all intervals hold jointly.
        rate: rate of the value.
        rest: rate of the other values, for false positives with the label proportions of the value.
        p_value: one-sided, of "no rate of this value is worse", adjusted for all its rates.
    """

    rate_name: RateName
    target: int
    gap: Interval
    rate: float
    rest: float
    p_value: float

    def in_words(self, target: str, own: str) -> str:
        """Both rates as a clause."""
        rate, rest = percents(self.rate, self.rest)
        if self.rate_name == "recall":
            return f"recall of {target} is {rate} {own} and {rest} otherwise"
        return f"{rate} of samples of other labels are predicted as {target} {own}, and {rest} otherwise"


def worst_rates(
    counts: Floats, needed: int, clustered: ClusteredRates | None = None
) -> dict[int, WorstRate]:
    """The clearest disadvantage of each value, by the value's index.

    Args:
        counts: (V, S, K, K) samples by value, stratum that is held fixed, label and prediction.
        needed: smallest number of samples on each side of a comparison.
        clustered: the samples, if they are clustered.

    Returns:
        Disadvantage by value; values without enough samples of any class are left out.
    """
    families = [one for one in (_recalls(counts), _false_positives(counts)) if one is not None]
    compared = [family.compared(needed, len(families), clustered) for family in families]
    found: dict[int, WorstRate] = {}
    for value in range(len(counts)):
        cells = [cell for part in compared for cell in part.get(value, ())]
        if cells:
            clearest = min(cells, key=lambda cell: cell.p_value)
            found[value] = WorstRate(
                clearest.rate_name,
                clearest.target,
                clearest.gap,
                clearest.rate,
                clearest.rest,
                min(1.0, clearest.p_value * len(cells)),
            )
    return found


@dataclass(frozen=True)
class _Family:
    """One kind of rate for every value and several classes; what is held fixed on the last axis.

    Attributes:
        name: the rate.
        classes: (C,) indices.
        bad: (V, C, L) misses, or false positives.
        totals: (V, C, L) samples.
    """

    name: RateName
    classes: Integers
    bad: Floats
    totals: Floats

    def gaps(self, confidence: float, clustered: ClusteredRates | None) -> Gaps:
        if clustered is not None:
            rates = clustered.recalls if self.name == "recall" else clustered.false_positives
            return rates(self.classes, confidence)
        rest, rest_totals = self.bad.sum(0) - self.bad, self.totals.sum(0) - self.totals
        if self.bad.shape[-1] > 1:
            return stratified_gap(self.bad, self.totals, rest, rest_totals, confidence)
        return proportion_gap(
            self.bad[..., 0], self.totals[..., 0], rest[..., 0], rest_totals[..., 0], confidence
        )

    def compared(
        self, needed: int, n_families: int, clustered: ClusteredRates | None
    ) -> dict[int, list[WorstRate]]:
        """Comparisons of each value in classes with enough samples; p-values are not adjusted."""
        own = self.totals.sum(-1)
        rest = own.sum(0) - own
        n_gaps = max(1, int(((own > 0) & (rest > 0)).sum()))
        gaps = self.gaps(1 - 0.05 / n_families / n_gaps, clustered)
        p_values = worse_p_values(gaps)
        enough = (np.minimum(own, rest) >= needed) & np.isfinite(p_values)
        found: dict[int, list[WorstRate]] = {}
        for value, place in np.argwhere(enough).tolist():
            gap, other = gaps.gap[value, place], float(gaps.base_rate[value, place])
            rate = other + gap.value
            if (
                self.name == "recall"
            ):  # misses were counted, so that a positive gap is worse for both rates
                rate, other = 1 - rate, 1 - other
            target = int(self.classes[place])
            found.setdefault(value, []).append(
                WorstRate(self.name, target, gap, rate, other, float(p_values[value, place]))
            )
        return found


def _recalls(counts: Floats) -> _Family:
    of_class = counts.sum(3)
    misses = of_class - np.diagonal(counts, axis1=2, axis2=3)
    classes = np.arange(counts.shape[2])
    return _Family("recall", classes, np.moveaxis(misses, 1, 2), np.moveaxis(of_class, 1, 2))


def _false_positives(counts: Floats) -> _Family | None:
    """False positives within other labels; None with two classes, where they are misses of the other."""
    n_values, n_strata, n_classes, _ = counts.shape
    if n_classes < 3:
        return None
    wrong = counts.sum((0, 1, 2)) - np.diagonal(counts.sum((0, 1)))
    classes = np.sort(np.argsort(-wrong, kind="stable")[:_CLASSES])
    other = np.arange(n_classes) != classes[:, None]
    called = np.moveaxis(counts, 3, 1)[:, classes]
    totals = np.broadcast_to(counts.sum(3)[:, None], called.shape)
    # Strata and other labels are both held fixed.
    shape = (n_values, len(classes), n_strata * n_classes)
    bad, among = called * other[:, None], totals * other[:, None]
    return _Family("false-positive rate", classes, bad.reshape(shape), among.reshape(shape))
