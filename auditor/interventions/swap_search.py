"""Swap search: the region whose content, swapped between two sides, changes the predictions most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from auditor.interventions.infill import paste
from auditor.interventions.matched_pairs import ContrastPairs
from auditor.interventions.region_search import (
    PARTS,
    TOGETHER,
    finer_if_nearly_as_good,
    successive_halving,
)
from auditor.interventions.regions import ImageArray, Region, coarse_regions, windows_within
from auditor.records import ModelAccess
from auditor.statistics import Floats, Integers

_KEPT_REGIONS, _KEPT_WINDOWS = (17, 6), (9, 4)
"""Coarse regions, and windows within the best, that are tried on a second third of the search images, and
on all. All are tried on two thirds: after one third, an effect on a quarter of the images is missed more
often."""


@dataclass(frozen=True)
class SwappedRegion:
    """The region whose content changes the label's probability most on the search images.

    Attributes:
        region: the region.
        promising: whether an effect on the test images is possible: it flips predictions of search
            images, or the upper limit of the mean change of the probability reaches half the limit.
    """

    region: Region
    promising: bool


@dataclass(frozen=True)
class SwapSearch:
    """The search images with the donors of both sides, and what regions cost the label.

    Attributes:
        model: the audited model.
        label: (n,) labels of the images.
        direction: (n,) which side has the higher error rate; see `ValueContrast`.
        images: (n, 3, H, W).
        sides: donors with the value and without it, (n, 3, H, W) each.
    """

    model: ModelAccess
    label: Integers
    direction: Floats
    images: ImageArray
    sides: tuple[ImageArray, ImageArray]
    _known: dict[tuple[Region, int], tuple[Floats, Floats]] = field(default_factory=dict)

    @classmethod
    def of(cls, model: ModelAccess, pairs: ContrastPairs) -> SwapSearch:
        """Reads the search images."""
        search = pairs.search
        return cls(
            model,
            search.label,
            pairs.contrast.direction[search.label],
            model.images(search.rows),
            (model.images(search.with_value), model.images(search.without_value)),
        )

    def find(self, limit: float) -> SwappedRegion:
        """Searches coarse regions, and smaller windows within the best of them if it has an effect."""
        best = successive_halving(self.costs, coarse_regions(), _KEPT_REGIONS)[0]
        if not self.is_promising(best[1], limit):
            return SwappedRegion(best[1], promising=False)
        windows = windows_within(best[1])
        finer = successive_halving(self.costs, windows, _KEPT_WINDOWS) if windows else []
        return SwappedRegion(finer_if_nearly_as_good(best, finer), promising=True)

    def costs(self, regions: Sequence[Region], part: int) -> list[float]:
        """Mean losses of the label's probability in one third of the images."""
        return [float(losses.mean()) for losses, _ in self._losses(regions, part)]

    def is_promising(self, region: Region, limit: float) -> bool:
        """See `SwappedRegion`."""
        found = [self._losses([region], part)[0] for part in range(PARTS)]
        losses, failures = (np.concatenate(parts) for parts in zip(*found, strict=True))
        upper = losses.mean() + 2 * losses.std(ddof=1) / np.sqrt(len(losses))
        return bool(failures.sum() > 0 or upper >= limit / 2)

    def _losses(self, regions: Sequence[Region], part: int) -> list[tuple[Floats, Floats]]:
        """Loss of the label's probability, and additional failures, image by image, for each region."""
        every = slice(part, None, PARTS)
        images = self.images[every]
        new = [region for region in regions if (region, part) not in self._known]
        together = max(TOGETHER // (2 * len(images)), 1)
        for start in range(0, len(new), together):
            some = new[start : start + together]
            changed = [
                paste(images, donors[every], region) for region in some for donors in self.sides
            ]
            found = np.split(self.model.search(np.concatenate(changed)), len(changed))
            for k, region in enumerate(some):
                self._known[region, part] = self._loss(found[2 * k], found[2 * k + 1], every)
        return [self._known[region, part] for region in regions]

    def _loss(
        self, with_value: Floats, without_value: Floats, every: slice
    ) -> tuple[Floats, Floats]:
        label, direction = self.label[every], self.direction[every]
        change = (without_value - with_value)[np.arange(len(label)), label]
        fails = [
            (self.model.decide(one) != label).astype(np.float64)
            for one in (with_value, without_value)
        ]
        return direction * change, direction * (fails[0] - fails[1])
