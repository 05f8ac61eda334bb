"""Rates by attribute value, and the distances between them that fairness rules are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from auditor.statistics.intervals import Floats, Intervals
from auditor.statistics.mid_p import proportion


@dataclass(frozen=True, slots=True)
class ClassRates:
    """One-against-all rates of each class for each attribute value; (A, K) intervals.

    Attributes:
        true_positive: share of the class's samples predicted as it (recall).
        false_positive: share of other classes' samples predicted as it.
        selection: share of all samples predicted as it.
    """

    true_positive: Intervals
    false_positive: Intervals
    selection: Intervals


@dataclass(frozen=True, slots=True)
class FairnessDistances:
    """Largest distances between attribute values, one number per class, (K,); NaN if undefined.

    Attributes:
        demographic_parity_difference: largest minus smallest selection rate, in [0, 1].
        demographic_parity_ratio: smallest over largest selection rate, in [0, 1]; under 0.8 breaks
            the four-fifths rule.
        equal_opportunity_difference: largest minus smallest true positive rate.
        equalized_odds_difference: the larger of the differences in true and false positive rate.
    """

    demographic_parity_difference: Floats
    demographic_parity_ratio: Floats
    equal_opportunity_difference: Floats
    equalized_odds_difference: Floats

    @property
    def meets_four_fifths(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """(K,) whether every value is selected at least 0.8 times as often as the most selected."""
        return np.asarray(self.demographic_parity_ratio >= 0.8, dtype=np.bool_)


def class_rates(counts: ArrayLike, confidence: float = 0.95) -> ClassRates:
    """Rates of each class against all others, by attribute value.

    Args:
        counts: (A, K, K) samples by attribute value, label and predicted class. Intersections of
            attributes are one value each.
        confidence: coverage of each interval.

    Returns:
        Three (A, K) intervals (Wilson); NaN where an attribute value has no such sample.

    Raises:
        ValueError: the last two axes differ, or a count is negative.
    """
    table = np.asarray(counts, dtype=np.float64)
    if table.ndim != 3 or table.shape[1] != table.shape[2]:
        raise ValueError(
            f"expected counts by attribute value, label and predicted class; got {table.shape}: "
            "use the same classes for labels and predictions"
        )
    hits = np.diagonal(table, axis1=1, axis2=2)
    of_class, chosen = table.sum(2), table.sum(1)
    everything = table.sum((1, 2))[:, None]
    return ClassRates(
        proportion(hits, of_class, confidence),
        proportion(chosen - hits, everything - of_class, confidence),
        proportion(chosen, everything, confidence),
    )


def fairness_distances(rates: ClassRates) -> FairnessDistances:
    """The usual fairness distances, for each class as the positive one.

    Args:
        rates: of `class_rates`. Attribute values whose rate is unknown are left out.

    Returns:
        (K,) distances.

    Reference:
        M. Hardt, E. Price and N. Srebro, "Equality of opportunity in supervised learning", NeurIPS
        2016, definitions 2.1 and 2.2; four-fifths rule: 29 CFR 1607.4 D. Definitions as in
        fairlearn.metrics (worst case over values).
    """
    selection = rates.selection.value
    most, least = _extreme(selection, largest=True), _extreme(selection, largest=False)
    true_positive = _range(rates.true_positive.value)
    return FairnessDistances(
        most - least,
        np.divide(least, most, out=np.full_like(most, np.nan), where=most > 0),
        true_positive,
        np.maximum(true_positive, _range(rates.false_positive.value)),
    )


def _extreme(values: Floats, *, largest: bool) -> Floats:
    """Column-wise maximum or minimum that skips NaN; NaN where there is nothing else."""
    known = np.isfinite(values)
    fill = -np.inf if largest else np.inf
    filled = np.where(known, values, fill)
    extreme = filled.max(0) if largest else filled.min(0)
    return np.asarray(np.where(known.any(0), extreme, np.nan), dtype=np.float64)


def _range(values: Floats) -> Floats:
    return _extreme(values, largest=True) - _extreme(values, largest=False)
