"""Region effects: tests whether a region is necessary and sufficient for failures with one class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.interventions.class_failures import ClassFailures, InterventionSamples
from auditor.interventions.examples import Change, intervention_examples
from auditor.interventions.infill import Infill, InfillMethod, Regions, paste
from auditor.interventions.region_search import MaskedRegion
from auditor.interventions.regions import ImageArray
from auditor.records import AuditData, InterventionExample, ModelAccess
from auditor.records.predictions import LOSS
from auditor.statistics import Floats, Integers, Interval, mcnemar, proportion, sign_flip

Mask = NDArray[np.bool_]

FILLED: Mapping[InfillMethod, str] = {
    "blur": "blurred",
    "in-painting": "in-painted from its surroundings",
    "donor": "filled from correctly classified images of other labels",
}
"""What each infill method does, after *the region is*."""


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
        probabilities: (n, K) of the failures with the region masked; None where not kept.
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
    probabilities: Floats | None = None

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

    def masked_by(method: InfillMethod, regions: Regions) -> Floats:
        return model.predict(infill.fill(regions, method))

    def is_correct(probabilities: Floats) -> Mask:
        return np.asarray(model.decide(probabilities) == samples.label, dtype=np.bool_)

    def flipped(donors: ImageArray) -> Mask:
        predicted = model.decide(model.predict(paste(images.recipients, donors, region)))
        return np.asarray(predicted == failures.code, dtype=np.bool_)

    probabilities = {method: masked_by(method, region) for method in infill.methods}
    by_method = {method: is_correct(one) for method, one in probabilities.items()}
    return RegionTest(
        masked=masked,
        corrected=by_method[masked.method],
        corrected_by_control=is_correct(masked_by(masked.method, controls)),
        corrected_by_method={method: share_of(one) for method, one in by_method.items()},
        flipped=flipped(images.donors),
        flipped_by_control=flipped(images.control_donors),
        donors=samples.donors,
        cluster=None if clusters is None else clusters[samples.failures],
        donor_cluster=None if clusters is None else clusters[samples.donors],
        probabilities=probabilities[masked.method],
    )


def masked_examples(
    audit: AuditData, model: ModelAccess, failures: ClassFailures, test: RegionTest
) -> tuple[InterventionExample, ...]:
    """Test failures before and after the region was masked.

    Args:
        audit: the audited data.
        model: the audited model.
        failures: failures with one predicted class; those for the test.
        test: of the region.
    """
    samples, masked, probabilities = failures.test, test.masked, test.probabilities
    if probabilities is None:
        return ()

    def images(chosen: Integers) -> ImageArray:
        rows = None if samples.infill_donors is None else samples.infill_donors[chosen]
        donors = None if rows is None else model.images(rows)
        infill = Infill.of(model.images(samples.failures[chosen]), donors)
        return infill.fill(masked.region, masked.method)

    rows = samples.failures
    before = np.exp(-audit.predictions[LOSS].to_numpy(dtype=np.float64)[rows])
    after = probabilities[np.arange(len(rows)), samples.label]
    change = Change(
        f"Region {FILLED[masked.method]}",
        probabilities,
        images,
        samples.infill_donors if masked.method == "donor" else None,
    )
    return intervention_examples(audit, rows, after - before, (change,))


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
