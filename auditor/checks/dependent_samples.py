"""Dependent samples: are there images that belong together, although no group is configured?"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import ClassVar, cast

import numpy as np
from pydantic import Field

from auditor.checks import Check
from auditor.near_duplicates.fingerprints import (
    NearPairs,
    concatenate,
    connected_groups,
    equal_files,
    near_pairs,
    parse_fingerprints,
    reach_note,
)
from auditor.phrasing import count, limits, several
from auditor.records import (
    AuditData,
    Claim,
    ClaimKind,
    Effect,
    Examination,
    Quantities,
    Quantity,
    Skipped,
    SliceKey,
)
from auditor.records.decisions import ONE_CLASS, TaskName
from auditor.records.predictions import FINGERPRINTS, GROUP, PATH, PHASH, SHA256, codes
from auditor.registry import plugin
from auditor.statistics import (
    ClusterDesign,
    Integers,
    cluster_design,
    cluster_p_value,
    design_effect_interval,
    find_series,
)

NAME = "dependent-samples"
_SHOWN = 12
"""Maximum number of sample ids in a claim."""


@plugin("check", NAME)
class DependentSamples(Check):
    """Are there images that belong together, such as those of one patient, although no group is set?

    Without ``data.group`` in the configuration, all samples are treated as independent. If they are
    not, intervals are too narrow and attributes are reported falsely. This check looks for images that
    belong together in two ways: by file names that begin alike, and by near-duplicates. For both, it
    tests whether failures are correlated inside such groups, by permutation within labels, and
    estimates the design effect: the variance of the error rate relative to that of independent
    samples.

    Reference:
        `auditor.statistics.find_series`, `auditor.statistics.cluster_design`.
    """

    kind: ClassVar[ClaimKind] = "data"
    handles_clusters: ClassVar[bool] = True
    tasks: ClassVar[frozenset[TaskName]] = ONE_CLASS

    max_design_effect: float = Field(1.2, ge=1)
    """Largest acceptable design effect; with 1.2, intervals are a tenth too narrow."""
    max_distance: int = Field(2, ge=0, le=12)
    """Largest number of bits (of 64) by which the fingerprints of near-duplicates differ."""

    def examine(self, audit: AuditData) -> Examination:
        """Looks for series of file names and for near-duplicates."""
        if GROUP in audit.predictions or len(audit.predictions) < audit.min_support:
            return Examination()
        claims, skipped = self._near_duplicates(audit)
        return Examination((*self._series(audit), *claims), skipped)

    def _series(self, audit: AuditData) -> Iterator[Claim]:
        frame = audit.predictions
        failure, label = frame["failure"].to_numpy(dtype=np.float64), codes(frame["label"])
        # Not a list: a million paths would take more memory than the rest of the check.
        paths = cast(Collection[str], frame[PATH].astype(str).array)
        found = find_series(paths, failure, label, audit.seed)
        if found is None or np.isnan(found.design.design_effect):
            return
        listed = [found.names[k] for k in np.argsort(-np.bincount(found.groups))[:3]]
        yield self._claim(
            audit,
            found.groups,
            found.design,
            found.p_value,
            what="images whose file names begin alike",
            how=f"{count(found.n_series)} groups of images have names that begin alike, such as "
            f"{several(listed)}.",
        )

    def _near_duplicates(self, audit: AuditData) -> tuple[tuple[Claim, ...], tuple[Skipped, ...]]:
        frame = audit.predictions
        if not {*FINGERPRINTS}.issubset(frame):
            return (), ()
        fingerprints, rows = parse_fingerprints(frame[PHASH])
        near, reach = near_pairs(fingerprints, self.max_distance)
        skipped: tuple[Skipped, ...] = ()
        if reach < self.max_distance:
            reason = reach_note(reach, self.max_distance, f"checks.{NAME}.max_distance")
            skipped = (Skipped(check=NAME, reason=reason),)
        pairs = NearPairs(rows[near.first], rows[near.second], near.distance)
        groups = connected_groups(concatenate([equal_files(frame[SHA256]), pairs]))
        cluster = np.arange(len(frame))
        for one in groups:
            cluster[one] = one[0]
        failure, label = frame["failure"].to_numpy(dtype=np.float64), codes(frame["label"])
        design = cluster_design(failure, cluster, label)
        if np.isnan(design.design_effect):
            return (), skipped
        claim = self._claim(
            audit,
            cluster,
            design,
            cluster_p_value(failure, cluster, label, audit.seed),
            what="near-duplicates",
            how=f"{count(len(groups))} groups of images look nearly the same.",
        )
        return (claim,), skipped

    def _claim(
        self,
        audit: AuditData,
        cluster: Integers,
        design: ClusterDesign,
        p_value: float,
        *,
        what: str,
        how: str,
    ) -> Claim:
        interval = design_effect_interval(design, cluster)
        effect = Effect.measured("design effect", interval, "ratio")
        _, code, sizes = np.unique(cluster, return_inverse=True, return_counts=True)
        together = np.flatnonzero(sizes[code] > 1)
        shown = together[np.argsort(-sizes[code[together]], kind="stable")[:_SHOWN]]
        return Claim(
            check=NAME,
            kind=self.kind,
            title=f"Samples are not independent: failures are correlated among {what} (design effect "
            f"{design.design_effect:.1f})",
            slice=SliceKey(),
            effect=effect,
            limit=self.max_design_effect,
            p_value=p_value,
            support=len(together),
            samples=tuple(audit.predictions["sample"].iloc[shown].astype(str)),
            statement=(
                (
                    f"{how} The intra-class correlation of failures in these groups is "
                    f"{design.correlation:.2f} within labels."
                ),
                (
                    f"The estimated design effect is {design.design_effect:.1f} (95 % interval "
                    f"{limits(effect, 'ratio')}): the {count(design.n_samples)} samples are worth about "
                    f"{count(round(design.effective_size))} independent ones. The intervals and tests of "
                    "this audit treat all samples as independent."
                ),
            ),
            action="Set `data.group` to the column that says which images belong together, such as the "
            "patient, and audit again.",
            limits="Which images belong together was guessed. A small effect here does not prove that "
            "samples are independent.",
            evidence=(
                Quantities(
                    items=(
                        Quantity(name="groups", value=design.n_clusters, unit="count"),
                        Quantity(
                            name="intra-class correlation", value=design.correlation, unit="score"
                        ),
                    )
                ),
            ),
            weight=float(len(together)),
            ceiling="warning",
        )
