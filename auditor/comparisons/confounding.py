"""What is left of a gap when other attributes are held fixed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.phrasing import interval, points, several, signed_points
from auditor.records import AuditData, Estimate, HeldFixed, HeldFixedGap, HeldFixedState, Slice
from auditor.statistics import Gaps, Interval, adjusted_gap, clustered_gap, stratified_gap

_SHARED = 0.1
"""Smallest part of a comparison's weight that must remain for the data to separate two attributes."""
_CELLS = 2_000_000
"""Largest design matrix of the regression, in entries: a larger one would take minutes."""


class Confounding:
    """Compares slices with other attributes held fixed, one at a time and jointly."""

    def __init__(self, audit: AuditData) -> None:
        frame = audit.predictions
        self._alpha, self._needed = audit.alpha, audit.min_support
        self._classes = audit.classes
        self._failure = frame["failure"].to_numpy(dtype=bool)
        self._clusters, self._seed = audit.clusters, audit.seed
        self._label = frame["label"].cat.codes.to_numpy(dtype=np.int64)
        self._codes = {
            name: frame[name].cat.codes.to_numpy(dtype=np.int64) for name in audit.attributes
        }

    def one_by_one(self, one: Slice, gap: Interval) -> list[HeldFixedGap]:
        """Gap of a slice with each other attribute held fixed beside the label.

        Cochran–Mantel–Haenszel test with label × attribute as strata.
        """
        rows, inside = self._rows(one)
        label = self._label[rows]
        found = []
        for name, codes in self._codes.items():
            if name in one.key.attributes:
                continue
            strata = np.unique(label * (codes.max() + 1) + codes[rows], return_inverse=True)[1]
            fixed = self._gaps(strata, rows, inside)
            weight = _weight(strata, inside) / _weight(label, inside)
            left = WithHeldFixed(
                name,
                fixed.gap[0],
                float(fixed.p_value[0]),
                effective_samples=4 * _weight(strata, inside),
                shared=weight,
            )
            found.append(left.judged(gap, self._needed, self._alpha))
        return found

    def jointly(self, one: Slice) -> Interval | None:
        """Gap of a slice by a logistic regression on label and all attributes; None where undefined.

        A second estimate beside the strata: it holds all attributes fixed, but relies on a model, which
        has no version for clusters.
        """
        if self._clusters is not None:
            return None
        rows, inside = self._rows(one)
        others = [
            codes[rows] for name, codes in self._codes.items() if name not in one.key.attributes
        ]
        columns = [self._label[rows], *others]
        cell = inside.astype(np.int64)
        for column in columns:
            cell = np.unique(cell * (column.max() + 1) + column, return_inverse=True)[1]
        totals = np.bincount(cell)
        width = 2 + sum(len(np.unique(column)) - 1 for column in columns)
        if len(totals) * width > _CELLS:
            return None
        first = np.zeros(len(totals), dtype=np.int64)
        first[cell] = np.arange(len(cell))
        found = adjusted_gap(
            np.bincount(cell[self._failure[rows]], minlength=len(totals)),
            totals,
            inside[first],
            [column[first] for column in columns],
        )
        return None if found.method == "untestable" else found.gap

    def _rows(self, one: Slice) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The samples that a slice is compared among, and which of them are in it."""
        member = np.zeros(len(self._label), dtype=bool)
        member[one.rows] = True
        rows = (
            np.arange(len(self._label))
            if one.key.label is None
            else np.flatnonzero(self._label == self._classes.index(one.key.label))
        )
        return rows, member[rows]

    def _gaps(
        self, strata: NDArray[np.int64], rows: NDArray[np.int64], inside: NDArray[np.bool_]
    ) -> Gaps:
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
    """A difference in error rate with one other attribute held fixed beside the label.

    Attributes:
        attribute: the other attribute.
        left: what is left of the difference; NaN where nothing can be compared.
        p_value: of "nothing is left"; NaN where nothing can be compared.
        effective_samples: how many evenly divided samples would carry as much information.
        shared: part of the information of the whole comparison that is left.
    """

    attribute: str
    left: Interval
    p_value: float
    effective_samples: float
    shared: float

    def judged(self, whole: Interval, needed: int, alpha: float) -> HeldFixedGap:
        """Decides whether the other attribute explains the difference.

        Args:
            whole: the difference without the other attribute held fixed, above 0.
            needed: smallest number of samples that is tested.
            alpha: level of the test.
        """
        left = self.left
        p_value = None if np.isnan(self.p_value) else self.p_value
        state: HeldFixedState
        if self.effective_samples < needed or self.shared < _SHARED:
            state = "inseparable"
        elif left.high < 0:
            state = "reverses"
        else:
            significant = p_value is not None and p_value <= alpha and left.value > 0
            shrunk = left.value < whole.value / 2 and left.high < whole.value
            if shrunk:
                state = "weakens" if significant else "explains"
            else:
                state = "remains" if significant else "undecided"
        return HeldFixedGap(
            attribute=self.attribute,
            gap=Estimate.of(left) if np.isfinite(left.value) else None,
            p_value=p_value,
            state=state,
            effective_samples=round(self.effective_samples),
        )


def _weight(strata: NDArray[Any], inside: NDArray[np.bool_]) -> float:
    """Mantel and Haenszel's weight of a comparison, Σ n·m / (n + m)."""
    totals = np.bincount(strata)
    own = np.bincount(strata[inside], minlength=len(totals))
    return float((own * (totals - own) / np.maximum(totals, 1)).sum())


