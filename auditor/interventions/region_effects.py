"""Region effects: tests whether a region is necessary and sufficient for failures with one class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.interventions.class_failures import ClassFailures, InterventionSamples
from auditor.interventions.infill import Infill, InfillMethod, Regions, paste
from auditor.interventions.region_search import MaskedRegion
from auditor.interventions.regions import ImageArray
from auditor.records import ModelAccess
from auditor.statistics import Integers, Interval, mcnemar, proportion, sign_flip

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class RegionTest:
    """Predictions on the test failures and their recipients, with a region changed.

    Attributes:
        masked: the region and its infill.
        corrected: (n,) whether a failure is classified correctly with the region masked.
        corrected_by_control: (n,) the same with a random other region of the same size masked.
        corrected_by_method: share of the failures that are corrected, by infill method.
        flipped: (m,) whether a recipient is predicted as the class with the failures' content of the
            region.
        flipped_by_control: (m,) the same with the content of control donors.
        donors: (m,) positions of the failures whose content it was.
        cluster: (n,) cluster of each failure; None where all are independent.
        donor_cluster: (m,) cluster of each donor, likewise.
    """

    masked: MaskedRegion
    corrected: Mask
    corrected_by_control: Mask
    corrected_by_method: Mapping[InfillMethod, Interval]
    flipped: Mask
    flipped_by_control: Mask
    donors: Integers
    cluster: Integers | None = None
    donor_cluster: Integers | None = None

    def necessity(self) -> tuple[Interval, float]:
        """Share corrected minus share corrected by the control, and the p-value.

        McNemar's test; where failures come in clusters, a test that flips the signs of whole clusters.
        """
        if self.cluster is not None:
            change = self.corrected.astype(np.float64) - self.corrected_by_control
            flipped = sign_flip(change, groups=self.cluster)
            return flipped.change, flipped.p_value
        only_here = [(self.corrected & ~self.corrected_by_control).sum()]
        only_control = [(self.corrected_by_control & ~self.corrected).sum()]
        test = mcnemar(only_here, only_control, [len(self.corrected)])
        return test.change[0], float(test.p_value[0])

    def sufficiency(self, seed: int) -> tuple[Interval, float]:
        """Share flipped minus share flipped by the control, and the p-value of a sign-flip test.

        All recipients of one failure's content count as one observation, and so do those of one
        cluster's failures.

        Args:
            seed: of the test.
        """
        source = self.donors if self.donor_cluster is None else self.donor_cluster
        _, donor = np.unique(source, return_inverse=True)
        more = self.flipped.astype(np.float64) - self.flipped_by_control
        test = sign_flip(np.bincount(donor, more) / np.bincount(donor), seed=seed)
        return test.change, test.p_value


def evaluate_region(
    model: ModelAccess, failures: ClassFailures, masked: MaskedRegion, seed: int
) -> RegionTest:
    """Masks the region in the test failures, and pastes their content of it into the recipients.

    Args:
        model: the audited model.
        failures: failures with one predicted class; only those for the test are used.
        masked: the region and its infill.
        seed: of the control regions.
    """
    samples, region, clusters = failures.test, masked.region, failures.cluster
    images = samples.load(model)
    infill = images.infill
    generator = np.random.default_rng([seed, failures.code])
    controls = region.control_regions(len(samples.failures), generator)

    def corrected(method: InfillMethod, regions: Regions) -> Mask:
        return _is_correct(model, infill.fill(regions, method), samples.label)

    def flipped(donors: ImageArray) -> Mask:
        predicted = model.decide(model.predict(paste(images.recipients, donors, region)))
        return np.asarray(predicted == failures.code, dtype=np.bool_)

    by_method = {method: corrected(method, region) for method in infill.methods}
    return RegionTest(
        masked=masked,
        corrected=by_method[masked.method],
        corrected_by_control=corrected(masked.method, controls),
        corrected_by_method={method: share_of(one) for method, one in by_method.items()},
        flipped=flipped(images.donors),
        flipped_by_control=flipped(images.control_donors),
        donors=samples.donors,
        cluster=None if clusters is None else clusters[samples.failures],
        donor_cluster=None if clusters is None else clusters[samples.donors],
    )


def corrected_by_masking(
    model: ModelAccess, samples: InterventionSamples, masked: MaskedRegion
) -> Mask:
    """Whether each failure (n,) is classified correctly with the region masked."""
    donors = None if samples.infill_donors is None else model.images(samples.infill_donors)
    infill = Infill.of(model.images(samples.failures), donors)
    return _is_correct(model, infill.fill(masked.region, masked.method), samples.label)


def share_of(mask: Mask) -> Interval:
    """Share of True values, with Wilson's interval."""
    return proportion([mask.sum()], [len(mask)])[0]


def _is_correct(model: ModelAccess, images: ImageArray, label: Integers) -> Mask:
    return np.asarray(model.decide(model.predict(images)) == label, dtype=np.bool_)
