"""Region search: the region, and its infill, whose replacement changes the predictions most.

Candidates are compared by successive halving: all on a third of the search images, the better ones on
the next third, and the best on all.

Reference:
    Z. Karnin, T. Koren and O. Somekh, "Almost optimal exploration in multi-armed bandits", ICML 2013,
    algorithm 1. Departure: images that were used in earlier rounds are counted in later ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import numpy as np

from auditor.interventions.class_failures import (
    ClassFailures,
    InterventionImages,
    InterventionSamples,
)
from auditor.interventions.infill import Infill, InfillMethod, paste
from auditor.interventions.regions import (
    ImageArray,
    Region,
    coarse_regions,
    evidence_share,
    small_windows,
    strips,
    windows_within,
)
from auditor.records import ModelAccess
from auditor.statistics import Floats, Integers

_FROM_MAPS = 3
"""Small windows that are tried because the maps have most of the additional evidence there."""
PARTS = 3
"""Parts of the search images."""
_KEPT_REGIONS = (16, 8)
"""Regions that are ranked on a second third of the images, and on all. The latter are tried with every
infill method."""
_KEPT_METHODS = (12, 6)
"""Regions with their infill that are tried on a second third of the images, and on all."""
_KEPT_WINDOWS = (6, 3)
"""The same for the smaller windows within the best region."""
_SUFFICIENT = 0.8
"""A smaller region is preferred from this share of the larger one's score on, as it is more specific."""

Choice = TypeVar("Choice")


@dataclass(frozen=True)
class MaskedRegion:
    """A region and how it is filled.

    Attributes:
        region: the region.
        method: the infill.
    """

    region: Region
    method: InfillMethod


def successive_halving(
    score: Callable[[Choice, int], float],
    choices: Sequence[Choice],
    kept: tuple[int, int],
) -> list[tuple[float, Choice]]:
    """Compares choices on one third of the images after another, and drops the worst each time.

    Args:
        score: score of a choice on one third of the images, 0 to ``PARTS`` - 1.
        choices: at least one.
        kept: number of choices that reach the second and the last third.

    Returns:
        The choices that reached the last third with their mean scores, the best first.
    """
    totals = [(score(choice, 0), choice) for choice in choices]
    for part, number in enumerate(kept, start=1):
        totals.sort(key=lambda one: -one[0])
        totals = [(total + score(choice, part), choice) for total, choice in totals[:number]]
    return [(total / PARTS, choice) for total, choice in sorted(totals, key=lambda one: -one[0])]


def finer_if_nearly_as_good(
    best: tuple[float, Choice], finer: Sequence[tuple[float, Choice]]
) -> Choice:
    """Returns the best finer choice if its score is nearly as high, else the coarse one.

    Args:
        best: the best coarse choice with its score.
        finer: finer choices with their scores, the best first; may be empty.
    """
    if finer and finer[0][0] >= _SUFFICIENT * best[0]:
        return finer[0][1]
    return best[1]


@dataclass(frozen=True)
class FoundRegion:
    """What a search found.

    Attributes:
        masked: the region and its infill.
        promising: whether it corrected a failure, or flipped more recipients than the control content
            did, among the search images. If not, a test would find nothing either.
    """

    masked: MaskedRegion
    promising: bool


def find_masked_region(model: ModelAccess, failures: ClassFailures) -> FoundRegion:
    """Searches for the region that explains the search failures best.

    The candidates are coarse windows, the border, strips, and the small windows where the maps of the
    class have more evidence in the failures than in correctly classified images of the class. The
    score of a region is the rise of the label's probability in the failures when it is masked, plus
    the probability of the class in recipient images with the failures' content of the region, minus
    that with the content of control donors. All candidates are tried with in-painting; the most
    promising ones with every method.

    Args:
        model: the audited model.
        failures: failures with one predicted class; only those for the search are used.
    """
    search = _MaskedSearch.of(model, failures)
    regions = [*coarse_regions(), *strips(), *windows_by_evidence(model, failures)]
    ranked = successive_halving(search.rank, regions, _KEPT_REGIONS)
    inpainted = [MaskedRegion(region, "in-painting") for _, region in ranked]
    if not any(search.has_effect(one) for one in inpainted):
        return FoundRegion(inpainted[0], promising=False)
    methods = search.images.infill.methods
    tried = [MaskedRegion(region, method) for _, region in ranked for method in methods]
    best = successive_halving(search.score, tried, _KEPT_METHODS)[0]
    windows = [MaskedRegion(one, best[1].method) for one in windows_within(best[1].region)]
    finer = successive_halving(search.score, windows, _KEPT_WINDOWS) if windows else []
    masked = finer_if_nearly_as_good(best, finer)
    return FoundRegion(masked, search.has_effect(masked))


@dataclass(frozen=True)
class _Effect:
    """An effect on some images.

    Attributes:
        probability: mean probability of the wanted class.
        number: how many images are predicted as it.
    """

    probability: float
    number: int


