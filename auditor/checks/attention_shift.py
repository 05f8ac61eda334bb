"""Attention shift: is the evidence at another place for one attribute value, within a class?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from auditor.checks import Check, Need
from auditor.discovery.sample_splitting import half_of_clusters
from auditor.imaging.location import evidence_shares, grid, place_name
from auditor.phrasing import attribute_name, interval, percent, points, whom
from auditor.records import (
    MISSING,
    AuditData,
    Claim,
    ClaimKind,
    Effect,
    Examination,
    MapShift,
    Quantities,
    Quantity,
    Skipped,
    SliceKey,
)
from auditor.registry import plugin
from auditor.statistics import (
    Floats,
    Integers,
    MapDifference,
    MeanGap,
    clustered_map_difference,
    clustered_mean_gap,
    map_difference,
    stratified_mean_gap,
)

NAME = "attention-shift"
_SHOWN = 12
"""Samples that are listed at most."""
_MIN_STATISTIC = 2.0
"""Welch's t from which on a place belongs to the region with more evidence."""

Mask = NDArray[np.bool_]


@plugin("check", NAME)
class AttentionShift(Check):
    """Is the evidence at another place for one attribute value than for the others of a class?

    The check compares Grad-CAMs of the label, of samples drawn at random, as shares of each map's
    evidence: the amount of evidence depends on the confidence, its place does not. The test permutes
    the values within labels and uses the largest difference over all places. The share of evidence
    that shifts is measured on one half of the maps, in the region that the other half shows. Maps alone
    prove no failure, so the severity is never higher than a note.

    Reference:
        T. E. Nichols and A. P. Holmes, "Nonparametric permutation tests for functional
        neuroimaging", Human Brain Mapping 15 (2002) 1-25.
    """

    kind: ClassVar[ClaimKind] = "map"
    handles_clusters: ClassVar[bool] = True
    needs: ClassVar[frozenset[Need]] = frozenset({"maps"})

    min_shift: float = Field(0.1, ge=0, le=1)
    """Smallest shift of the evidence that is reported (a share); its interval must lie above it."""
    min_maps: int = Field(12, ge=4)
    """Smallest number of maps with evidence on each side."""
    permutations: int = Field(1999, ge=99, le=10_000_000)
    """Number of permutations; the smallest possible p-value is 1 / (permutations + 1)."""

    def examine(self, audit: AuditData) -> Examination:
        """Compares the maps of every attribute value with those of the others."""
        if audit.maps is None:
            return Examination(skipped=(_skipped("no attribution maps of attribute values"),))
        claims: list[Claim] = []
        skipped: list[Skipped] = []
        for name in audit.attributes:
            maps = _AttributeMaps(audit, name)
            found = [
                claim
                for value in maps.compared_values
                for label in (None, *maps.labels)
                for claim in self._compared(audit, maps, value, label)
            ]
            claims += found
            if not found:
                skipped.append(
                    _skipped(
                        f"{attribute_name(name)}: fewer than {self.min_maps} maps on each side, in every "
                        "class"
                    )
                )
        return Examination(tuple(claims), tuple(skipped))

    def _compared(
        self, audit: AuditData, attribute: _AttributeMaps, value: str, label: str | None
    ) -> Iterator[Claim]:
        """The claim on a value, if there are enough maps."""
        maps = attribute.of(value, label)
        if min(maps.inside.sum(), (~maps.inside).sum()) < self.min_maps:
            return
        tested = _tested(audit, maps, self.permutations)
        if np.isnan(tested.p_value):
            return
        clusters = audit.clusters
        cluster = None if clusters is None else clusters.of_sample[maps.rows]
        shift = measure_shift(maps, audit.seed, cluster)
        gap, n_slice = shift.found.gap, int(maps.inside.sum())
        key = SliceKey(attributes={attribute.name: value}, label=label)
        in_slice, in_rest = percent(shift.in_slice), percent(shift.in_rest)
        effect = Effect.measured("share of the evidence that shifts", gap, "points")
        yield Claim(
            check=NAME,
            kind=self.kind,
            title=f"Evidence at the {shift.place}: {in_slice} for {whom(key)}, {in_rest} for others",
            slice=key,
            effect=effect if gap.low > self.min_shift else None,
            limit=self.min_shift,
            p_value=tested.p_value,
            support=n_slice,
            samples=tuple(audit.predictions["sample"].iloc[shift.rows].astype(str)),
            statement=(
                (
                    f"In the Grad-CAMs of {n_slice} {whom(key)}, drawn at random, {in_slice} of the "
                    f"evidence for the label lies at the {shift.place}; in "
                    f"{len(maps.rows) - n_slice} others of the same labels, {in_rest}."
                ),
                f"The difference is {points(gap.value)} ({interval(gap, ' points')}).",
            ),
            action="Look at what these images show at that place, and whether it belongs to the object.",
            limits="A map shows where the evidence is, not that it misleads the model; region-reliance and "
            "the error rates examine that.",
            evidence=_evidence(maps, tested, shift),
            ceiling="note",
        )


def _tested(audit: AuditData, maps: _MapSample, permutations: int) -> MapDifference:
    """The difference of the maps, with a test that permutes values or clusters."""
    inside, strata = maps.inside, maps.strata
    stacks = maps.share[inside], maps.share[~inside]
    if audit.clusters is None:
        return map_difference(
            *stacks, strata[inside], strata[~inside], n_permutations=permutations, seed=audit.seed
        )
    cluster = audit.clusters.of_sample[maps.rows]
    return clustered_map_difference(
        *stacks,
        cluster[inside],
        cluster[~inside],
        strata[inside],
        strata[~inside],
        n_permutations=permutations,
        seed=audit.seed,
    )


