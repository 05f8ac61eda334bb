"""Attention shift: does the model look elsewhere for one attribute value, within a class?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from auditor.imaging.location import evidence_shares, grid, place_name
from auditor.phrasing import effect, interval, percent, points, whom
from auditor.records import MISSING, AuditData, Claim, Examination, Skipped, SliceKey
from auditor.registry import Options, plugin
from auditor.statistics import Floats, Integers, MeanGap, map_difference, stratified_mean_gap

NAME = "attention-shift"
_SHOWN = 12
_STANDS_OUT = 2.0
"""Welch's t from which on a place belongs to the region that evidence moves to."""


@plugin("check", NAME)
class AttentionShift(Options):
    """Does the model look elsewhere for one attribute value than for the others of a class?

    Compared are Grad-CAMs of the label, of samples drawn at random, each as shares of its own
    evidence: how much evidence there is depends on the confidence, where it lies does not. The test
    permutes the values within labels and takes the largest difference over all places. How much
    evidence moves is measured on one half of the maps, in the region that the other half showed.
    A map accuses nobody, so this is never graver than a note.

    Reference:
        T. E. Nichols and A. P. Holmes, "Nonparametric permutation tests for functional
        neuroimaging", Human Brain Mapping 15 (2002) 1-25.
    """

    min_shift: float = Field(0.1, ge=0, le=1)
    """Smallest share of the evidence whose moving is told; its interval must lie above."""
    min_maps: int = Field(12, ge=4)
    """Smallest number of maps with evidence on each side."""
    permutations: int = Field(1999, ge=99)
    """Random orders; the smallest p-value is one in so many and one."""

    def examine(self, audit: AuditData) -> Examination:
        """Compares the maps of every attribute value with those of the others."""
        if audit.maps is None:
            return Examination(
                skipped=(Skipped(check=NAME, reason="no attribution maps of attribute values"),)
            )
        claims: list[Claim] = []
        skipped: list[Skipped] = []
        for name in audit.attributes:
            sides = _Sides(audit, name)
            found = [
                claim
                for value in sides.accused
                for label in (None, *sides.labels)
                for claim in self._compared(audit, sides, value, label)
            ]
            claims += found
            if not found:
                reason = f"{name}: fewer than {self.min_maps} maps on each side, in every class"
                skipped.append(Skipped(check=NAME, reason=reason))
        return Examination(tuple(claims), tuple(skipped))

    def _compared(
        self, audit: AuditData, sides: _Sides, value: str, label: str | None
    ) -> Iterator[Claim]:
        maps = sides.of(value, label)
        if min(maps.inside.sum(), (~maps.inside).sum()) < self.min_maps:
            return
        tested = map_difference(
            maps.share[maps.inside],
            maps.share[~maps.inside],
            maps.strata[maps.inside],
            maps.strata[~maps.inside],
            n_permutations=self.permutations,
            seed=audit.seed,
        )
        moved = _moved(maps, audit.seed)
        gap = moved.found.gap
        key = SliceKey(attributes={sides.name: value}, label=label)
        among = percent(moved.among_slice)
        n_slice = int(maps.inside.sum())
        title = (
            f"For {whom(key)}, {among} of the evidence lies at the {moved.place}; "
            f"{percent(moved.among_rest)} for the others"
        )
        yield Claim(
            check=NAME,
            title=title,
            slice=key,
            # Without an effect the test counts, and nothing is told of it.
            effect=effect("share of the evidence that moves", gap)
            if gap.low > self.min_shift
            else None,
            limit=self.min_shift,
            p_value=tested.p_value,
            support=n_slice,
            samples=tuple(audit.predictions["sample"].iloc[moved.rows].astype(str)),
            statement=f"In the Grad-CAMs of {n_slice} {whom(key)}, drawn at random, "
            f"{among} of the evidence for the label lies at the {moved.place}; in "
            f"{len(maps.rows) - n_slice} others of the same labels, {percent(moved.among_rest)}: "
            f"{points(gap.value)} move ({interval(gap, ' points')}).",
            action="Look at what these images show at that place, and whether it belongs to the "
            "object.",
            limits="A map shows where the evidence comes from, not that it misleads: that, "
            "region-reliance and the error rates say.",
            evidence={
                "place": moved.place,
                "mean_map": grid(maps.share[maps.inside].mean(0)),
                "mean_map_of_others": grid(maps.share[~maps.inside].mean(0)),
                "difference": grid(tested.difference),
                "largest_standardised_difference": float(np.abs(tested.effect).max()),
            },
            ceiling="note",
        )


