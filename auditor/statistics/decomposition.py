"""How much of a gap goes through other attributes, and how much remains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from auditor.statistics.adjusted import Compared, weighted_gaps
from auditor.statistics.intervals import (
    Floats,
    Interval,
    Intervals,
    counts_and_totals,
    two_sided_z,
)
from auditor.statistics.nominal import NominalColumns

Explanation = Literal["explained", "partly explained", "remains", "reversed", "cannot tell"]

LARGEST_UNEXPLAINED = 1 / 3
"""Largest share of a gap that may remain if it is called explained."""


@dataclass(frozen=True, slots=True)
class GapDecomposition:
    """A slice's gap, split into what goes through mediators and what remains; total = direct + via.

    Attributes:
        total: gap with strata and others held fixed.
        direct: what remains with the mediators held fixed too; NaN where they determine the slice.
        via: what goes through all mediators jointly.
        via_each: (M,) what goes through each of them; they sum to `via`.
        equivalence: `direct` with the interval of two one-sided tests, so at twice the level.
    """

    total: Interval
    direct: Interval
    via: Interval
    via_each: Intervals
    equivalence: Interval

    def explanation(self, limit: float) -> Explanation:
        """What may be said of the gap.

        Args:
            limit: largest acceptable gap, in [0, 1].

        Returns:
            ``"explained"`` if what remains is shown to be at most the limit and at most a third of
            the gap, by two one-sided tests; ``"reversed"`` if something of the other sign remains;
            ``"partly explained"`` if a part of the same sign remains and another part is shown to
            go through the mediators; ``"remains"`` if only the former is shown; ``"cannot tell"``
            otherwise. That a test finds nothing left is no explanation.

        Reference:
            D. J. Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15 (1987) 657-680.
        """
        sign = 1.0 if self.total.value >= 0 else -1.0
        direct, via = _turned(self.direct, sign), _turned(self.via, sign)
        close = _turned(self.equivalence, sign)
        margin = min(limit, LARGEST_UNEXPLAINED * abs(self.total.value))
        if not np.isfinite(self.direct.value):
            return "cannot tell"
        if -margin <= close.low and close.high <= margin:
            return "explained"
        if direct.high < 0:
            return "reversed"
        if direct.low > 0:
            return "partly explained" if via.low > 0 else "remains"
        return "cannot tell"


def decompose_gap(
    failures: ArrayLike,
    totals: ArrayLike,
    in_slice: ArrayLike,
    strata: ArrayLike,
    mediators: Sequence[ArrayLike],
    others: Sequence[ArrayLike] = (),
    confidence: float = 0.95,
) -> GapDecomposition:
    """Splits the gap of a slice by what is held fixed.

    Args:
        failures: (C,) failures in each cell.
        totals: (C,) samples in each cell.
        in_slice: (C,) whether the cell lies in the slice.
        strata: (C,) codes from 0 on, say of the label; held fixed throughout.
        mediators: M columns of (C,) codes from 0 on, through which the gap may go.
        others: columns of codes that are held fixed throughout as well.
        confidence: coverage of each interval.

    Returns:
        The parts. That a part goes *through* a mediator, rather than both having a common cause, is
        the declaration of the caller and no result.

    Raises:
        ValueError: there is no mediator, lengths differ, a code is negative, a count is outside of
            0 … total, or `confidence` is out of range.

    Reference:
        J. B. Gelbach, "When do covariates matter? And which ones, and how much?", Journal of Labor
        Economics 34 (2016) 509-543, equation 5: the parts do not depend on the order of the
        mediators. Variances of the parts from influence functions, robust to unequal variances and
        with the mediators' distribution as random. Total and direct gap as in `adjusted_gaps`.
    """
    z = two_sided_z(confidence)
    if not mediators:
        raise ValueError("expected at least one mediator; use `stratified_gap` without any")
    count, total = counts_and_totals(failures, totals)
    inside = np.asarray(in_slice, dtype=bool).astype(np.int64)
    unknown = Interval(np.nan, -1.0, 1.0)
    no_part = Intervals(*(np.full(len(mediators), end) for end in (np.nan, -1.0, 1.0)))
    columns = NominalColumns.of([strata, *others, *mediators, inside], total)
    if len(np.unique(inside[total > 0])) < 2:  # nothing to compare
        return GapDecomposition(unknown, unknown, unknown, no_part, unknown)
    fixed = list(range(1 + len(others)))
    through = [len(fixed) + k for k in range(len(mediators))]
    regressions = _Regressions(columns, count, fixed, through)
    gaps = [regressions.gap(places, z) for places in (fixed, fixed + through)]
    close = regressions.gap(fixed + through, two_sided_z(2 * confidence - 1))
    if not np.isfinite(gaps[1].value):
        return GapDecomposition(gaps[0], unknown, unknown, no_part, unknown)
    return GapDecomposition(gaps[0], gaps[1], regressions.via(z), regressions.via_each(z), close)


class _Regressions:
    """Regressions of failure on membership, with some columns fixed and with the mediators too."""

    def __init__(
        self, columns: NominalColumns, count: Floats, fixed: list[int], through: list[int]
    ) -> None:
        self._columns, self._count, self._total = columns, count, columns.total
        self._fixed, self._through = fixed, through
        self._member = len(columns.codes) - 1
        self._inside = columns.codes[self._member].astype(np.float64)
        self._moments = columns.sums(count)[:, None]
        self._full = [*fixed, *through, self._member]
        self._fit = columns.fitted(self._moments, self._full)[:, 0]
        self._freedom = columns.freedom(self._full)

    def gap(self, places: list[int], z: float) -> Interval:
        columns = self._columns
        inside = self._inside[:, None]
        compared = Compared(
            membership=inside,
            weights=self._residual(places)[:, None],
            plain=self._residual(self._fixed)[:, None],
            expected=columns.fitted(self._moments, places)[:, 0],
            freedom=columns.freedom(places),
        )
        return weighted_gaps(self._count, self._total, compared, z).gap[0]

    def via(self, z: float) -> Interval:
        """What the gap loses when the mediators are held fixed."""
        base, full = self._weights(self._fixed), self._weights(self._fixed + self._through)
        fit = self._columns.fitted(self._moments, [*self._fixed, self._member])[:, 0]
        value = float((base - full) @ self._count)
        # Influence of one sample that failed, and of one that did not.
        failed = base * (1 - fit) - full * (1 - self._fit)
        passed = full * self._fit - base * fit
        return self._interval(value, failed, passed, z)

    def via_each(self, z: float) -> Intervals:
        """The same by mediator: what membership says of its codes, times what these do."""
        columns, base = self._columns, self._weights(self._fixed)
        effects = columns.coefficients(self._moments, self._full)
        found = []
        for place, effect in zip(self._through, effects[len(self._fixed) : -1], strict=True):
            carried = effect[:, 0][columns.codes[place]]
            moments = columns.sums(self._total * carried)[:, None]
            rest = carried - columns.fitted(moments, [*self._fixed, self._member])[:, 0]
            shift = np.zeros((len(self._moments), 1))
            shift[columns.rows([place]), 0] = np.bincount(
                columns.codes[place], self._total * base, columns.sizes[place]
            )
            moved = columns.fitted(shift, self._full)[:, 0]
            failed = base * rest + moved * (1 - self._fit)
            passed = base * rest - moved * self._fit
            found.append(self._interval(float((self._total * base) @ carried), failed, passed, z))
        return Intervals(
            *(np.array([getattr(one, part) for one in found]) for part in ("value", "low", "high"))
        )

    def _residual(self, places: list[int]) -> Floats:
        """(C,) membership less what columns say of it."""
        fit = self._columns.fitted(self._columns.cross(self._member)[:, -1:], places)
        return np.asarray(self._inside - fit[:, 0])

    def _weights(self, places: list[int]) -> Floats:
        residual = self._residual(places)
        return np.asarray(residual / (self._total @ (residual * self._inside)))

    def _interval(self, value: float, failed: Floats, passed: Floats, z: float) -> Interval:
        spread = self._count @ failed**2 + (self._total - self._count) @ passed**2
        half = z * float(np.sqrt(spread * self._freedom))
        return Interval(value, max(-1.0, value - half), min(1.0, value + half))


def _turned(interval: Interval, sign: float) -> Interval:
    """The interval, mirrored at zero for a negative sign."""
    if sign > 0:
        return interval
    return Interval(-interval.value, -interval.high, -interval.low)
