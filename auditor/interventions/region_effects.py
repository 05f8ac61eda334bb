"""Region effects: tests whether a region is necessary and sufficient for failures with one class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.interventions.class_failures import ClassFailures, InterventionSamples
from auditor.interventions.examples import Change, intervention_examples
from auditor.interventions.infill import Infill, InfillMethod, Regions, paste
from auditor.interventions.region_search import FoundRegion, MaskedRegion
from auditor.interventions.regions import ImageArray, Region
from auditor.records import AuditData, InterventionExample, ModelAccess
from auditor.statistics import (
    Floats,
    Integers,
    Interval,
    is_futile,
    mcnemar,
    proportion,
    sign_flip,
    stages,
)

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
        flipped: (m,) whether a recipient is predicted as the class with the failures' content of the
            region.
        flipped_by_control: (m,) the same with the content of control donors.
        donors: (m,) positions of the failures whose content it was.
        probabilities: (n, K) of the failures with the region masked; None where not kept.
        cluster: (n,) cluster of each failure; None where all are independent.
        donor_cluster: (m,) cluster of each donor, likewise.
        tested: the images that were tested; None where not kept.
        n_planned: number of failures of the full test; more than n if it was stopped.
    """

    masked: MaskedRegion
    corrected: Mask
    corrected_by_control: Mask
    flipped: Mask
    flipped_by_control: Mask
    donors: Integers
    cluster: Integers | None = None
    donor_cluster: Integers | None = None
    probabilities: Floats | None = None
    tested: InterventionSamples | None = None
    n_planned: int = 0

    @property
    def stopped(self) -> bool:
        """Whether the test was stopped because it was futile."""
        return len(self.corrected) < self.n_planned

    def joined(self, other: RegionTest, failures: Integers, recipients: Integers) -> RegionTest:
        """The results of two tests of the same region.

        Args:
            other: the results on other images.
            failures: order of the failures of both, one after another.
            recipients: order of the recipients of both.
        """

        def both(name: str, order: Integers) -> Any:
            one, two = getattr(self, name), getattr(other, name)
            return None if one is None else np.concatenate([one, two])[order]

        return replace(
            self,
            corrected=both("corrected", failures),
            corrected_by_control=both("corrected_by_control", failures),
            flipped=both("flipped", recipients),
            flipped_by_control=both("flipped_by_control", recipients),
            donors=both("donors", recipients),
            cluster=both("cluster", failures),
            donor_cluster=both("donor_cluster", recipients),
            probabilities=both("probabilities", failures),
        )

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


@dataclass(frozen=True)
class RegionLimits:
    """The smallest effects that are reported; see the options of `failure-regions`.

    Attributes:
        corrected: share of the failures that masking corrects, minus that of the control.
        flipped: share of the recipients that are flipped, minus that of the control.
    """

    corrected: float
    flipped: float

    def out_of_reach(self, test: RegionTest, n_failures: int, n_recipients: int) -> bool:
        """Whether a test so far will hardly show an effect beyond the limits; see `is_futile`."""
        corrected, flipped = (
            one.astype(np.float64) - control
            for one, control in (
                (test.corrected, test.corrected_by_control),
                (test.flipped, test.flipped_by_control),
            )
        )
        return is_futile(corrected, n_failures, self.corrected) or is_futile(
            flipped, n_recipients, self.flipped
        )


def evaluate_region(
    model: ModelAccess, failures: ClassFailures, found: FoundRegion, limits: RegionLimits, seed: int
) -> RegionTest:
    """Masks the region in the test failures, and pastes their content of it into the recipients.

    The test is done on a quarter of the images, on half of them and on all, and stopped when it is
    futile, or after the first quarter if the region had no effect on the search images.

    Args:
        model: the audited model.
        failures: failures with one predicted class; only those for the test are used.
        found: the region and its infill.
        limits: the smallest effects that are reported.
        seed: of the control regions.
    """
    samples, region = failures.test, found.masked.region
    n, m = len(samples.failures), len(samples.recipients)
    controls = region.control_regions(n, np.random.default_rng([seed, failures.code]))
    parts = stages(n)
    # There are about twice as many recipients; they are divided alike.
    others = stages(m) if len(parts) > 1 else (np.arange(m),)
    if len(others) < len(parts):
        parts, others = (np.arange(n),), (np.arange(m),)
    done = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    test: RegionTest | None = None
    for part, other in zip(parts, others, strict=True):
        chosen = samples.at(part, other)
        new = _evaluated(model, failures, chosen, found.masked, [controls[k] for k in part])
        order = tuple(
            np.argsort(np.concatenate(both), kind="stable")
            for both in zip(done, (part, other), strict=True)
        )
        done = np.sort(np.append(done[0], part)), np.sort(np.append(done[1], other))
        test = new if test is None else test.joined(new, order[0], order[1])
        if part is not parts[-1] and (not found.promising or limits.out_of_reach(test, n, m)):
            break
    assert test is not None, "there is at least one stage"
    return replace(test, tested=samples.at(*done), n_planned=n)