@dataclass(frozen=True)
class _Stack:
    """Maps of an attribute value and of the others.

    Attributes:
        rows: (n,) positions in the predictions.
        share: (n, h, w) shares of each map's evidence.
        inside: (n,) whether the sample has the value.
        strata: (n,) labels as indices.
    """

    rows: Integers
    share: Floats
    inside: NDArray[np.bool_]
    strata: Integers


class _Sides:
    """The maps of one attribute.

    Attributes:
        name: of the attribute.
        labels: those that occur among its maps.
        accused: values to compare with the others: of two, the one with more failures, because the
            comparison of the other is the same one.
    """

    def __init__(self, audit: AuditData, name: str) -> None:
        assert audit.maps is not None
        self.name = name
        self._evidence = audit
        self._cells = [
            cell for cell in audit.maps.cells if cell.attribute == name and cell.value != MISSING
        ]
        frame = audit.predictions
        self.labels = tuple(dict.fromkeys(cell.label for cell in self._cells))
        values = list(dict.fromkeys(cell.value for cell in self._cells))
        rate = frame.groupby(name, observed=True)["failure"].mean()
        worst = sorted(values, key=lambda value: -float(rate.get(value, 0.0)))
        self.accused = tuple(worst[:1] if len(values) == 2 else worst if len(values) > 2 else ())

    def of(self, value: str, label: str | None) -> _Stack:
        """The maps of a value and of the others, within a label or within all of them."""
        assert self._evidence.maps is not None
        cells = [cell for cell in self._cells if label is None or cell.label == label]
        both = {cell.label for cell in cells if cell.value == value}
        both &= {cell.label for cell in cells if cell.value != value}
        cells = [cell for cell in cells if cell.label in both]
        if not cells:
            return _Stack(
                np.zeros(0, np.int64), np.zeros((0, 1, 1)), np.zeros(0, bool), np.zeros(0, np.int64)
            )
        rows = np.concatenate([cell.rows for cell in cells])
        inside = np.concatenate([np.full(len(c.rows), c.value == value) for c in cells])
        codes = np.concatenate(
            [np.full(len(c.rows), self._evidence.classes.index(c.label)) for c in cells]
        )
        share, some = evidence_shares(self._evidence.maps.of(rows))
        return _Stack(rows[some], share[some], inside[some], codes[some])


@dataclass(frozen=True)
class _Moved:
    """How much evidence moves, and where to."""

    found: MeanGap
    place: str
    among_slice: float
    among_rest: float
    rows: Integers


def _moved(maps: _Stack, seed: int) -> _Moved:
    """Measures on each half of the maps what lies in the region that the other half shows."""
    n = len(maps.rows)
    # SampleSplit of each side of each label, so that both are alike; each side is numbered through, so
    # that labels with a single map do not all fall into one half.
    order = np.lexsort((np.random.default_rng(seed).random(n), maps.strata, maps.inside))
    half = np.zeros(n, dtype=np.int64)
    half[order] = np.arange(n) % 2
    value = np.zeros(n)
    weights = np.zeros(maps.share.shape[1:])
    for k in (0, 1):
        region = _region(maps, half != k)
        value[half == k] = maps.share[half == k][:, region].sum(1)
        weights += region * np.maximum(
            maps.share[maps.inside].mean(0) - maps.share[~maps.inside].mean(0), 1e-12
        )
    found = stratified_mean_gap(
        value, maps.inside, 2 * maps.strata + half, n_permutations=0, seed=seed
    )
    rest = float(value[~maps.inside].mean())
    shown = np.flatnonzero(maps.inside)
    shown = shown[np.argsort(-value[shown], kind="stable")[:_SHOWN]]
    return _Moved(found, place_name(weights), rest + found.gap.value, rest, maps.rows[shown])


def _region(maps: _Stack, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Places where the chosen maps of the value hold more evidence than those of the others."""
    one, two = chosen & maps.inside, chosen & ~maps.inside
    t = map_difference(
        maps.share[one],
        maps.share[two],
        maps.strata[one],
        maps.strata[two],
        n_permutations=0,
    ).statistic
    return np.asarray(t >= min(_STANDS_OUT, float(t.max())), dtype=np.bool_)
