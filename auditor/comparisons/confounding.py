"""The gap that remains when other attributes are held fixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.comparisons.strata import crossed
from auditor.comparisons.value_cells import ValueCells
from auditor.records import AuditData, Estimate, HeldFixedGap, HeldFixedState, Slice
from auditor.records.predictions import codes
from auditor.statistics import (
    LARGEST_UNEXPLAINED,
    Explanation,
    GapDecomposition,
    Gaps,
    Integers,
    Interval,
    clustered_gap,
    decompose_gap,
    stratified_gap,
)

SEPARABLE = 0.1
"""Smallest share of a comparison's weight that must remain for the data to separate two attributes."""
_NOTEWORTHY = 1 / 4
"""Smallest share of a gap due to other attributes that is worth mentioning."""
_STATES: dict[Explanation, HeldFixedState] = {
    "explained": "explains",
    "reversed": "reverses",
    "partly explained": "weakens",
    "remains": "remains",
    "cannot tell": "undecided",
}


@dataclass(frozen=True)
class JointlyHeld:
    """A gap with several attributes held fixed at once.

    Attributes:
        held: their names.
        gap: the remaining gap.
        state: the conclusion.
        through: the attributes that are shown to account for a part of the gap, the largest part
            first.
    """

    held: tuple[str, ...]
    gap: Interval
    state: HeldFixedState
    through: tuple[str, ...]


class Confounding:
    """Compares slices with other attributes held fixed, one at a time and jointly.

    Mediators are not held fixed, because the part that goes through them belongs to the gap.

    Args:
        audit: the samples.
        limit: largest acceptable gap; an attribute explains a gap only if the remaining gap is shown to
            be within it.
    """

    def __init__(self, audit: AuditData, limit: float) -> None:
        frame = audit.predictions
        self._limit = limit
        self._alpha, self._needed = audit.alpha, audit.min_support
        self._classes = audit.classes
        self._failure = frame["failure"].to_numpy(dtype=bool)
        self._clusters, self._seed = audit.clusters, audit.seed
        self._label = codes(frame["label"])
        self._codes = {name: codes(frame[name]) for name in audit.attributes}
        declared = audit.declared
        self._mediators = declared.with_role("mediator")
        self._confounders = declared.with_role("confounder")
        self._cells: dict[tuple[str | None, str | None, tuple[str, ...]], ValueCells] = {}

    def one_by_one(self, one: Slice, gap: Interval) -> list[HeldFixedGap]:
        """Gap of a slice with each other attribute held fixed in addition to the label.

        Cochran–Mantel–Haenszel test with label × attribute as strata.
        """
        rows, inside = self._rows(one)
        label = self._label[rows]
        found = []
        for name, value in self._codes.items():
            if name in one.key.attributes or name in self._mediators:
                continue
            strata = crossed(label, value[rows])
            fixed = self._gaps(strata, rows, inside)
            weight = comparison_weight(strata, inside) / comparison_weight(label, inside)
            left = WithHeldFixed(
                name,
                fixed.gap[0],
                float(fixed.p_value[0]),
                effective_samples=4 * comparison_weight(strata, inside),
                shared=weight,
            )
            found.append(left.judged(gap, self._needed, self._alpha, self._limit))
        return found

    def jointly(self, one: Slice, gaps: Sequence[HeldFixedGap]) -> JointlyHeld | None:
        """Gap of a slice with all attributes held fixed jointly that the data can separate from it.

        Args:
            one: the slice, by one annotated attribute.
            gaps: its gaps with one attribute held fixed at a time.

        Returns:
            The remaining gap; None if there is nothing to hold fixed, or if there are too few samples.
        """
        return self._held_jointly(
            one, [gap.attribute for gap in gaps if gap.state != "inseparable"]
        )

    def of_confounders(self, one: Slice, gaps: Sequence[HeldFixedGap]) -> JointlyHeld | None:
        """Gap of a slice with only the declared confounders held fixed."""
        return self._held_jointly(
            one,
            [
                gap.attribute
                for gap in gaps
                if gap.attribute in self._confounders and gap.state != "inseparable"
            ],
        )

    def mediated(self, one: Slice) -> tuple[tuple[str, ...], GapDecomposition] | None:
        """The mediators of the gap of a slice, and the part that goes through each of them."""
        names = [
            name
            for name in self._codes
            if name in self._mediators and name not in one.key.attributes
        ]
        cells = self._of(one, names)
        if cells is None:
            return None
        worth = self._worth(one)
        found = decompose_gap(
            cells.failures / worth,
            cells.totals / worth,
            self._member(one)[cells.first],
            cells.label,
            [cells.codes[name] for name in names],
        )
        return (tuple(names), found) if np.isfinite(found.direct.value) else None

    def _held_jointly(self, one: Slice, names: Sequence[str]) -> JointlyHeld | None:
        cells = self._of(one, names)
        if cells is None:
            return None
        others = [cells.codes[name] for name in names]
        worth = self._worth(one)
        member = self._member(one)[cells.first]
        counts = cells.failures / worth, cells.totals / worth, member, cells.label
        found = decompose_gap(*counts, [*others, cells.risk])
        if not np.isfinite(found.direct.value):
            return None
        goes = found.via.low > 0 and found.via.value >= _NOTEWORTHY * found.total.value
        state = _STATES[found.explanation(self._limit)]
        # The reported interval must also lie within the limit.
        if state == "explains" and not _within(found.direct, self._limit):
            state = "undecided"
        if state == "weakens" and not goes:
            state = "remains"
        through: tuple[str, ...] = ()
        if goes:
            each = decompose_gap(*counts, others).via_each
            order = np.argsort(-each.value, kind="stable").tolist()
            through = tuple(names[k] for k in order if each.low[k] > 0)
        return JointlyHeld(tuple(names), found.direct, state, through)

    def _worth(self, one: Slice) -> float:
        """Design effect of the gap of a slice, at least 1."""
        if self._clusters is None:
            return 1.0
        rows, inside = self._rows(one)
        found = clustered_gap(
            self._failure[rows],
            [np.flatnonzero(inside)],
            self._label[rows],
            self._clusters.of_sample[rows],
            max_draws=0,
        )
        return float(np.fmax(found.design_effect[0], 1.0))

    def _of(self, one: Slice, names: Sequence[str]) -> ValueCells | None:
        """The samples in the comparison of a slice, as cells; None if nothing can be held fixed."""
        if not names:
            return None
        own = tuple(one.key.attributes)
        key = one.key.label, str(one.key) if one.tail else None, (*own, *names)
        if key not in self._cells:
            chosen = {name: self._codes[name] for name in (*own, *names)}
            if one.tail:  # it overlaps the values of its attribute
                chosen[own[0]] = self._member(one).astype(np.int64)
            self._cells[key] = ValueCells.of(self._rows(one)[0], self._label, self._failure, chosen)
        cells = self._cells[key]
        return cells if cells.are_enough else None

    def _member(self, one: Slice) -> NDArray[np.bool_]:
        member = np.zeros(len(self._label), dtype=bool)
        member[one.rows] = True
        return member

    def _rows(self, one: Slice) -> tuple[Integers, NDArray[np.bool_]]:
        """The samples in the comparison of a slice, and which of them are in the slice."""
        rows = (
            np.arange(len(self._label))
            if one.key.label is None
            else np.flatnonzero(self._label == self._classes.index(one.key.label))
        )
        return rows, self._member(one)[rows]

    def _gaps(self, strata: Integers, rows: Integers, inside: NDArray[np.bool_]) -> Gaps:
        failure = self._failure[rows]
        if self._clusters is not None:
            cluster = self._clusters.of_sample[rows]
            slices = [np.flatnonzero(inside)]
            return clustered_gap(failure, slices, strata, cluster, seed=self._seed)
        n = int(strata.max(initial=-1)) + 1
        totals, failures = (
            np.bincount(strata, minlength=n),
            np.bincount(strata[failure], minlength=n),
        )
        own = np.bincount(strata[inside], minlength=n)
        own_failures = np.bincount(strata[inside & failure], minlength=n)
        return stratified_gap(
            own_failures[None], own[None], (failures - own_failures)[None], (totals - own)[None]
        )


