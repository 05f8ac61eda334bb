"""Failure regions: which region of the image causes the failures with one predicted class?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from pydantic import Field

from auditor.checks import Check, Need
from auditor.discovery.sample_splitting import SampleSplit
from auditor.discovery.slice_description import DistinctiveValue, distinctive_values
from auditor.errors import BudgetExhaustedError
from auditor.interventions.candidate_regions import MIN_SEARCHED, CandidateRegion, CandidateSearch
from auditor.interventions.class_failures import ClassFailures
from auditor.interventions.region_effects import (
    Mask,
    RegionLimits,
    RegionTest,
    corrected_by_infill,
    corrected_by_masking,
    evaluate_region,
    masked_examples,
)
from auditor.interventions.region_result import RegionResult
from auditor.interventions.region_search import mean_evidence
from auditor.interventions.regions import REGION_ACTION
from auditor.phrasing import quoted, several
from auditor.records import (
    AuditData,
    AuditSize,
    Claim,
    ClaimKind,
    Effect,
    Examination,
    ModelAccess,
    Passes,
    Skipped,
    SliceKey,
)
from auditor.records.decisions import ONE_CLASS, TaskName
from auditor.records.predictions import codes
from auditor.registry import plugin

NAME = "failure-regions"
_PER_SEARCH, _PER_TEST, _LEAST_PER_SEARCH = 85, 14, 46
"""Forward passes per search image and per test image at most, and per search image at least."""
_MAX_SAMPLES = 12
"""Sample ids that a claim names at most."""
_BATCH = 100
"""Images of failures that are held in memory at a time."""
_LIMITS = (
    "It shows that the content of this region causes these failures. Whether it belongs to the object "
    "has to be judged by a person. A cause that affects the whole image has no such region and is not "
    "found by this check."
)


@plugin("check", NAME)
class FailureRegions(Check):
    """Which region of the image causes the failures with one predicted class?

    An intervention that needs no annotation. Some of the failures with a predicted class serve to find
    a region (a window, a strip or the border) and its infill: a blur, in-painting from its
    surroundings, or the content of correctly classified images of other labels. The other failures
    test it in two ways. The region is necessary if masking it corrects more failures than masking
    random other places of the same size. It is sufficient if correctly classified images of other
    labels are predicted as the class more often with the failures' content of the region than with
    that of correctly classified images. Both must hold, and the p-value is the larger of the two
    paired tests, as in every intersection-union test. Masking what distinguishes a T-shirt from a
    shirt also corrects failures, but pasting it does not turn a sandal into a shirt.

    Two causes can hide each other. If the Grad-CAMs of the failures fall into clusters (spectral
    relevance analysis), the largest clusters are also examined alone, with a search and a test of
    their own. Clusters that are corrected by masking a region found before are left out.

    Reference:
        R. L. Berger, "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24
        (1982) 295-300; S. Lapuschkin et al., "Unmasking Clever Hans predictors and assessing what
        machines really learn", Nature Communications 10 (2019) 1096, for the clusters.
    """

    kind: ClassVar[ClaimKind] = "robustness"
    needs: ClassVar[frozenset[Need]] = frozenset({"model"})
    handles_clusters: ClassVar[bool] = True
    tasks: ClassVar[frozenset[TaskName]] = ONE_CLASS
    renamed: ClassVar[Mapping[str, str]] = {
        "min_mended": "min_corrected",
        "min_turned": "min_flipped",
        "search_pictures": "search_images",
        "test_pictures": "test_images",
    }

    min_corrected: float = Field(0.1, ge=0, le=1)
    """Smallest share of the failures that masking the region corrects, minus the share that masking
    other places corrects, for a finding; its interval must lie above."""
    min_flipped: float = Field(0.05, ge=0, le=1)
    """Smallest share of recipient images that the failures' content flips to the class, minus the share
    that other content flips; its interval must lie above."""
    search_images: int = Field(12, ge=MIN_SEARCHED)
    """Failures on which to search for the region; a third of them at most."""
    test_images: int = Field(80, ge=20)
    """Largest number of failures on which to test it."""
    max_classes: int = Field(4, ge=1)
    """Largest number of predicted classes to examine, those with most failures first. Each takes about
    85 forward passes per search image and 14 per test image."""
    max_clusters: int = Field(2, ge=0)
    """Largest number of clusters of maps to examine within a class, the largest first; 0 for none. Each
    takes as many passes as a class. Clustering takes one map per failure, at most 500 per class."""

    def passes(self, size: AuditSize) -> Passes:
        """85 passes per search image and 14 per test image, for each class and cluster; and the maps."""
        classes = min(self.max_classes, size.n_classes)
        failures = size.n_failures / classes
        if failures < 3 * MIN_SEARCHED:
            return Passes()
        searched = min(self.search_images, failures / 3)
        tested = min(self.test_images, failures - searched)
        each = _PER_SEARCH * searched + _PER_TEST * tested
        maps = 3 * min(failures, 500) if self.max_clusters else 0.0
        # Masking the region in the other failures shows how many of them it accounts for.
        return Passes(
            _LEAST_PER_SEARCH * searched + 2 * tested,
            classes * ((1 + self.max_clusters) * (each + failures) + maps),
        )

    def examine(self, audit: AuditData) -> Examination:
        """Intervenes for every predicted class with enough failures."""
        if audit.model is None:
            return _skipped("the model is not available")
        search = CandidateSearch(audit, audit.model, self.search_images, self.test_images)
        counts = search.failures_by_class()
        order = np.argsort(-counts, kind="stable")
        selected = [int(code) for code in order if counts[code] >= search.min_failures]
        if not selected:
            return _skipped(f"no predicted class has {search.min_failures} failures or more")
        claims: list[Claim] = []
        reasons: list[str] = []
        examined = selected[: self.max_classes]
        for k, code in enumerate(examined):
            try:
                found, reason = self._examined(audit, audit.model, search, code)
            except BudgetExhaustedError as error:
                names = several([quoted(audit.classes[one]) for one in examined[k:]])
                reasons.append(f"not tested: failures predicted as {names}; for the first, {error}")
                break
            claims += found
            reasons += reason
        if len(selected) > self.max_classes:
            left_out = [quoted(audit.classes[code]) for code in selected[self.max_classes :]]
            reasons.append(
                f"failures predicted as {several(left_out)} were left out: other classes have more "
                f"failures (checks.{NAME}.max_classes)"
            )
        return Examination(
            tuple(claims), tuple(Skipped(check=NAME, reason=reason) for reason in reasons)
        )

    def _examined(
        self, audit: AuditData, model: ModelAccess, search: CandidateSearch, code: int
    ) -> tuple[list[Claim], list[str]]:
        """The claims about a predicted class and its clusters, and what was left out."""
        name, n_failures = quoted(audit.classes[code]), int(search.failures_by_class()[code])
        of_class = search.of_class(code)
        if of_class is None:
            few = "too few images of other labels are classified correctly"
            or_few = "" if audit.clusters is None else ", or too few clusters have failures"
            return [], [f"{name}: {few}{or_few}"]
        claims = [self._claim(audit, model, of_class, n_failures)]
        reasons: list[str] = []
        n_left_out = 0
        try:
            for one in search.of_clusters(of_class, self.max_clusters):
                if one is None:
                    n_left_out += 1
                else:
                    claims.append(self._claim(audit, model, one, n_failures))
        except BudgetExhaustedError as error:
            others = "clusters" if len(claims) == 1 else "further clusters"
            reasons.append(f"not tested: {others} of failures predicted as {name}; {error}")
        if n_left_out:
            reasons.append(
                f"{n_left_out} more clusters of maps of failures predicted as {name} were left out "
                f"(checks.{NAME}.max_clusters)"
            )
        return claims, reasons

    def _claim(
        self, audit: AuditData, model: ModelAccess, candidate: CandidateRegion, n_failures: int
    ) -> Claim:
        failures = candidate.failures
        limits = RegionLimits(self.min_corrected, self.min_flipped)
        test = evaluate_region(model, failures, candidate.found, limits, audit.seed)
        (necessity, p_necessary), (sufficiency, p_sufficient) = (
            test.necessity(),
            test.sufficiency(audit.seed),
        )
        significant = (
            not test.stopped
            and necessity.low > self.min_corrected
            and sufficiency.low > self.min_flipped
        )
        key = SliceKey(predicted=audit.classes[failures.code])
        values = _distinctive_values(audit, failures, test.corrected) if significant else []
        result = RegionResult(
            predicted=audit.classes[failures.code],
            failures=failures,
            n_failures=n_failures,
            test=test,
            cluster=candidate.cluster,
            evidence_in_region=_evidence_in_region(model, failures, test),
            values=tuple(values),
            examples=masked_examples(audit, model, test),
            corrected_by_infill=corrected_by_infill(model, test) if significant else {},
        )
        return Claim(
            check=NAME,
            kind=self.kind,
            title=result.title(),
            slice=key,
            effect=Effect.measured(
                "failures corrected, minus those corrected by masking other places",
                necessity,
                "points",
            )
            if significant
            else None,
            limit=self.min_corrected,
            # Fewer corrected or flipped predictions than with the control are no evidence of the claim.
            p_value=max(p_necessary, p_sufficient)
            if min(necessity.value, sufficiency.value) > 0 and not test.stopped
            else 1.0,
            support=len(test.corrected),
            samples=_samples(audit, failures, test),
            statement=tuple(result.sentences()),
            action=REGION_ACTION,
            limits=_LIMITS,
            evidence=tuple(result.evidence()),
            weight=max(0.0, necessity.value) * failures.total,
            # A computed property of the images is a weaker explanation than the region.
            explained_by=tuple(
                one.name for one in values if one.explains and one.name in audit.attributes
            ),
            confirms=(key,) if significant else (),
            accounts_for=_corrected_failures(model, failures, test) if significant else frozenset(),
        )


def _evidence_in_region(
    model: ModelAccess, failures: ClassFailures, test: RegionTest
) -> tuple[float, float] | None:
    """Nothing is computed for a region without effect."""
    if test.stopped:
        return None
    shares = mean_evidence(model, failures.test, failures.code, [test.masked.region])
    in_failures, in_class = (float(one[0]) for one in shares)
    return None if np.isnan([in_failures, in_class]).any() else (in_failures, in_class)


def _samples(audit: AuditData, failures: ClassFailures, test: RegionTest) -> tuple[str, ...]:
    """Ids of corrected failures, first those that masking another place does not correct."""
    control = test.corrected_by_control
    tested = failures.test if test.tested is None else test.tested
    rows = np.concatenate([tested.failures[test.corrected & one] for one in (~control, control)])
    return tuple(audit.predictions["sample"].iloc[rows[:_MAX_SAMPLES]].astype(str))


def _corrected_failures(
    model: ModelAccess, failures: ClassFailures, test: RegionTest
) -> frozenset[int]:
    """Positions of all failures with the predicted class, tested or not, that masking corrects."""
    others = (failures.search, *failures.rest.batches(_BATCH))
    corrected = [one.failures[corrected_by_masking(model, one, test.masked)] for one in others]
    return frozenset(np.concatenate([failures.test.failures[test.corrected], *corrected]).tolist())


def _distinctive_values(
    audit: AuditData, failures: ClassFailures, corrected: Mask
) -> list[DistinctiveValue]:
    """Compares the corrected failures with the other tested ones and correct images of their labels."""
    frame = audit.predictions
    label, predicted = codes(frame["label"]), codes(frame["predicted"])
    tested = failures.test.failures
    correct = np.flatnonzero((predicted == label) & np.isin(label, failures.test.label))
    rows = np.concatenate([tested, correct])
    failure = np.arange(len(rows)) < len(tested)
    inside = failure.copy()
    inside[failure] = corrected
    confidence = frame["confidence"].to_numpy(dtype=np.float64)[rows]
    sample_split = SampleSplit(
        rows=rows,
        label=label[rows],
        predicted=predicted[rows],
        failure=failure,
        excess=failure - (1 - confidence),
        search=np.zeros(len(rows), dtype=np.bool_),
    )
    return distinctive_values(audit, sample_split, inside)


def _skipped(reason: str) -> Examination:
    return Examination(skipped=(Skipped(check=NAME, reason=reason),))
