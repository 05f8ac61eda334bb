"""Failures that one class is called for: what mends them, and what brings them about elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from auditor.checks._fills import Fill, Fills, Regions, borrowed
from auditor.checks._regions import Pictures, Region, attention, bands, coarse, finer, small, sought
from auditor.records import Evidence, Oracle
from auditor.statistics import Floats, Integers, Interval, Intervals, mcnemar, wilson

Mask = NDArray[np.bool_]

_LOOKED_AT = 3
"""Small windows, those that the maps point at most, that are tried beside the coarse ones."""
_TRIED_ALL_WAYS = 6
"""Regions, the best when in-painted, that are tried with every fill."""
_GIVERS = 2
"""Times as many failures give their content as are mended: a turn is rarer than a mending."""


@dataclass(frozen=True)
class Group:
    """Failures called a class, and pictures that the model recognises, none in two groups.

    Attributes:
        rows: (n,) positions of failures called the class.
        label: (n,) their labels' indices.
        lenders: (n,) positions of recognised pictures, each of another label than its failure's and
            not of the class; None where some failure has no such picture.
        own: (at most n,) positions of recognised pictures of the class.
        givers: (m,) positions of failures called the class, those above among them.
        hosts: (m,) positions of recognised pictures of other labels, drawn at random.
    """

    rows: Integers
    label: Integers
    lenders: Integers | None
    own: Integers
    givers: Integers
    hosts: Integers

    def fills(self, model: Oracle) -> Fills:
        """The failures with what their regions may be replaced with."""
        lenders = None if self.lenders is None else model.pictures(self.lenders)
        return Fills.of(model.pictures(self.rows), lenders)

    def given(self, model: Oracle) -> tuple[Pictures, Pictures]:
        """Pictures of the givers and of their hosts."""
        return model.pictures(self.givers), model.pictures(self.hosts)


@dataclass(frozen=True)
class Mistaken:
    """The failures called one class, some to search on and others to test on.

    Attributes:
        code: index of the class.
        total: how many failures are called it.
        search: to find the region on.
        test: to test it on.
    """

    code: int
    total: int
    search: Group
    test: Group

    @classmethod
    def drawn(cls, evidence: Evidence, code: int, search: int, test: int) -> Mistaken:
        """Draws a third of the failures for the search, at most, and of the rest those to test.

        Args:
            evidence: of the audit; at least three failures are called the class.
            code: index of the class.
            search: largest number of failures to search on.
            test: largest number of failures to test on.
        """
        frame = evidence.predictions
        generator = np.random.default_rng([evidence.seed, code])
        label, predicted = (
            np.asarray(frame[name].cat.codes, dtype=np.int64) for name in ("label", "predicted")
        )
        failures = generator.permutation(np.flatnonzero((predicted == code) & (label != code)))
        known = generator.permutation(np.flatnonzero(predicted == label))
        first = min(search, len(failures) // 3)
        parts = (
            (failures[:first], failures[:first], known[::2]),
            (failures[first:][:test], failures[first:][: _GIVERS * test], known[1::2]),
        )
        groups = [_group(label, *part, code, generator) for part in parts]
        return cls(code, len(failures), *groups)


def _group(
    label: Integers,
    rows: Integers,
    givers: Integers,
    pool: Integers,
    code: int,
    generator: np.random.Generator,
) -> Group:
    own, strangers = pool[label[pool] == code], pool[label[pool] != code]
    lenders = np.full(len(rows), -1, dtype=np.int64)
    for one in np.unique(label[rows]):
        others = strangers[label[strangers] != one]
        mine = label[rows] == one
        if len(others):
            lenders[mine] = generator.choice(others, int(mine.sum()))
    m = min(len(givers), len(strangers))
    return Group(
        rows,
        label[rows],
        lenders if (lenders >= 0).all() else None,
        own[: len(rows)],
        givers[:m],
        strangers[:m],
    )


@dataclass(frozen=True)
class Place:
    """A region and what it is replaced with."""

    region: Region
    way: Fill


def place_of(model: Oracle, mistaken: Mistaken) -> Place:
    """Where, and with what, replacing mends the search failures most, and brings about others.

    Each region is scored by how much the label's probability rises in the failures when it is
    replaced, plus how much that of the class rises in recognised pictures of other labels that are
    given the failures' content of it. Tried are the coarse windows, the frame, strips, and the small
    windows that the maps of the class point at more in failures called it than in its own pictures:
    in-painted first, and where that does best, in the other ways as well.
    """
    group = mistaken.search
    fills = group.fills(model)
    givers, hosts = group.given(model)
    before = _mean(model, fills.pictures, group.label), _mean(model, hosts, mistaken.code)

    @cache
    def brought(region: Region) -> float:
        return _mean(model, borrowed(hosts, givers, region), mistaken.code) - before[1]

    @cache
    def score(place: Place) -> float:
        done = fills.replaced(place.region, place.way)
        return _mean(model, done, group.label) - before[0] + brought(place.region)

    regions = [*coarse(), *bands(), *_pointed_at(model, mistaken)]
    first = sorted((Place(one, "in-painted") for one in regions), key=lambda one: -score(one))
    places = [Place(one.region, way) for one in first[:_TRIED_ALL_WAYS] for way in fills.ways]
    return sought(
        score, places, lambda best: [Place(region, best.way) for region in finer(best.region)]
    )


def _mean(model: Oracle, pictures: Pictures, target: Integers | int) -> float:
    """Mean probability of a class, or of one class each; 0 without pictures."""
    if len(pictures) == 0:
        return 0.0
    return float(model.predict(pictures)[np.arange(len(pictures)), target].mean())


def looked(
    model: Oracle, group: Group, code: int, regions: Sequence[Region]
) -> tuple[Floats, Floats]:
    """Shares of the maps' evidence for the class in some regions.

    Returns:
        In the failures, and in the pictures of the class that are recognised: (R,) means; NaN where
        no map has any evidence.
    """
    return _means(model, group.rows, code, regions), _means(model, group.own, code, regions)


def _means(model: Oracle, rows: Integers, code: int, regions: Sequence[Region]) -> Floats:
    if len(rows) == 0:
        return np.full(len(regions), np.nan)
    cams = model.cams(rows, np.full(len(rows), code, dtype=np.int64))
    parts = np.array([attention(cams, region) for region in regions])
    some = ~np.isnan(parts[0])
    return parts[:, some].mean(1) if some.any() else np.full(len(regions), np.nan)


def _pointed_at(model: Oracle, mistaken: Mistaken) -> list[Region]:
    """Small windows where the maps of the class have more evidence in failures than in its own."""
    regions = small()
    failures, own = looked(model, mistaken.search, mistaken.code, regions)
    more = np.nan_to_num(failures) - np.nan_to_num(own)
    return [regions[k] for k in np.argsort(-more, kind="stable")[:_LOOKED_AT]]


@dataclass(frozen=True)
class Change:
    """What one change of pictures does at the region, and at a random other place of each.

    Attributes:
        here: (n,) whether the prediction became the one in question.
        elsewhere: (n,) whether it did so with the other place changed.
    """

    here: Mask
    elsewhere: Mask

    @property
    def more(self) -> tuple[Interval, float]:
        """Share here less share elsewhere, and the p-value of McNemar's test of the two."""
        only = [(self.here & ~self.elsewhere).sum()], [(self.elsewhere & ~self.here).sum()]
        found = mcnemar(*only, [len(self.here)])
        return found.change[0], float(found.p_value[0])

    @property
    def shares(self) -> Intervals:
        """Share here, and share elsewhere."""
        return wilson([self.here.sum(), self.elsewhere.sum()], [len(self.here)] * 2)