@dataclass(frozen=True)
class WithHeldFixed:
    """A difference in error rate with one other attribute held fixed in addition to the label.

    Attributes:
        attribute: the other attribute.
        left: the remaining difference; NaN if nothing can be compared.
        p_value: of "nothing remains"; NaN if nothing can be compared.
        effective_samples: number of samples, half of them in the slice, that would carry as much
            information.
        shared: share of the information of the comparison that remains.
    """

    attribute: str
    left: Interval
    p_value: float
    effective_samples: float
    shared: float

    def judged(self, whole: Interval, needed: int, alpha: float, limit: float) -> HeldFixedGap:
        """Decides whether the other attribute explains the difference.

        Args:
            whole: the difference without the other attribute held fixed, above 0.
            needed: smallest number of effective samples.
            alpha: level of the test.
            limit: largest acceptable difference.
        """
        left = self.left
        p_value = None if np.isnan(self.p_value) else self.p_value
        state: HeldFixedState
        if self.effective_samples < needed or self.shared < SEPARABLE:
            state = "inseparable"
        elif _within(left, min(limit, LARGEST_UNEXPLAINED * whole.value)):
            state = "explains"
        elif left.high < 0:
            state = "reverses"
        elif left.value < whole.value / 2 and left.high < whole.value:
            state = "weakens"
        else:
            significant = p_value is not None and p_value <= alpha and left.value > 0
            state = "remains" if significant else "undecided"
        return HeldFixedGap(
            attribute=self.attribute,
            gap=Estimate.of(left) if np.isfinite(left.value) else None,
            p_value=p_value,
            state=state,
            effective_samples=round(self.effective_samples),
        )


def _within(left: Interval, limit: float) -> bool:
    return -limit <= left.low and left.high <= limit


def comparison_weight(strata: NDArray[Any], inside: NDArray[np.bool_]) -> float:
    """Mantel-Haenszel weight of a comparison, Σ n·m / (n + m).

    Args:
        strata: (n,) codes from 0.
        inside: (n,) which samples are in the slice.
    """
    totals = np.bincount(strata)
    own = np.bincount(strata[inside], minlength=len(totals))
    return float((own * (totals - own) / np.maximum(totals, 1)).sum())