@dataclass(frozen=True)
class _MapSample:
    """Maps of an attribute value and of the others.

    Attributes:
        rows: (n,) positions in ``AuditData.predictions``.
        share: (n, h, w) shares of each map's evidence.
        inside: (n,) whether the sample has the value.
        strata: (n,) class indices of the labels.
    """

    rows: Integers
    share: Floats
    inside: Mask
    strata: Integers


class _AttributeMaps:
    """The maps that were drawn for one attribute.

    Attributes:
        name: name of the attribute.
        labels: the labels of its maps.
        compared_values: values to compare with the others; with two values only the one with the higher
            error rate, because the comparison is symmetric.
    """

    def __init__(self, audit: AuditData, name: str) -> None:
        assert audit.maps is not None
        self.name = name
        self._maps, self._classes = audit.maps, audit.classes
        self._cells = [
            cell for cell in audit.maps.cells if cell.attribute == name and cell.value != MISSING
        ]
        self.labels = tuple(dict.fromkeys(cell.label for cell in self._cells))
        values = list(dict.fromkeys(cell.value for cell in self._cells))
        rate = audit.predictions.groupby(name, observed=True)["failure"].mean()
        ordered = sorted(values, key=lambda value: -float(rate.get(value, 0.0)))
        self.compared_values = tuple(ordered[:1] if len(values) == 2 else ordered)
        if len(values) < 2:
            self.compared_values = ()

    def of(self, value: str, label: str | None) -> _MapSample:
        """The maps of a value and of the others, with one label or with all of them."""
        cells = [cell for cell in self._cells if label is None or cell.label == label]
        both = {cell.label for cell in cells if cell.value == value}
        both &= {cell.label for cell in cells if cell.value != value}
        cells = [cell for cell in cells if cell.label in both]
        if not cells:
            none = np.zeros(0, np.int64)
            return _MapSample(none, np.zeros((0, 1, 1)), np.zeros(0, bool), none)
        rows = np.concatenate([cell.rows for cell in cells])
        inside = np.concatenate([np.full(len(c.rows), c.value == value) for c in cells])
        strata = np.concatenate([np.full(len(c.rows), self._classes.index(c.label)) for c in cells])
        share, has_evidence = evidence_shares(self._maps.of(rows))
        return _MapSample(
            rows[has_evidence], share[has_evidence], inside[has_evidence], strata[has_evidence]
        )


@dataclass(frozen=True)
class _Shift:
    """How much of the evidence shifts, and to which place.

    Attributes:
        found: difference of the shares of evidence in the region.
        place: where the region is, in words.
        in_slice: share of the evidence in the region, for the value.
        in_rest: the same for the others.
        rows: positions of the samples of the value with the most evidence there.
    """

    found: MeanGap
    place: str
    in_slice: float
    in_rest: float
    rows: Integers


def measure_shift(maps: _MapSample, seed: int, cluster: Integers | None = None) -> _Shift:
    """Measures in each half of the maps the evidence in the region that the other half shows."""
    half = _halves(maps, seed, cluster)
    value = np.zeros(len(half))
    weights = np.zeros(maps.share.shape[1:])
    difference = maps.share[maps.inside].mean(0) - maps.share[~maps.inside].mean(0)
    for k in (0, 1):
        region = _region(maps, half != k)
        value[half == k] = maps.share[half == k][:, region].sum(1)
        weights += region * np.maximum(difference, 1e-12)
    strata = 2 * maps.strata + half
    found: MeanGap = (
        stratified_mean_gap(value, maps.inside, strata, n_permutations=0)
        if cluster is None
        else clustered_mean_gap(value, maps.inside, strata, cluster, n_permutations=0)
    )
    in_rest = float(value[~maps.inside].mean())
    members = np.flatnonzero(maps.inside)
    members = members[np.argsort(-value[members], kind="stable")[:_SHOWN]]
    return _Shift(
        found, place_name(weights), in_rest + found.gap.value, in_rest, maps.rows[members]
    )


def _halves(maps: _MapSample, seed: int, cluster: Integers | None) -> Integers:
    """Which half each map is in, 0 or 1; clusters are kept whole."""
    n = len(maps.rows)
    generator = np.random.default_rng(seed)
    if cluster is not None:
        side = 2 * maps.strata + maps.inside
        return half_of_clusters(cluster, side, generator).astype(np.int64)
    # Each side of each label is divided, so that the halves are alike; they are numbered consecutively
    # within a side, so that labels with a single map are not all in the same half.
    order = np.lexsort((generator.random(n), maps.strata, maps.inside))
    half = np.zeros(n, dtype=np.int64)
    half[order] = np.arange(n) % 2
    return half


def _region(maps: _MapSample, chosen: Mask) -> Mask:
    """Places (h, w) where the chosen maps of the value have more evidence than those of the others."""
    one, two = chosen & maps.inside, chosen & ~maps.inside
    statistic = map_difference(
        maps.share[one],
        maps.share[two],
        maps.strata[one],
        maps.strata[two],
        n_permutations=0,
    ).statistic
    return np.asarray(statistic >= min(_MIN_STATISTIC, float(statistic.max())), dtype=np.bool_)


def _evidence(
    maps: _MapSample, tested: MapDifference, shift: _Shift
) -> tuple[MapShift, Quantities]:
    largest = Quantity(
        name="largest standardised difference",
        value=float(np.abs(tested.effect).max()),
        unit="score",
    )
    return (
        MapShift(
            place=shift.place,
            mean_map=grid(maps.share[maps.inside].mean(0)),
            mean_map_of_others=grid(maps.share[~maps.inside].mean(0)),
            difference=grid(tested.difference),
        ),
        Quantities(items=(largest,)),
    )


def _skipped(reason: str) -> Skipped:
    return Skipped(check=NAME, reason=reason)