@dataclass(frozen=True)
class Trial:
    """A place, tried on the failures for the test.

    Attributes:
        place: the region, and what it was replaced with.
        mended: by fill: whether the failures are then recognised.
        turned: whether recognised pictures of other labels are called the class once they have the
            failures' content of the region.
    """

    place: Place
    mended: Mapping[Fill, Change]
    turned: Change


def tried(model: Oracle, mistaken: Mistaken, place: Place, seed: int) -> Trial:
    """Replaces the region in the failures for the test, and puts it into recognised pictures."""
    group = mistaken.test
    generator = np.random.default_rng([seed, mistaken.code])
    fills = group.fills(model)
    givers, hosts = group.given(model)
    away = place.region.elsewhere(len(group.rows), generator)
    away_in_hosts = place.region.elsewhere(len(hosts), generator)

    def mended(way: Fill, regions: Regions) -> Mask:
        called = model.predict(fills.replaced(regions, way)).argmax(1)
        return np.asarray(called == group.label, dtype=np.bool_)

    def turned(regions: Regions) -> Mask:
        called = model.predict(borrowed(hosts, givers, regions)).argmax(1)
        return np.asarray(called == mistaken.code, dtype=np.bool_)

    return Trial(
        place,
        {way: Change(mended(way, place.region), mended(way, away)) for way in fills.ways},
        Change(turned(place.region), turned(away_in_hosts)),
    )