def explained_by(held: HeldFixed | None) -> tuple[str, ...]:
    """Attributes that explain a gap or that the data cannot separate from it, the strongest first."""
    strength = {"explains": 0, "reverses": 1, "inseparable": 2}
    gaps = () if held is None else held.gaps
    named = [one for one in gaps if one.state in strength]
    return tuple(
        one.attribute for one in sorted(named, key=lambda one: (strength[one.state], _left(one)))
    )


def title_suffix(held: HeldFixed) -> str:
    """What the title of a gap adds about attributes that explain it."""
    causes = [one.attribute for one in held.gaps if one.state in {"explains", "reverses"}]
    if causes:
        return f"; {several(causes)} {'explains' if len(causes) == 1 else 'explain'} it"
    like = [one.attribute for one in held.gaps if one.state == "inseparable"]
    return f"; the data cannot separate it from {several(like)}" if like else ""


def held_fixed(gaps: Sequence[HeldFixedGap], jointly: Interval | None, gap: Interval) -> HeldFixed:
    """What is left of a gap with other attributes held fixed, as evidence with its sentences.

    Args:
        gaps: with one attribute at a time held fixed.
        jointly: with all attributes held fixed by a regression; None where it was not computed.
        gap: the gap itself.
    """
    return HeldFixed(
        gaps=tuple(gaps),
        jointly=None if jointly is None else Estimate.of(jointly),
        sentences=tuple(_sentences(gaps, jointly, gap)),
    )


def _sentences(
    gaps: Sequence[HeldFixedGap], jointly: Interval | None, gap: Interval
) -> Iterator[str]:
    for one in gaps:
        if one.state not in {"remains", "undecided"}:
            yield _sentence(one, gap)
    kept = [(one, one.gap) for one in gaps if one.state == "remains" and one.gap is not None]
    if kept:
        least = min((left for _, left in kept), key=lambda left: left.value)
        yield (
            f"It remains with {several([one.attribute for one, _ in kept])} held fixed"
            f"{', one at a time' if len(kept) > 1 else ''}: at least {points(least.value)} "
            f"({interval(least, ' points')})."
        )
    undecided = [one.attribute for one in gaps if one.state == "undecided"]
    if undecided:
        yield (
            f"There are too few samples to decide whether it remains with {several(undecided)} "
            "held fixed."
        )
    if jointly is not None:
        yield (
            f"A regression on all attributes and the label leaves {signed_points(jointly.value)} "
            f"({interval(jointly, ' points')})."
        )


def _sentence(one: HeldFixedGap, gap: Interval) -> str:
    if one.state == "inseparable" or one.gap is None:
        return (
            f"The slice and {one.attribute} nearly coincide: with {one.attribute} held fixed, the "
            f"comparison is worth only {one.effective_samples} evenly divided samples, so this data "
            "cannot show which of them matters."
        )
    left = f"{signed_points(one.gap.value)} ({interval(one.gap, ' points')})"
    if one.state == "reverses":
        return f"With {one.attribute} held fixed, the gap reverses: {left}."
    end = f": {one.attribute} explains it" if one.state == "explains" else ""
    return (
        f"With {one.attribute} held fixed, the gap falls from {points(gap.value)} to {left}{end}."
    )


def _left(one: HeldFixedGap) -> float:
    return float("nan") if one.gap is None else one.gap.value
