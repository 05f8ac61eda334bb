"""Value contrasts: attribute values with an error-rate gap, and its direction in each label."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auditor.records import MISSING, AuditData
from auditor.records.predictions import codes
from auditor.statistics import (
    Floats,
    Integers,
    Interval,
    Intervals,
    proportion_gap,
    stratified_gap,
)


@dataclass(frozen=True)
class ValueContrast:
    """An attribute value against the other values, with the direction of the gap in each label.

    Attributes:
        attribute: name of the attribute.
        value: the value.
        other: the other value, if the attribute has two.
        direction: (K,) for each label 1 where samples with the value have the higher error rate, -1
            where they have the lower one, and 0 where there is no gap to reproduce.
    """

    attribute: str
    value: str
    other: str | None
    direction: Floats


@dataclass(frozen=True)
class _ValueGap:
    """The gap of an attribute value, overall and by label.

    Attributes:
        overall: gap to the other values, within labels.
        by_label: (K,) gaps; NaN for labels without samples on one side.
        support: (K,) samples with the value, by label.
    """

    overall: float
    by_label: Intervals
    support: Integers

    @property
    def size(self) -> Floats:
        """(K,) gaps by label, 0 where there is none to estimate."""
        return np.where(np.isfinite(self.by_label.value), self.by_label.value, 0.0)

    @property
    def weight(self) -> float:
        """How many failures the gaps account for, in either direction."""
        return float((np.abs(self.size) * self.support).sum())

    def direction(self, min_gap: float) -> Floats | None:
        """As in `ValueContrast`; None if there is no gap, neither overall nor in a label."""
        low, high = self.by_label.low, self.by_label.high
        clear = (np.abs(self.size) >= min_gap) & ((low > 0) | (high < 0))
        has_overall_gap = self.overall >= min_gap
        if not (has_overall_gap or clear.any()):
            return None
        # A label whose gap may be chance takes the direction of the value as a whole, or does not
        # count. If it took the sign of its own estimate, any change of the images would seem to fit.
        return np.where(clear, np.sign(self.size), 1.0 if has_overall_gap else 0.0)


def contrasts_with_gap(audit: AuditData, min_gap: float) -> tuple[list[ValueContrast], list[str]]:
    """Finds the attribute values with an error-rate gap, overall or within a label.

    Of an attribute with two values, only the value with the larger overall gap is returned: swapping
    content for the other value is the same intervention.

    Args:
        audit: the audited data.
        min_gap: smallest gap (a share, 0 to 1).

    Returns:
        The contrasts, those that account for most failures first, and the names of the attributes
        without any gap.
    """
    found: list[tuple[float, ValueContrast]] = []
    without_gap: list[str] = []
    for name in audit.attributes:
        values = [str(one) for one in audit.predictions[name].cat.categories if one != MISSING]
        candidates: list[tuple[float, float, ValueContrast]] = []
        for value in values:
            gap = _value_gap(audit, name, value)
            direction = gap.direction(min_gap)
            if direction is not None:
                other = next((one for one in values if one != value), None)
                contrast = ValueContrast(
                    name, value, other if len(values) == 2 else None, direction
                )
                candidates.append((gap.overall, gap.weight, contrast))
        candidates.sort(key=lambda one: -one[0])
        found += [one[1:] for one in (candidates[:1] if len(values) == 2 else candidates)]
        without_gap += [] if candidates else [name]
    return [contrast for _, contrast in sorted(found, key=lambda one: -one[0])], without_gap


def observed_gap(audit: AuditData, contrast: ValueContrast, label: Integers) -> Interval:
    """The gap between unchanged images, signed and weighted over labels as a paired effect is.

    Args:
        audit: the audited data.
        contrast: the attribute value.
        label: (n,) label indices of the images that an intervention changes.

    Reference:
        G. Y. Zou and A. Donner, "Construction of confidence limits about effect measures: a general
        approach", Statistics in Medicine 27 (2008) 1693-1702, eq. 5, for the sum over labels.
    """
    present, counts = np.unique(label, return_counts=True)
    sides = value_masks(audit.predictions, contrast.attribute, contrast.value)
    own, rest = (
        (failures[present], totals[present]) for failures, totals in _counts_by_label(audit, sides)
    )
    gap = proportion_gap(*own, *rest).gap
    weight = contrast.direction[present] * counts / len(label)
    value = float(weight @ gap.value)
    # A negative weight exchanges the limits.
    below = np.where(weight > 0, gap.value - gap.low, gap.high - gap.value)
    above = np.where(weight > 0, gap.high - gap.value, gap.value - gap.low)
    low, high = (float(np.sqrt(((weight * arm) ** 2).sum())) for arm in (below, above))
    return Interval(value, value - low, value + high)


def value_masks(
    predictions: pd.DataFrame, attribute: str, value: str
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which samples have an attribute value, and which have another one that is known."""
    has_value = (predictions[attribute] == value).to_numpy(dtype=bool)
    known = (predictions[attribute] != MISSING).to_numpy(dtype=bool)
    return has_value, known & ~has_value


def _counts_by_label(
    audit: AuditData, sides: tuple[NDArray[np.bool_], NDArray[np.bool_]]
) -> Iterator[tuple[Floats, Integers]]:
    """Failures (K,) and samples (K,) of each label, for each side of a contrast."""
    label = codes(audit.predictions["label"])
    failure = audit.predictions["failure"].to_numpy(dtype=np.float64)
    n_classes = len(audit.classes)
    for side in sides:
        yield (
            np.bincount(label[side], failure[side], n_classes).astype(np.float64),
            np.bincount(label[side], minlength=n_classes),
        )


def _value_gap(audit: AuditData, attribute: str, value: str) -> _ValueGap:
    own, rest = _counts_by_label(audit, value_masks(audit.predictions, attribute, value))
    gaps = stratified_gap(own[0][None], own[1][None], rest[0][None], rest[1][None])
    return _ValueGap(float(gaps.gap.value[0]), proportion_gap(*own, *rest).gap, own[1])
