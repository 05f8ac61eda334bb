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
from auditor.statistics import Floats, Integers, Interval, mcnemar, sign_flip, wilson

Mask = NDArray[np.bool_]

_LOOKED_AT = 3
"""Small windows, those that the maps point at most, that are tried beside the coarse ones."""
_TRIED_FURTHER = 8
"""Regions, those that promise most, that are tried in every way."""
_HOSTS = 2
"""Times as many pictures are given the failures' content as are mended: a turn is rarer."""


@dataclass(frozen=True)
class Group:
    """Failures called a class, and pictures that the model recognises, none in two groups.

    Attributes:
        rows: (n,) positions of failures called the class.
        label: (n,) their labels' indices.
        lenders: (n,) positions of recognised pictures, each of another label than its failure's and
            not of the class; None where some failure has no such picture.
        own: (at most n,) positions of recognised pictures of the class.
        hosts: (m,) positions of recognised pictures of other labels, drawn at random.
        givers: (m,) positions of failures called the class, those above among them; where there are
            more hosts, again in turn.
        plain: (m,) positions of recognised pictures, each of its giver's label where there is one.
    """

    rows: Integers
    label: Integers
    lenders: Integers | None
    own: Integers
    hosts: Integers
    givers: Integers
    plain: Integers

    def fills(self, model: Oracle) -> Fills:
        """The failures with what their regions may be replaced with."""
        lenders = None if self.lenders is None else model.pictures(self.lenders)
        return Fills.of(model.pictures(self.rows), lenders)

    def hosted(self, model: Oracle) -> tuple[Pictures, Pictures, Pictures]:
        """Pictures of the hosts, of their givers, and of those that are plain."""
        hosts, givers, plain = (
            model.pictures(rows) for rows in (self.hosts, self.givers, self.plain)
        )
        return hosts, givers, plain


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
            (failures[:first], failures[:first], known[::2], search),
            (failures[first:][:test], failures[first:], known[1::2], _HOSTS * test),
        )
        groups = [_group(label, code, generator, *part) for part in parts]
        return cls(code, len(failures), *groups)


def _group(
    label: Integers,
    code: int,
    generator: np.random.Generator,
    rows: Integers,
    givers: Integers,
    pool: Integers,
    most: int,
) -> Group:
    own, strangers = pool[label[pool] == code], pool[label[pool] != code]
    lenders = np.full(len(rows), -1, dtype=np.int64)
    for one in np.unique(label[rows]):
        others = strangers[label[strangers] != one]
        mine = label[rows] == one
        if len(others):
            lenders[mine] = generator.choice(others, int(mine.sum()))
    hosts = strangers[:most]
    givers = np.resize(givers, len(hosts))
    plain = np.empty_like(givers)
    for one in np.unique(label[givers]):
        alike = strangers[label[strangers] == one]
        mine = label[givers] == one
        plain[mine] = generator.choice(alike if len(alike) else strangers, int(mine.sum()))
    lent = lenders if (lenders >= 0).all() else None
    return Group(rows, label[rows], lent, own[: len(rows)], hosts, givers, plain)


@dataclass(frozen=True)
class Place:
    """A region and what it is replaced with."""

    region: Region
    way: Fill


def place_of(model: Oracle, mistaken: Mistaken) -> Place:
    """Where, and with what, replacing mends the search failures most, and brings about others.

    Tried are the coarse windows, the frame, strips, and the small windows that the maps of the class
    point at more in failures called it than in its own pictures. A region's score is how much the
    label's probability rises in the failures when it is replaced, plus how much more likely the class
    is in recognised pictures of other labels with the failures' content of it than with that of plain
    pictures. All are in-painted; those that promise most are tried in every way.
    """
    group = mistaken.search
    fills = group.fills(model)
    hosts, givers, plain = group.hosted(model)
    before = _mean(model, fills.pictures, group.label)

    @cache
    def mended(place: Place) -> float:
        return _mean(model, fills.replaced(place.region, place.way), group.label) - before

    @cache
    def given(region: Region) -> float:
        return _mean(model, borrowed(hosts, givers, region), mistaken.code)

    @cache
    def foreign(region: Region) -> float:
        return _mean(model, borrowed(hosts, plain, region), mistaken.code)

    def score(place: Place) -> float:
        return mended(place) + given(place.region) - foreign(place.region)

    regions = [*coarse(), *bands(), *_pointed_at(model, mistaken)]
    regions.sort(key=lambda one: -mended(Place(one, "in-painted")) - given(one))
    return sought(
        score,
        [Place(region, way) for region in regions[:_TRIED_FURTHER] for way in fills.ways],
        lambda best: [Place(region, best.way) for region in finer(best.region)],
    )


def _mean(model: Oracle, pictures: Pictures, target: Integers | int) -> float:
    """Mean probability of a class, or of one class each."""
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
class Trial:
    """A place, tried on the failures for the test.

    Attributes:
        place: the region, and what it was replaced with.
        mended: (n,) whether the failures are recognised with the region replaced.
        mended_elsewhere: (n,) likewise with a random other place of the same size replaced.
        mended_when: the share of them that are recognised, with each fill.
        turned: (m,) whether the hosts are called the class with the failures' content of the region.
        turned_by_plain: (m,) likewise with plain pictures' content of the region.
        givers: (m,) whose content it was.
    """

    place: Place
    mended: Mask
    mended_elsewhere: Mask
    mended_when: Mapping[Fill, Interval]
    turned: Mask
    turned_by_plain: Mask
    givers: Integers

    @property
    def needed(self) -> tuple[Interval, float]:
        """Share mended here less elsewhere, and the p-value of McNemar's test of the two."""
        only_here = [(self.mended & ~self.mended_elsewhere).sum()]
        only_elsewhere = [(self.mended_elsewhere & ~self.mended).sum()]
        found = mcnemar(only_here, only_elsewhere, [len(self.mended)])
        return found.change[0], float(found.p_value[0])

    def enough(self, seed: int) -> tuple[Interval, float]:
        """Share turned less that turned by plain pictures, and the p-value by sign flips.

        What one failure gives to several hosts counts once.
        """
        _, giver = np.unique(self.givers, return_inverse=True)
        more = self.turned.astype(np.float64) - self.turned_by_plain
        found = sign_flip(np.bincount(giver, more) / np.bincount(giver), seed=seed)
        return found.change, found.p_value


def tried(model: Oracle, mistaken: Mistaken, place: Place, seed: int) -> Trial:
    """Replaces the region in the failures for the test, and puts it into recognised pictures."""
    group, region = mistaken.test, place.region
    fills = group.fills(model)
    hosts, givers, plain = group.hosted(model)
    elsewhere = region.elsewhere(len(group.rows), np.random.default_rng([seed, mistaken.code]))

    def mended(way: Fill, regions: Regions) -> Mask:
        called = model.predict(fills.replaced(regions, way)).argmax(1)
        return np.asarray(called == group.label, dtype=np.bool_)

    def turned(content: Pictures) -> Mask:
        called = model.predict(borrowed(hosts, content, region)).argmax(1)
        return np.asarray(called == mistaken.code, dtype=np.bool_)

    done = {way: mended(way, region) for way in fills.ways}
    return Trial(
        place,
        done[place.way],
        mended(place.way, elsewhere),
        {way: share(one) for way, one in done.items()},
        turned(givers),
        turned(plain),
        group.givers,
    )


def share(done: Mask) -> Interval:
    """The share of those that are, with its interval."""
    return wilson([done.sum()], [len(done)])[0]
