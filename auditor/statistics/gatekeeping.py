"""Multiple testing for a whole audit: first questions first, finer ones with what is left.

The tests of an audit form families (say, one per attribute) and levels (the overall error rate, the
error rate within a label, calibration, pairs of values, …). Level 0 asks the first question of each
family and holds nearly all of the error that the audit may make. A finer test holds a small reserve,
so that it can find what the first question cannot see, and gains what its family's first question
no longer needs once that is answered. The probability of any false rejection stays below alpha,
whatever else is true and however the tests depend on each other.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from auditor.statistics.intervals import Floats, Integers

_KEPT = 0.5
"""Part of a rejected test's level that goes to the other tests of its family and level."""


@dataclass(frozen=True, slots=True)
class Gatekept:
    """Adjusted p-values of all tests of an audit.

    Attributes:
        p_value: (N,) smallest alpha at which the procedure rejects; NaN where nothing was tested.
            Rejecting those up to alpha keeps the probability of any false rejection below alpha.
        level: (N,) at the given alpha, the level that the test itself was held to: it is rejected
            if its own p-value is at most this. Power statements must use it. NaN like `p_value`.
    """

    p_value: Floats
    level: Floats


def gatekeeping(
    p_values: ArrayLike,
    families: Sequence[Hashable],
    levels: ArrayLike,
    shares: ArrayLike,
    weights: ArrayLike | None = None,
    alpha: float = 0.05,
) -> Gatekept:
    """Tests the hypotheses of an audit with strong control of the family-wise error rate.

    At the start, level l holds `shares[l]` of alpha, divided evenly over the families that have
    tests there, and within a family in proportion to `weights`. Once a test is rejected, half of
    its level goes to the other tests of the same family and level. The rest goes from level 0 to
    the finer levels of the family in proportion to their shares, and from a finer level (or from
    level 0, if there is none) to the first questions of all families.

    Args:
        p_values: (N,) each in [0, 1]; NaN for what was not tested.
        families: (N,) the family of each test, say the attribute that it is about.
        levels: (N,) integers; 0 for the first question of a family.
        shares: (L,) non-negative parts of alpha, one a level. They are divided by their sum over
            the levels that have tests.
        weights: (N,) positive; None for equal ones. They may depend on sample sizes, but not on
            outcomes. A slice of few samples needs more of the level than a large one: `1 - share of
            the samples` is a good choice for one-sided tests of each value against the rest.
        alpha: bound on the probability of any false rejection, between 0 and 1.

    Returns:
        Adjusted p-values and the levels given.

    Raises:
        ValueError: lengths differ, or a number is out of range.

    Reference:
        Validity: J. J. Goeman and A. Solari, "The sequential rejection principle of familywise
        error control", Annals of Statistics 38 (2010) 3782-3810, theorem 1: each level grows with
        the set of rejected tests, and the levels of those not rejected never sum to more than
        alpha. Passing on of levels: F. Bretz, W. Maurer, W. Brannath and M. Posch, "A graphical
        approach to sequentially rejective multiple test procedures", Statistics in Medicine 28
        (2009) 586-604.
    """
    values = np.asarray(p_values, dtype=np.float64)
    level_of = np.asarray(levels, dtype=np.int64)
    part = np.asarray(shares, dtype=np.float64)
    weight = np.ones_like(values) if weights is None else np.asarray(weights, dtype=np.float64)
    _check(values, families, level_of, part, weight, alpha)
    adjusted, given = np.full(len(values), np.nan), np.full(len(values), np.nan)
    tested = np.flatnonzero(~np.isnan(values))
    if len(tested):
        graph = _Graph.of(
            [families[k] for k in tested.tolist()], level_of[tested], part, weight[tested]
        )
        adjusted[tested], given[tested] = _reject(values[tested], graph, alpha)
    return Gatekept(adjusted, given)


def _reject(values: Floats, graph: _Graph, alpha: float) -> tuple[Floats, Floats]:
    """Rejects the tests one after another; adjusted p-values, and levels at alpha."""
    adjusted = np.ones(len(values))
    rejected = np.zeros(len(values), dtype=bool)
    held = graph.held(rejected)
    level = alpha * held
    reached = 0.0
    while not rejected.all():
        with np.errstate(divide="ignore", invalid="ignore"):
            needed = np.where(values > 0, values / held, 0.0)
        needed[rejected] = np.inf
        reached = max(reached, float(needed.min()))
        if reached >= 1:
            break
        now = needed <= reached
        adjusted[now] = reached
        rejected |= now
        held = graph.held(rejected)
        if reached <= alpha:
            level = np.where(rejected, level, alpha * held)
    return np.fmax(adjusted, values), level


