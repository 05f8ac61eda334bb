"""Regions that bring failures about: sought on some, tried on others by two interventions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from auditor.discovery.sample_splitting import Mask
from auditor.interventions.failure_groups import Group, Mistaken
from auditor.interventions.infill import Infill, InfillMethod, Regions, borrowed
from auditor.interventions.regions import (
    ImageArray,
    Region,
    attention,
    bands,
    coarse,
    finer,
    small,
    sought,
)
from auditor.records import ModelAccess
from auditor.statistics import Floats, Integers, Interval, mcnemar, sign_flip, wilson

_LOOKED_AT = 3
"""Small windows, those that the maps point at most, that are tried beside the coarse ones."""
_TRIED_FURTHER = 8
"""Regions, those that promise most, that are tried in every way."""


@dataclass(frozen=True)
class Place:
    """A region and what it is replaced with."""

    region: Region
    way: InfillMethod


def place_of(model: ModelAccess, mistaken: Mistaken) -> Place:
    """Where, and with what, replacing mends the search failures most, and brings about others.

    Tried are the coarse windows, the frame, strips, and the small windows that the maps of the class
    point at more in failures called it than in its own images. A region's score is how much the
    label's probability rises in the failures when it is replaced, plus how much more likely the class
    is in recognised images of other labels with the failures' content of it than with that of plain
    images. All are in-painted; those that promise most are tried in every way.
    """
    group = mistaken.search
    shown = group.shown(model)
    fills = shown.fills
    before = _mean(model, fills.images, group.label)

    @cache
    def mended(place: Place) -> float:
        return _mean(model, fills.replaced(place.region, place.way), group.label) - before

    @cache
    def given(region: Region) -> float:
        return _mean(model, borrowed(shown.hosts, shown.givers, region), mistaken.code)

    @cache
    def foreign(region: Region) -> float:
        return _mean(model, borrowed(shown.hosts, shown.plain, region), mistaken.code)

    def score(place: Place) -> float:
        return mended(place) + given(place.region) - foreign(place.region)

    regions = [*coarse(), *bands(), *_pointed_at(model, mistaken)]
    regions.sort(key=lambda one: -mended(Place(one, "in-painted")) - given(one))
    return sought(
        score,
        [Place(region, way) for region in regions[:_TRIED_FURTHER] for way in fills.ways],
        lambda best: [Place(region, best.way) for region in finer(best.region)],
    )


def _mean(model: ModelAccess, images: ImageArray, target: Integers | int) -> float:
    """Mean probability of a class, or of one class each."""
    return float(model.predict(images)[np.arange(len(images)), target].mean())


def attention_by_region(
    model: ModelAccess, group: Group, code: int, regions: Sequence[Region]
) -> tuple[Floats, Floats]:
    """Shares of the maps' evidence for the class in some regions.

    Returns:
        In the failures, and in the images of the class that are recognised: (R,) means; NaN where
        no map has any evidence.
    """
    rows = np.concatenate([group.rows, group.own])
    cams = model.cams(rows, np.full(len(rows), code, dtype=np.int64))
    parts = np.array([attention(cams, region) for region in regions])
    n = len(group.rows)
    return _known_mean(parts[:, :n]), _known_mean(parts[:, n:])


def _known_mean(parts: Floats) -> Floats:
    some = ~np.isnan(parts[0])  # a map without evidence has none in any region
    return parts[:, some].mean(1) if some.any() else np.full(len(parts), np.nan)


def _pointed_at(model: ModelAccess, mistaken: Mistaken) -> list[Region]:
    """Small windows where the maps of the class have more evidence in failures than in its own."""
    regions = small()
    failures, own = attention_by_region(model, mistaken.search, mistaken.code, regions)
    more = np.nan_to_num(failures) - np.nan_to_num(own)
    return [regions[k] for k in np.argsort(-more, kind="stable")[:_LOOKED_AT]]


@dataclass(frozen=True)
class RegionTest:
    """A place, tried on the failures for the test.

    Attributes:
        place: the region, and what it was replaced with.
        mended: (n,) whether the failures are recognised with the region replaced.
        mended_elsewhere: (n,) likewise with a random other place of the same size replaced.
        mended_when: the share of them that are recognised, with each fill.
        turned: (m,) whether the hosts are called the class with the failures' content of the region.
        turned_by_plain: (m,) likewise with plain images' content of the region.
        givers: (m,) whose content it was.
    """

    place: Place
    mended: Mask
    mended_elsewhere: Mask
    mended_when: Mapping[InfillMethod, Interval]
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
        """Share turned less that turned by plain images, and the p-value by sign flips.

        What one failure gives to several hosts counts once.
        """
        _, giver = np.unique(self.givers, return_inverse=True)
        more = self.turned.astype(np.float64) - self.turned_by_plain
        found = sign_flip(np.bincount(giver, more) / np.bincount(giver), seed=seed)
        return found.change, found.p_value


def tried(model: ModelAccess, mistaken: Mistaken, place: Place, seed: int) -> RegionTest:
    """Replaces the region in the failures for the test, and puts it into recognised images."""
    group, region = mistaken.test, place.region
    shown = group.shown(model)
    fills = shown.fills
    elsewhere = region.elsewhere(len(group.rows), np.random.default_rng([seed, mistaken.code]))

    def mended(way: InfillMethod, regions: Regions) -> Mask:
        return _recognised(model, fills.replaced(regions, way), group.label)

    def turned(content: ImageArray) -> Mask:
        called = model.predict(borrowed(shown.hosts, content, region)).argmax(1)
        return np.asarray(called == mistaken.code, dtype=np.bool_)

    done = {way: mended(way, region) for way in fills.ways}
    return RegionTest(
        place,
        done[place.way],
        mended(place.way, elsewhere),
        {way: share(one) for way, one in done.items()},
        turned(shown.givers),
        turned(shown.plain),
        group.givers,
    )


def mends(model: ModelAccess, group: Group, place: Place) -> Mask:
    """Whether a group's failures (n,) are recognised with the region replaced; nothing else is asked."""
    lent = None if group.lenders is None else model.images(group.lenders)
    fills = Infill.of(model.images(group.rows), lent)
    return _recognised(model, fills.replaced(place.region, place.way), group.label)


def _recognised(model: ModelAccess, images: ImageArray, label: Integers) -> Mask:
    return np.asarray(model.predict(images).argmax(1) == label, dtype=np.bool_)


def share(done: Mask) -> Interval:
    """The share of those that are, with its interval."""
    return wilson([done.sum()], [len(done)])[0]