@dataclass(frozen=True)
class _MaskedSearch:
    """Scores of masked regions on parts of the search images; each is computed once.

    Attributes:
        model: the audited model.
        code: index of the predicted class.
        label: (n,) labels of the failures.
        before: (n,) probabilities of the labels in the unchanged failures.
        images: the images.
        infills: what can replace a region, for each part of the images.
    """

    model: ModelAccess
    code: int
    label: Integers
    before: Floats
    images: InterventionImages
    infills: tuple[Infill, ...]
    _known: dict[tuple[str, MaskedRegion | Region, int], _Effect] = field(default_factory=dict)

    @classmethod
    def of(cls, model: ModelAccess, failures: ClassFailures) -> _MaskedSearch:
        """Reads the search images."""
        samples = failures.search
        images = samples.load(model)
        infills = tuple(images.infill.part(part, PARTS) for part in range(PARTS))
        return cls(model, failures.code, samples.label, samples.before, images, infills)

    def rank(self, region: Region, part: int) -> float:
        """Score of a region with in-painting, without a control."""
        masked = MaskedRegion(region, "in-painting")
        return self._rise(masked, part) + self._flipped("donors", region, part).probability

    def score(self, masked: MaskedRegion, part: int) -> float:
        """Rise of the label's probability, plus that of the class in the recipients over the control."""
        by_failures, by_control = (
            self._flipped(donors, masked.region, part).probability
            for donors in ("donors", "control_donors")
        )
        return self._rise(masked, part) + by_failures - by_control

    def has_effect(self, masked: MaskedRegion) -> bool:
        """Whether a failure is corrected, or more recipients are flipped than by the control."""
        parts = range(PARTS)
        if any(self._corrected(masked, part).number for part in parts):
            return True
        by_failures, by_control = (
            sum(self._flipped(donors, masked.region, part).number for part in parts)
            for donors in ("donors", "control_donors")
        )
        return by_failures > by_control

    def _rise(self, masked: MaskedRegion, part: int) -> float:
        before = float(self.before[part::PARTS].mean())
        return self._corrected(masked, part).probability - before

    def _corrected(self, masked: MaskedRegion, part: int) -> _Effect:
        def changed() -> ImageArray:
            return self.infills[part].fill(masked.region, masked.method)

        return self._effect(("masked", masked, part), changed, self.label[part::PARTS])

    def _flipped(
        self, donors: Literal["donors", "control_donors"], region: Region, part: int
    ) -> _Effect:
        def changed() -> ImageArray:
            content = self.images.donors if donors == "donors" else self.images.control_donors
            return paste(self.images.recipients[part::PARTS], content[part::PARTS], region)

        return self._effect((donors, region, part), changed, self.code)

    def _effect(
        self,
        key: tuple[str, MaskedRegion | Region, int],
        changed: Callable[[], ImageArray],
        target: Integers | int,
    ) -> _Effect:
        found = self._known.get(key)
        if found is None:
            probabilities = self.model.search(changed())
            wanted = probabilities[np.arange(len(probabilities)), target]
            number = int((self.model.decide(probabilities) == target).sum())
            found = self._known[key] = _Effect(float(wanted.mean()), number)
        return found


def mean_evidence(
    model: ModelAccess, samples: InterventionSamples, code: int, regions: Sequence[Region]
) -> tuple[Floats, Floats]:
    """Mean shares of the maps' evidence for a class in some regions.

    Args:
        model: the audited model.
        samples: failures, and correctly classified images of the class.
        code: index of the class.
        regions: R regions.

    Returns:
        (R,) means over the failures, and over the images of the class; NaN if no map has evidence.
    """
    rows = np.concatenate([samples.failures, samples.class_images])
    cams = model.cams(rows, np.full(len(rows), code, dtype=np.int64))
    shares = np.array([evidence_share(cams, region) for region in regions])
    n = len(samples.failures)
    return _nan_mean(shares[:, :n]), _nan_mean(shares[:, n:])


def windows_by_evidence(model: ModelAccess, failures: ClassFailures) -> list[Region]:
    """Small windows where the maps have most of the additional evidence.

    Args:
        model: the audited model.
        failures: failures with one predicted class; those for the search are compared with correctly
            classified images of the class.
    """
    regions = small_windows()
    in_failures, in_class = mean_evidence(model, failures.search, failures.code, regions)
    more = np.nan_to_num(in_failures) - np.nan_to_num(in_class)
    return [regions[k] for k in np.argsort(-more, kind="stable")[:_FROM_MAPS]]


def _nan_mean(shares: Floats) -> Floats:
    has_evidence = ~np.isnan(shares[0])  # a map without evidence has none in any region
    if not has_evidence.any():
        return np.full(len(shares), np.nan)
    means: Floats = shares[:, has_evidence].mean(1)
    return means
