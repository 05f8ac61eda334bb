"""Prediction dependence: is the prediction independent of an attribute, given the label?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from auditor.phrasing import effect, interval, percent, points
from auditor.records import AuditData, Claim, Examination, Skipped, SliceKey
from auditor.registry import Options, plugin
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
"""Cells of random tables that are held at a time (160 MB)."""
_IN_ALL = 300_000_000
"""Cells of random tables that are drawn for one attribute: some seconds."""
_LISTED = 400
"""Rates (values × classes) that are listed in the evidence at most."""


@plugin("check", NAME)
class PredictionDependence(Options):
    """Is the prediction independent of an attribute, given the label?

    The test is of the conditional mutual information of prediction and attribute given the label,
    by permutation within labels: it sees any dependence, also one that leaves the error rate as it
    is and only changes what the failures are taken for. The size is told by the largest drop of a
    class's recall, or rise of its false alarms, between an attribute value and all others, with
    intervals that hold jointly; demographic parity, equal opportunity, equalized odds and the
    four-fifths ratio stand in the evidence, for intersections of two attributes too.
    """

    max_gap: float = Field(0.05, ge=0, le=1)
    """Largest acceptable gap in recall or in false alarms (a share, 0 to 1)."""
    permutations: int = Field(1999, ge=199)
    """Permutations of the test; fewer where there are very many classes."""

    def examine(self, audit: AuditData) -> Examination:
        """Tests every attribute."""
        frame = audit.predictions
        label, predicted = (
            frame[name].cat.codes.to_numpy(dtype=np.int64) for name in ("label", "predicted")
        )
        claims, skipped = [], []
        for name in audit.attributes:
            values = [str(value) for value in frame[name].cat.categories]
            codes = frame[name].cat.codes.to_numpy(dtype=np.int64)
            counts = _counts(codes, len(values), label, predicted, len(audit.classes))
            found = self._dependence(counts, audit.seed)
            worst = _worst(counts, audit.min_support)
            if found is None or worst is None:
                reason = (
                    "within every label there is one value, or one prediction"
                    if found is None
                    else f"no value has {audit.min_support} samples of a class, with as many of it "
                    "among the others"
                )
                skipped.append(Skipped(check=NAME, reason=f"{name}: {reason}"))
                continue
            claims.append(self._claim(audit, name, values, counts, found, worst))
        return Examination(tuple(claims), tuple(skipped))

    def _dependence(self, counts: Floats, seed: int) -> tuple[float, float] | None:
        """Excess information in nats and its p-value; None where nothing can be permuted."""
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
        distances = fairness_distances(rates)
        own = f"with {name} = {value}"
        what = (
            f"recall of {target} is {percent(worst.rate)} {own} and {percent(worst.rest)} otherwise"
            if worst.kind == "recall"
            else f"{percent(worst.rate)} of other samples are called {target} {own}, and "
            f"{percent(worst.rest)} otherwise"
        )
        ratio = distances.demographic_parity_ratio
        least = int(np.nanargmin(ratio)) if np.isfinite(ratio).any() else None
        return Claim(
            check=NAME,
            title=f"Predictions depend on {name} beyond the label: {what}",
            slice=SliceKey(attributes={name: value}),
            effect=effect(f"gap in {worst.kind}", worst.gap),
            limit=self.max_gap,
            p_value=p_value,
            support=int(counts[worst.value].sum()),
            samples=(),
            statement=f"Given the label, prediction and {name} share {excess:.3f} nats of information "
            f"beyond chance. Largest gap: {what}: {points(worst.gap.value)} worse "
            f"({interval(worst.gap, ' points')}, jointly with all other gaps)."
            + (
                ""
                if least is None
                else f" {audit.classes[least]} is predicted {ratio[least]:.2f} times as often for "
                "the value where it is rarest as for that where it is most frequent (the four-fifths "
                "rule asks for 0.8), whatever the labels are."
            ),
            action=f"Compare the mean maps of the values of {name} within {target}.",
            limits="It says that prediction and attribute go together among samples of one label, not "
            "why.",
            evidence={
                "information": excess,
                "distances": _listed(distances),
                "rates": _rates(rates, values, audit.classes),
                "intersections": list(_intersections(audit, name)),
            },
        )


@dataclass(frozen=True)
class _Worst:
    """The largest gap to the disadvantage of an attribute value."""

    kind: Literal["recall", "false alarms"]
    value: int
    target: int
    gap: Interval
    rate: float
    rest: float


def _counts(
    codes: NDArray[Any],
    n_values: int,
    label: NDArray[Any],
    predicted: NDArray[Any],
    n_classes: int,
) -> Floats:
    """(A, K, K) samples by value, label and prediction."""
    cells = (codes * n_classes + label) * n_classes + predicted
    counts = np.bincount(cells, minlength=n_values * n_classes**2)
    return counts.reshape(n_values, n_classes, n_classes).astype(np.float64)


def _worst(counts: Floats, needed: int) -> _Worst | None:
    hits = np.diagonal(counts, axis1=1, axis2=2)
    of_class, called = counts.sum(2), counts.sum(1)
    others = counts.sum((1, 2))[:, None] - of_class
    # Half of the error to each family, so that all intervals of both hold jointly.
    recall = simultaneous_gaps(of_class - hits, of_class, confidence=0.975)
    alarms = simultaneous_gaps(called - hits, others, confidence=0.975)
    kinds: list[tuple[Literal["recall", "false alarms"], Gaps, Floats, Floats]] = [
        ("recall", recall, of_class - hits, of_class),
        ("false alarms", alarms, called - hits, others),
    ]
    best: _Worst | None = None
    for kind, gaps, bad, totals in kinds:
        enough = (totals >= needed) & (totals.sum(0) - totals >= needed)
        size = np.where(enough, gaps.gap.value, -np.inf)
        place = np.unravel_index(int(size.argmax()), size.shape)
        if not np.isfinite(size[place]) or (best is not None and size[place] <= best.gap.value):
            continue
        rate, rest = bad[place] / totals[place], float(gaps.base_rate[place])
        if kind == "recall":  # misses were counted, so that "worse" is positive in both
            rate, rest = 1 - rate, 1 - rest
        value, target = int(place[0]), int(place[1])
        best = _Worst(kind, value, target, gaps.gap[value, target], float(rate), rest)
    return best


def _listed(distances: FairnessDistances) -> dict[str, float]:
    """The worst distance over classes, by name."""
    found = {
        "demographic_parity_difference": np.fmax.reduce(distances.demographic_parity_difference),
        "demographic_parity_ratio": np.fmin.reduce(distances.demographic_parity_ratio),
        "equal_opportunity_difference": np.fmax.reduce(distances.equal_opportunity_difference),
        "equalized_odds_difference": np.fmax.reduce(distances.equalized_odds_difference),
    }
    return {name: float(value) for name, value in found.items() if np.isfinite(value)}


def _rates(rates: ClassRates, values: list[str], classes: tuple[str, ...]) -> list[dict[str, Any]]:
    if len(values) * len(classes) > _LISTED:
        return []
    return [
        {
            "value": value,
            "class": name,
            **{
                kind: float(getattr(rates, kind).value[row, column])
                for kind in ("true_positive", "false_positive", "selection")
                if np.isfinite(getattr(rates, kind).value[row, column])
            },
        }
        for row, value in enumerate(values)
        for column, name in enumerate(classes)
    ]


def _intersections(audit: AuditData, name: str) -> Iterator[dict[str, Any]]:
    """Distances between the values of this attribute crossed with each other one."""
    n_classes = len(audit.classes)
    frame = audit.predictions
    label, predicted = (
        frame[column].cat.codes.to_numpy(dtype=np.int64) for column in ("label", "predicted")
    )
    for pair in combinations(audit.attributes, 2):
        if name != pair[0]:
            continue
        one, other = (frame[column].cat.codes.to_numpy(dtype=np.int64) for column in pair)
        n_other = len(frame[pair[1]].cat.categories)
        n_cells = len(frame[pair[0]].cat.categories) * n_other
        if n_cells * n_classes**2 > _AT_ONCE // 10:
            continue
        counts = _counts(one * n_other + other, n_cells, label, predicted, n_classes)
        counts = counts[counts.sum((1, 2)) >= audit.min_support]
        if len(counts) > 1:
            distances = fairness_distances(class_rates(counts))
            yield {"attributes": list(pair), **_listed(distances)}