@dataclass(frozen=True, slots=True)
class _Graph:
    """How the level of rejected tests is passed on; everything as a part of alpha.

    Attributes:
        family: (N,) number of each test's family.
        level: (N,) number of each test's level.
        weight: (N,) part of its group, which is the tests of one family and level.
        start: (F, L) what each group holds at first.
        finer: (F, L) parts in which level 0 passes on to finer levels; rows of zeros without any.
        first: (F,) parts in which families share what is left over.
    """

    family: Integers
    level: Integers
    weight: Floats
    start: Floats
    finer: Floats
    first: Floats

    @classmethod
    def of(
        cls, families: Sequence[Hashable], level: Integers, shares: Floats, weight: Floats
    ) -> _Graph:
        place: dict[Hashable, int] = {}
        family = np.array([place.setdefault(one, len(place)) for one in families], dtype=np.int64)
        whole = np.zeros((len(place), len(shares)))
        np.add.at(whole, (family, level), weight)
        present = whole > 0
        used = np.where(present.any(0), shares, 0.0)
        start = present * used / used.sum() / np.maximum(present.sum(0), 1)
        finer = np.where(present, shares, 0.0)
        finer[:, 0] = 0.0
        finer /= np.maximum(finer.sum(1, keepdims=True), np.finfo(float).tiny)
        first = present[:, 0] / max(int(present[:, 0].sum()), 1)
        return cls(family, level, weight / whole[family, level], start, finer, first)

    def held(self, rejected: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Floats:
        """(N,) what each test holds, once these are rejected; of use for the others only."""
        done = np.zeros_like(self.start)
        np.add.at(done, (self.family, self.level), self.weight * rejected)
        # A group that is given A passes on A * done, and half of that comes back to the group,
        # where its rejected tests pass on their part again: a geometric series.
        growth = 1 / (1 - _KEPT * done)
        passed = (1 - _KEPT) * done * growth
        # What flows into the common pool is linear in what flows out of it: fixed + slope * pool.
        inflow = np.zeros_like(self.start)
        inflow[:, 0] = self.first
        fixed = self._left_over(passed, self.start).sum()
        kept = 1 - self._left_over(passed, inflow).sum()
        pool = fixed / kept if kept > 1e-9 else 0.0  # else everything is rejected
        group = self.start + pool * inflow
        group += self.finer * (passed[:, 0] * group[:, 0])[:, None]
        return np.asarray((group * growth)[self.family, self.level] * self.weight)

    def _left_over(self, passed: Floats, group: Floats) -> Floats:
        """(F,) what each family passes on to the pool, its groups holding this at first."""
        from_first = passed[:, 0] * group[:, 0]
        has_finer = self.finer.sum(1) > 0
        finer = group + self.finer * from_first[:, None]
        out = (passed * finer)[:, 1:].sum(1)
        return np.asarray(out + np.where(has_finer, 0.0, from_first))


def _check(
    values: Floats,
    families: Sequence[Hashable],
    levels: Integers,
    shares: Floats,
    weights: Floats,
    alpha: float,
) -> None:
    lengths = {len(values), len(families), len(levels), len(weights)}
    if len(lengths) != 1 or values.ndim != 1:
        raise ValueError(
            f"expected one p-value, family, level and weight a test; got lengths {sorted(lengths)}"
        )
    known = values[~np.isnan(values)]
    if bool(np.any((known < 0) | (known > 1))):
        raise ValueError("expected p-values in [0, 1], or NaN for what was not tested")
    if len(levels) and (levels.min() < 0 or levels.max() >= len(shares)):
        raise ValueError(
            f"expected levels from 0 to {len(shares) - 1}, one share each; got levels from "
            f"{levels.min()} to {levels.max()}: give a share to every level"
        )
    if not (bool(np.all(shares > 0)) and bool(np.all(weights > 0)) and 0 < alpha < 1):
        raise ValueError(
            "expected positive shares and weights, and an alpha between 0 and 1; got others: "
            "leave out levels that are to have nothing"
        )
