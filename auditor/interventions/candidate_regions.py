"""Candidate regions: where the failures of a class, and the clusters of its maps, may have their cause."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from auditor.discovery.failure_clusters import FailureCluster, failure_clusters
from auditor.interventions.class_failures import ClassFailures
from auditor.interventions.region_effects import corrected_by_masking
from auditor.interventions.region_search import FoundRegion, MaskedRegion, find_masked_region
from auditor.records import AuditData, ModelAccess
from auditor.records.predictions import codes
from auditor.statistics import Integers

MIN_SEARCHED = 8
"""Images needed for the search: with fewer, its result would be chance."""
_DOMINANT = 1 / 2
"""A region that corrects this share of a class's failures will be significant for the class."""
_SAME_CAUSE = 2 / 3
"""A cluster has no cause of its own if a region found before corrects more than this share of it."""


@dataclass(frozen=True)
class CandidateRegion:
    """Failures with one predicted class, and the region that may be their cause.

    Attributes:
        failures: the failures.
        found: the region and its infill.
        cluster: the cluster that the failures belong to; None for all failures of the class.
    """

    failures: ClassFailures
    found: FoundRegion
    cluster: FailureCluster | None = None


@dataclass(frozen=True)
class CandidateSearch:
    """Searches for candidate regions on the failures for the search; see `failure-regions`.

    Attributes:
        audit: the audited data.
        model: the audited model.
        search_images: largest number of failures for each search.
        test_images: largest number of failures for each test.
    """

    audit: AuditData
    model: ModelAccess
    search_images: int
    test_images: int

    @property
    def min_failures(self) -> int:
        """Failures with one predicted class that are needed: a third of them is for the search."""
        return max(self.audit.min_support, 3 * MIN_SEARCHED)

    def failures_by_class(self) -> Integers:
        """(K,) number of failures with each predicted class."""
        frame = self.audit.predictions
        predicted = codes(frame["predicted"])[frame["failure"].to_numpy(dtype=bool)]
        return np.bincount(predicted, minlength=len(self.audit.classes))

    def of_class(self, code: int) -> CandidateRegion | None:
        """The candidate for all failures with a predicted class.

        Args:
            code: index of the class, which `min_failures` failures have.

        Returns:
            The candidate; None if too few images of other labels are classified correctly, or if too
            few failures come from other clusters than those of the search.
        """
        failures = self._draw(code)
        if not _large_enough(failures):
            return None
        return CandidateRegion(failures, find_masked_region(self.model, failures))

    def of_clusters(
        self, of_class: CandidateRegion, max_clusters: int
    ) -> Iterator[CandidateRegion | None]:
        """The candidates for clusters of maps that may have a cause of their own.

        Clusters whose failures are corrected by masking a region that was found before are left out.

        Args:
            of_class: the candidate for all failures with the predicted class.
            max_clusters: largest number of clusters to search; 0 for none.

        Yields:
            The candidates, the largest cluster first, each when its region has been searched; then None
            for each cluster beyond the largest number.

        Raises:
            BudgetExhaustedError: the budget does not suffice for a step.
        """
        n_searched = 0
        if not max_clusters:
            return
        code = of_class.failures.code
        masked = of_class.found.masked
        dominates = self._share_corrected(of_class.failures, masked) >= _DOMINANT
        known = [masked] if dominates else []
        for cluster in failure_clusters(self.audit, self.model, code, self.min_failures):
            failures = self._draw(code, cluster.rows)
            if not _large_enough(failures):
                continue
            if any(self._share_corrected(failures, one) > _SAME_CAUSE for one in known):
                continue
            if n_searched == max_clusters:
                yield None
                continue
            n_searched += 1
            found = find_masked_region(self.model, failures)
            known.append(found.masked)
            yield CandidateRegion(failures, found, cluster)

    def _draw(self, code: int, among: Integers | None = None) -> ClassFailures:
        return ClassFailures.draw(
            self.audit, code, self.search_images, self.test_images, among=among
        )

    def _share_corrected(self, failures: ClassFailures, masked: MaskedRegion) -> float:
        return float(corrected_by_masking(self.model, failures.search, masked).mean())


def _large_enough(failures: ClassFailures) -> bool:
    """Whether search and test have enough failures and recipients."""
    parts = (failures.search, failures.test)
    return min(min(len(part.failures), len(part.recipients)) for part in parts) >= MIN_SEARCHED
