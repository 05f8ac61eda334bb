"""Region search: the region, and its infill, whose replacement changes the predictions most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import numpy as np

from auditor.interventions.class_failures import ClassFailures, InterventionSamples
from auditor.interventions.infill import InfillMethod, paste
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
_TRIED_WITH_ALL_METHODS = 8
"""Regions that are tried with every infill method, the most promising ones."""
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


def coarse_to_fine(
    score: Callable[[Choice], float],
    coarse: Sequence[Choice],
    refine: Callable[[Choice], Sequence[Choice]],
) -> Choice:
    """Returns the choice with the highest score, or a finer one whose score is nearly as high.

    Args:
        score: score of a choice.
        coarse: the choices to start with, at least one.
        refine: returns finer choices for the best one, or none.
    """
    scores = [score(one) for one in coarse]
    best = int(np.argmax(scores))
    finer = refine(coarse[best])
    fine_scores = [score(one) for one in finer]
    if fine_scores and max(fine_scores) >= _SUFFICIENT * scores[best]:
        return finer[int(np.argmax(fine_scores))]
    return coarse[best]


def find_masked_region(model: ModelAccess, failures: ClassFailures) -> MaskedRegion:
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
    samples = failures.search
    images = samples.load(model)
    infill = images.infill
    before = _mean_probability(model, infill.images, samples.label)

    @cache
    def corrected(masked: MaskedRegion) -> float:
        filled = infill.fill(masked.region, masked.method)
        return _mean_probability(model, filled, samples.label) - before

    @cache
    def flipped(region: Region) -> float:
        pasted = paste(images.recipients, images.donors, region)
        return _mean_probability(model, pasted, failures.code)

    @cache
    def flipped_by_control(region: Region) -> float:
        pasted = paste(images.recipients, images.control_donors, region)
        return _mean_probability(model, pasted, failures.code)

    def score(masked: MaskedRegion) -> float:
        return corrected(masked) + flipped(masked.region) - flipped_by_control(masked.region)

    regions = [*coarse_regions(), *strips(), *windows_by_evidence(model, failures)]
    regions.sort(key=lambda one: -corrected(MaskedRegion(one, "in-painting")) - flipped(one))
    promising = regions[:_TRIED_WITH_ALL_METHODS]
    return coarse_to_fine(
        score,
        [MaskedRegion(region, method) for region in promising for method in infill.methods],
        lambda best: [MaskedRegion(one, best.method) for one in windows_within(best.region)],
    )


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


def _mean_probability(model: ModelAccess, images: ImageArray, target: Integers | int) -> float:
    """Mean probability of a class, the same for all images or one an image."""
    return float(model.predict(images)[np.arange(len(images)), target].mean())


def _nan_mean(shares: Floats) -> Floats:
    has_evidence = ~np.isnan(shares[0])  # a map without evidence has none in any region
    if not has_evidence.any():
        return np.full(len(shares), np.nan)
    means: Floats = shares[:, has_evidence].mean(1)
    return means
