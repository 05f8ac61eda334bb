"""Prediction dependence: is the prediction independent of an attribute, given the label?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from auditor.checks import Check
from auditor.phrasing import interval, percent, points
from auditor.records import (
    AuditData,
    Claim,
    Effect,
    EvidencePart,
    Examination,
    Quantities,
    Quantity,
    Skipped,
    SliceKey,
    Table,
    Unit,
)
from auditor.records.predictions import codes
from auditor.registry import plugin
from auditor.statistics import (
    ClassRates,
    FairnessDistances,
    Floats,
    Gaps,
    Interval,
    class_rates,
    conditional_dependence,
    fairness_distances,
    simultaneous_gaps,
)

NAME = "prediction-dependence"
_AT_ONCE = 20_000_000
"""Cells of random tables that are held at a time: 160 MB."""
_IN_ALL = 300_000_000
"""Cells of random tables that are drawn for one attribute: some seconds."""
_LISTED = 400
"""Largest number of rates (values × classes) in the evidence."""


@plugin("check", NAME)
class PredictionDependence(Check):
    """Is the prediction independent of an attribute, given the label?

    Tests the conditional mutual information of prediction and attribute given the label by permutation
    within labels. It detects any dependence, even one that leaves the error rate unchanged and only
    changes which class the failures are predicted as. The effect is the largest drop of a class's
    recall, or rise of its false-positive rate, between an attribute value and all others, with
    simultaneous intervals. Demographic parity, equal opportunity, equalized odds and the four-fifths
    ratio are part of the evidence, also for intersections of two attributes.
    """

    max_gap: float = Field(0.05, ge=0, le=1)
    """Largest acceptable gap in recall or in false-positive rate (a share, 0 to 1)."""
    permutations: int = Field(1999, ge=199)
    """Permutations of the test; fewer where there are very many classes."""

    def examine(self, audit: AuditData) -> Examination:
        """Tests every attribute."""
        frame = audit.predictions
        label, predicted = codes(frame["label"]), codes(frame["predicted"])
        claims, skipped = [], []
        for name in audit.attributes:
            values = [str(value) for value in frame[name].cat.categories]
            counts = _counts(codes(frame[name]), len(values), label, predicted, len(audit.classes))
            found = self._dependence(counts, audit.seed)
            worst = _worst(counts, audit.min_support)
            if found is None or worst is None:
                reason = (
                    "within every label there is one value, or one prediction"
                    if found is None
                    else f"no value has {audit.min_support} samples of a class and as many among the "
                    "other values"
                )
                skipped.append(Skipped(check=NAME, reason=f"{name}: {reason}"))
                continue
            claims.append(self._claim(audit, name, values, counts, found, worst))
        return Examination(tuple(claims), tuple(skipped))

    def _dependence(self, counts: Floats, seed: int) -> tuple[float, float] | None:
        """Excess information in nats and its p-value; None where there is nothing to permute."""
        tables = np.moveaxis(counts, 1, 0)  # label first
        tables = tables[tables.sum((1, 2)) > 0]
        tables = tables[:, :, tables.sum((0, 1)) > 0]
        if tables.size == 0:
            return None
        most = min(_AT_ONCE // max(1, tables[0].size), _IN_ALL // tables.size)
        found = conditional_dependence(
            tables, n_permutations=int(np.clip(most, 199, self.permutations)), seed=seed
        )
        return None if np.isnan(found.p_value) else (found.excess, found.p_value)

    def _claim(
        self,
        audit: AuditData,
        name: str,
        values: list[str],
        counts: Floats,
        found: tuple[float, float],
        worst: _Worst,
    ) -> Claim:
        excess, p_value = found
        target, value = audit.classes[worst.target], values[worst.value]
        rates = class_rates(counts)
        what = worst.in_words(target, f"with {name} = {value}")
        return Claim(
            check=NAME,
            kind=self.kind,
            title=f"Predictions depend on {name} beyond the label: {what}",
            slice=SliceKey(attributes={name: value}),
            effect=Effect.measured(f"gap in {worst.rate_name}", worst.gap, "points"),
            limit=self.max_gap,
            p_value=p_value,
            support=int(counts[worst.value].sum()),
            samples=(),
            statement=(
                (
                    f"Given the label, prediction and {name} share {excess:.3f} nats of information "
                    "beyond chance."
                ),
                (
                    f"Largest gap: {what}: {points(worst.gap.value)} worse "
                    f"({interval(worst.gap, ' points')}, jointly with all other gaps)."
                ),
                *_four_fifths(fairness_distances(rates), audit.classes),
            ),
            action=f"Compare the mean maps of the values of {name} within {target}.",
            limits="It shows that prediction and attribute are associated among samples of one label, "
            "not why.",
            evidence=tuple(_evidence(audit, name, values, rates, excess)),
        )


@dataclass(frozen=True)
class _Worst:
    """The largest gap to the disadvantage of an attribute value.

    Attributes:
        rate_name: which rate it is in.
        value: index of the attribute value.
        target: index of the class.
        gap: how much worse the rate is than for the other values.
        rate: of the value.
        rest: of the other values.
    """

    rate_name: Literal["recall", "false-positive rate"]
    value: int
    target: int
    gap: Interval
    rate: float
    rest: float

    def in_words(self, target: str, own: str) -> str:
        """Both rates as a clause."""
        if self.rate_name == "recall":
            return f"recall of {target} is {percent(self.rate)} {own} and {percent(self.rest)} otherwise"
        return (
            f"{percent(self.rate)} of other samples are called {target} {own}, and "
            f"{percent(self.rest)} otherwise"
        )


def _four_fifths(distances: FairnessDistances, classes: tuple[str, ...]) -> Iterator[str]:
    ratio = distances.demographic_parity_ratio
    if np.isfinite(ratio).any():
        least = int(np.nanargmin(ratio))
        yield (
            f"Whatever the labels are, {classes[least]} is predicted {ratio[least]:.2f} times as often for "
            "the value where it is rarest as for the value where it is most frequent (the four-fifths "
            "rule asks for 0.8)."
        )


def _counts(
    value: NDArray[Any],
    n_values: int,
    label: NDArray[Any],
    predicted: NDArray[Any],
    n_classes: int,
) -> Floats:
    """(A, K, K) samples by value, label and prediction."""
    cells = (value * n_classes + label) * n_classes + predicted
    counts = np.bincount(cells, minlength=n_values * n_classes**2)
    return counts.reshape(n_values, n_classes, n_classes).astype(np.float64)


def _worst(counts: Floats, needed: int) -> _Worst | None:
    hits = np.diagonal(counts, axis1=1, axis2=2)
    of_class, called = counts.sum(2), counts.sum(1)
    others = counts.sum((1, 2))[:, None] - of_class
    # Half of the error for each family, so that all intervals of both are simultaneous.
    recall = simultaneous_gaps(of_class - hits, of_class, confidence=0.975)
    alarms = simultaneous_gaps(called - hits, others, confidence=0.975)
    families: list[tuple[Literal["recall", "false-positive rate"], Gaps, Floats, Floats]] = [
        ("recall", recall, of_class - hits, of_class),
        ("false-positive rate", alarms, called - hits, others),
    ]
    best: _Worst | None = None
    for name, gaps, bad, totals in families:
        enough = (totals >= needed) & (totals.sum(0) - totals >= needed)
        size = np.where(enough, gaps.gap.value, -np.inf)
        place = np.unravel_index(int(size.argmax()), size.shape)
        if not np.isfinite(size[place]) or (best is not None and size[place] <= best.gap.value):
            continue
        rate, rest = bad[place] / totals[place], float(gaps.base_rate[place])
        if name == "recall":  # the misses were counted, so that worse is positive in both
            rate, rest = 1 - rate, 1 - rest
        value, target = int(place[0]), int(place[1])
        best = _Worst(name, value, target, gaps.gap[value, target], float(rate), rest)
    return best


def _evidence(
    audit: AuditData, name: str, values: list[str], rates: ClassRates, excess: float
) -> Iterator[EvidencePart]:
    distances = _largest(fairness_distances(rates))
    yield Quantities(
        items=(
            Quantity(name="shared information, nats", value=excess, unit="score"),
            *(
                Quantity(name=what, value=value, unit=_unit(what))
                for what, value in distances.items()
            ),
        )
    )
    if len(values) * len(audit.classes) <= _LISTED:
        yield _rates_table(rates, values, audit.classes)
    crossed = list(_intersections(audit, name))
    if crossed:
        yield Table(
            title="Intersections with other attributes",
            columns=("attributes", *_DISTANCES),
            rows=tuple(
                (f"{name} × {other}", *(found.get(what) for what in _DISTANCES))
                for other, found in crossed
            ),
            units=(None, *map(_unit, _DISTANCES)),
        )


_DISTANCES = (
    "demographic parity difference",
    "demographic parity ratio",
    "equal opportunity difference",
    "equalized odds difference",
)


def _unit(distance: str) -> Unit:
    return "ratio" if distance.endswith("ratio") else "points"


def _largest(distances: FairnessDistances) -> dict[str, float]:
    """The worst distance over classes, by name; undefined ones are left out."""
    found = (
        np.fmax.reduce(distances.demographic_parity_difference),
        np.fmin.reduce(distances.demographic_parity_ratio),
        np.fmax.reduce(distances.equal_opportunity_difference),
        np.fmax.reduce(distances.equalized_odds_difference),
    )
    named = zip(_DISTANCES, found, strict=True)
    return {name: float(value) for name, value in named if np.isfinite(value)}


def _rates_table(rates: ClassRates, values: list[str], classes: tuple[str, ...]) -> Table:
    kinds = (rates.true_positive, rates.false_positive, rates.selection)
    return Table(
        title="Rates by value and class",
        columns=("value", "class", "true-positive rate", "false-positive rate", "selection rate"),
        rows=tuple(
            (value, name, *(_finite(one.value[row, column]) for one in kinds))
            for row, value in enumerate(values)
            for column, name in enumerate(classes)
        ),
        units=(None, None, "share", "share", "share"),
    )


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _intersections(audit: AuditData, name: str) -> Iterator[tuple[str, dict[str, float]]]:
    """Distances between the values of this attribute crossed with each later one."""
    n_classes = len(audit.classes)
    frame = audit.predictions
    label, predicted = codes(frame["label"]), codes(frame["predicted"])
    for first, second in combinations(audit.attributes, 2):
        if name != first:
            continue
        n_second = len(frame[second].cat.categories)
        n_cells = len(frame[first].cat.categories) * n_second
        if n_cells * n_classes**2 > _AT_ONCE // 10:
            continue
        cells = codes(frame[first]) * n_second + codes(frame[second])
        counts = _counts(cells, n_cells, label, predicted, n_classes)
        counts = counts[counts.sum((1, 2)) >= audit.min_support]
        if len(counts) > 1:
            yield second, _largest(fairness_distances(class_rates(counts)))
