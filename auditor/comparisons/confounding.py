"""Does a gap remain when the other attributes are held fixed?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from auditor.phrasing import interval, numbers, points, several, signed_points
from auditor.records import AuditData, Slice
from auditor.statistics import Gaps, Interval, adjusted_gap, stratified_gap

State = Literal["explains", "reverses", "inseparable", "weakens", "remains", "undecided"]

_SHARED = 0.1
"""Smallest part of a comparison's weight that is left for the data to tell two attributes apart."""
_CELLS = 2_000_000
"""Entries of a regression's design from which on it is left out: it would take minutes."""


@dataclass(frozen=True)
class Held:
    """A gap with one other attribute held fixed.

    Attributes:
        attribute: the one that is held fixed.
        gap: what is left of the gap.
        p_value: of what is left.
        state: what that says of the gap.
        worth: how many evenly divided samples would carry as much as what is left to compare.
    """

    attribute: str
    gap: Interval
    p_value: float | None
    state: State
    worth: int


class Confounding:
    """Looks at gaps with other attributes held fixed, one by one and all together."""

    def __init__(self, audit: AuditData) -> None:
        frame = audit.predictions
        self._alpha, self._needed = audit.alpha, audit.min_support
        self._classes = audit.classes
        self._failure = frame["failure"].to_numpy(dtype=bool)
        self._label = frame["label"].cat.codes.to_numpy(dtype=np.int64)
        self._codes = {
            name: frame[name].cat.codes.to_numpy(dtype=np.int64) for name in audit.attributes
        }

    def one_by_one(self, one: Slice, gap: Interval) -> list[Held]:
        """A slice's gap with each other attribute held fixed beside the label.

        The test of Mantel and Haenszel with label × attribute as strata.
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
            found.append(self._held(name, gap, fixed, 4 * _weight(strata, inside), weight))
        return found

    def all_together(self, one: Slice) -> Interval | None:
        """A slice's gap by a logistic regression on label and all attributes; None where undefined.

        The second witness beside the strata: it holds everything fixed, but trusts a model.
        """
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
        n = int(strata.max(initial=-1)) + 1
        failure = self._failure[rows]
        totals, failures = (
            np.bincount(strata, minlength=n),
            np.bincount(strata[failure], minlength=n),
        )
        own = np.bincount(strata[inside], minlength=n)
        own_failures = np.bincount(strata[inside & failure], minlength=n)
        return stratified_gap(own_failures, own, failures - own_failures, totals - own)

    def _held(self, name: str, gap: Interval, gaps: Gaps, worth: float, weight: float) -> Held:
        left = gaps.gap[()]
        p_value = None if np.isnan(gaps.p_value) else float(gaps.p_value)
        state: State
        if worth < self._needed or weight < _SHARED:
            state = "inseparable"
        elif left.high < 0:
            state = "reverses"
        else:
            significant = p_value is not None and p_value <= self._alpha and left.value > 0
            shrunk = left.value < gap.value / 2 and left.high < gap.value
            if shrunk:
                state = "weakens" if significant else "explains"
            else:
                state = "remains" if significant else "undecided"
        return Held(name, left, p_value, state, round(worth))


def _weight(strata: NDArray[Any], inside: NDArray[np.bool_]) -> float:
    """Mantel and Haenszel's weight of a comparison, Σ n·m / (n + m): what it rests on."""
    totals = np.bincount(strata)
    own = np.bincount(strata[inside], minlength=len(totals))
    return float((own * (totals - own) / np.maximum(totals, 1)).sum())


def explained_by(found: Sequence[Held]) -> tuple[str, ...]:
    """The attributes that explain a gap or can't be told apart from it, the strongest first."""
    strength = {"explains": 0, "reverses": 1, "inseparable": 2}
    named = [one for one in found if one.state in strength]
    return tuple(
        one.attribute for one in sorted(named, key=lambda one: (strength[one.state], one.gap.value))
    )


def title_suffix(found: Sequence[Held]) -> str:
    """What the title of a gap has to add."""
    causes = [one.attribute for one in found if one.state in {"explains", "reverses"}]
    if causes:
        return f"; {several(causes)} {'explains' if len(causes) == 1 else 'explain'} it"
    like = [one.attribute for one in found if one.state == "inseparable"]
    return f"; it can't be told apart from {several(like)}" if like else ""


def in_words(found: Sequence[Held], together: Interval | None, gap: Interval) -> str:
    """What holding the other attributes fixed says of a gap."""
    sentences = [_sentence(one, gap) for one in found if one.state not in {"remains", "undecided"}]
    kept = [one for one in found if one.state == "remains"]
    if kept:
        least = min(kept, key=lambda one: one.gap.value)
        sentences.append(
            f"It remains with {several([one.attribute for one in kept])} held fixed"
            f"{', one at a time' if len(kept) > 1 else ''}: at least {points(least.gap.value)} "
            f"({interval(least.gap, ' points')})."
        )
    open_ = [one.attribute for one in found if one.state == "undecided"]
    if open_:
        sentences.append(
            f"Whether it remains with {several(open_)} held fixed, the samples are too few to tell."
        )
    if together is not None:
        sentences.append(
            f"A regression on all attributes and the label leaves {signed_points(together.value)} "
            f"({interval(together, ' points')})."
        )
    return " ".join(sentences)


def as_evidence(found: Sequence[Held], together: Interval | None) -> dict[str, Any]:
    """The numbers behind the words."""
    return {
        "held_fixed": [
            {
                "attribute": one.attribute,
                "gap": numbers(one.gap) if np.isfinite(one.gap.value) else None,
                "p_value": one.p_value,
                "state": one.state,
                "worth": one.worth,
            }
            for one in found
        ],
        "regression": None if together is None else numbers(together),
    }


def _sentence(one: Held, gap: Interval) -> str:
    if one.state == "inseparable":
        return (
            f"The slice and {one.attribute} go together so closely (with {one.attribute} held fixed, "
            f"there is left to compare what {one.worth} evenly divided samples are worth) that this "
            "data can't tell which of them matters."
        )
    left = f"{signed_points(one.gap.value)} ({interval(one.gap, ' points')})"
    if one.state == "reverses":
        return f"With {one.attribute} held fixed, the gap reverses: {left}."
    end = f": {one.attribute} explains it" if one.state == "explains" else ""
    return (
        f"With {one.attribute} held fixed, the gap falls from {points(gap.value)} to {left}{end}."
    )
