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
from typing import Literal, NamedTuple, TypeVar

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
TOGETHER = 64
"""Images that are changed and run at once."""
_DONORS: tuple[Literal["donors", "control_donors"], ...] = ("donors", "control_donors")

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
    scores: Callable[[Sequence[Choice], int], Sequence[float]],
    choices: Sequence[Choice],
    kept: tuple[int, int],
) -> list[tuple[float, Choice]]:
    """Compares choices on one third of the images after another, and drops the worst each time.

    Args:
        scores: scores of choices on one third of the images, 0 to ``PARTS`` - 1.
        choices: at least one.
        kept: number of choices that reach the second and the last third.

    Returns:
        The choices that reached the last third with their mean scores, the best first.
    """
    totals = [*zip(scores(choices, 0), choices, strict=True)]
    for part, number in enumerate(kept, start=1):
        totals.sort(key=lambda one: -one[0])
        left = totals[:number]
        more = scores([choice for _, choice in left], part)
        totals = [(old + new, choice) for (old, choice), new in zip(left, more, strict=True)]
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
    ranked = successive_halving(search.ranks, regions, _KEPT_REGIONS)
    inpainted = [MaskedRegion(region, "in-painting") for _, region in ranked]
    if not any(search.has_effect(one) for one in inpainted):
        return FoundRegion(inpainted[0], promising=False)
    methods = search.images.infill.methods
    tried = [MaskedRegion(region, method) for _, region in ranked for method in methods]
    best = successive_halving(search.scores, tried, _KEPT_METHODS)[0]
    windows = [MaskedRegion(one, best[1].method) for one in windows_within(best[1].region)]
    finer = successive_halving(search.scores, windows, _KEPT_WINDOWS) if windows else []
    masked = finer_if_nearly_as_good(best, finer)
    return FoundRegion(masked, search.has_effect(masked))


class _Change(NamedTuple):
    """A change of one third of the search images.

    Attributes:
        images: the failures with the region masked, or the recipients with content of either donors.
        masked: the region and its infill, which has no meaning for recipients.
        part: the third of the images.
    """

    images: Literal["failures", "donors", "control_donors"]
    masked: MaskedRegion
    part: int


class _Effect(NamedTuple):
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
    _known: dict[_Change, _Effect] = field(default_factory=dict)

    @classmethod
    def of(cls, model: ModelAccess, failures: ClassFailures) -> _MaskedSearch:
        """Reads the search images."""
        samples = failures.search
        images = samples.load(model)
        infills = tuple(images.infill.part(part, PARTS) for part in range(PARTS))
        return cls(model, failures.code, samples.label, samples.before, images, infills)

    def ranks(self, regions: Sequence[Region], part: int) -> list[float]:
        """Scores of regions with in-painting, without a control."""
        inpainted = [MaskedRegion(region, "in-painting") for region in regions]
        masked = self._effects([_Change("failures", one, part) for one in inpainted])
        given = self._effects([_flipped("donors", one, part) for one in regions])
        before = self._before(part)
        return [
            one.probability - before + other.probability
            for one, other in zip(masked, given, strict=True)
        ]

    def scores(self, choices: Sequence[MaskedRegion], part: int) -> list[float]:
        """Rises of the label's probability, plus those of the class in the recipients over the control."""
        masked = self._effects([_Change("failures", one, part) for one in choices])
        given, control = (
            self._effects([_flipped(donors, one.region, part) for one in choices])
            for donors in _DONORS
        )
        before = self._before(part)
        return [
            one.probability - before + other.probability - third.probability
            for one, other, third in zip(masked, given, control, strict=True)
        ]

    def has_effect(self, masked: MaskedRegion) -> bool:
        """Whether a failure is corrected, or more recipients are flipped than by the control."""
        corrected = self._effects([_Change("failures", masked, part) for part in range(PARTS)])
        if any(one.number for one in corrected):
            return True
        by_failures, by_control = (
            sum(
                one.number
                for one in self._effects(
                    [_flipped(donors, masked.region, part) for part in range(PARTS)]
                )
            )
            for donors in _DONORS
        )
        return by_failures > by_control

    def _before(self, part: int) -> float:
        return float(self.before[part::PARTS].mean())

    def _effects(self, changes: Sequence[_Change]) -> list[_Effect]:
        """Effects of changes; many small batches would take longer than a few large ones."""
        new = [change for change in dict.fromkeys(changes) if change not in self._known]
        together = max(TOGETHER * PARTS // len(self.label), 1)
        for start in range(0, len(new), together):
            some = new[start : start + together]
            changed = [self._changed(change) for change in some]
            ends = np.cumsum([len(images) for images in changed])[:-1]
            found = np.split(self.model.search(np.concatenate(changed)), ends)
            self._known.update(zip(some, map(self._effect, some, found), strict=True))
        return [self._known[change] for change in changes]

    def _changed(self, change: _Change) -> ImageArray:
        masked, part = change.masked, change.part
        if change.images == "failures":
            return self.infills[part].fill(masked.region, masked.method)
        content = self.images.donors if change.images == "donors" else self.images.control_donors
        recipients = self.images.recipients[part::PARTS]
        return paste(recipients, content[part::PARTS], masked.region)

    def _effect(self, change: _Change, probabilities: Floats) -> _Effect:
        masks = change.images == "failures"
        target = self.label[change.part :: PARTS] if masks else self.code
        wanted = probabilities[np.arange(len(probabilities)), target]
        number = int((self.model.decide(probabilities) == target).sum())
        return _Effect(float(wanted.mean()), number)


def _flipped(donors: Literal["donors", "control_donors"], region: Region, part: int) -> _Change:
    """Content of a region given to recipients; there is nothing to fill."""
    return _Change(donors, MaskedRegion(region, "donor"), part)


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