def _evaluated(
    model: ModelAccess,
    failures: ClassFailures,
    samples: InterventionSamples,
    masked: MaskedRegion,
    controls: Sequence[Region],
) -> RegionTest:
    """Masks the region in some failures, and other regions of the same size, one each."""
    region, clusters = masked.region, failures.cluster
    images = samples.load(model)
    infill = images.infill

    def masked_at(regions: Regions) -> Floats:
        return model.predict(infill.fill(regions, masked.method))

    def is_correct(probabilities: Floats) -> Mask:
        return np.asarray(model.decide(probabilities) == samples.label, dtype=np.bool_)

    def flipped(donors: ImageArray) -> Mask:
        predicted = model.decide(model.predict(paste(images.recipients, donors, region)))
        return np.asarray(predicted == failures.code, dtype=np.bool_)

    probabilities = masked_at(region)
    return RegionTest(
        masked=masked,
        corrected=is_correct(probabilities),
        corrected_by_control=is_correct(masked_at(controls)),
        flipped=flipped(images.donors),
        flipped_by_control=flipped(images.control_donors),
        donors=samples.donors,
        cluster=None if clusters is None else clusters[samples.failures],
        donor_cluster=None if clusters is None else clusters[samples.donors],
        probabilities=probabilities,
    )


def masked_examples(
    audit: AuditData, model: ModelAccess, test: RegionTest
) -> tuple[InterventionExample, ...]:
    """Test failures before and after the region was masked.

    Args:
        audit: the audited data.
        model: the audited model.
        test: of the region.
    """
    samples, masked, probabilities = test.tested, test.masked, test.probabilities
    if probabilities is None or samples is None:
        return ()

    def images(chosen: Integers) -> ImageArray:
        rows = None if samples.infill_donors is None else samples.infill_donors[chosen]
        donors = None if rows is None else model.images(rows)
        infill = Infill(model.images(samples.failures[chosen]), donors)
        return infill.fill(masked.region, masked.method)

    rows = samples.failures
    after = probabilities[np.arange(len(rows)), samples.label]
    change = Change(
        f"Region {FILLED[masked.method]}",
        probabilities,
        images,
        samples.infill_donors if masked.method == "donor" else None,
    )
    return intervention_examples(audit, rows, after - samples.before, (change,))


def corrected_by_masking(
    model: ModelAccess, samples: InterventionSamples, masked: MaskedRegion
) -> Mask:
    """Whether each failure (n,) is classified correctly with the region masked."""
    filled = _infill(model, samples).fill(masked.region, masked.method)
    return _is_correct(model, filled, samples.label)


def corrected_by_infill(model: ModelAccess, test: RegionTest) -> dict[InfillMethod, Mask]:
    """Whether each tested failure (n,) is corrected, by each way to fill the region.

    The test itself uses one infill only; the others cost further passes.

    Args:
        model: the audited model.
        test: of the region.
    """
    samples, masked = test.tested, test.masked
    if samples is None:
        return {masked.method: test.corrected}
    infill = _infill(model, samples)
    return {
        method: test.corrected
        if method == masked.method
        else _is_correct(model, infill.fill(masked.region, method), samples.label)
        for method in infill.methods
    }


def share_of(mask: Mask) -> Interval:
    """Share of True values, with Wilson's interval."""
    return proportion([mask.sum()], [len(mask)])[0]


def _infill(model: ModelAccess, samples: InterventionSamples) -> Infill:
    donors = None if samples.infill_donors is None else model.images(samples.infill_donors)
    return Infill(model.images(samples.failures), donors)


def _is_correct(model: ModelAccess, images: ImageArray, label: Integers) -> Mask:
    return np.asarray(model.decide(model.predict(images)) == label, dtype=np.bool_)
