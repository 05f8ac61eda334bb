"""Any gap of a slice with each other annotated attribute held fixed, and the claim that says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from auditor.comparisons.confounding import WithHeldFixed, comparison_weight
from auditor.comparisons.explanations import explained_by, held_fixed, title_suffix
from auditor.comparisons.strata import crossed
from auditor.records import AuditData, Claim, HeldFixedGap
from auditor.records.predictions import codes
from auditor.statistics import Integers, Interval, clustered_gap, stratified_gap

GapWithin = Callable[[Integers], tuple[Interval, float]]
"""Takes strata (n,) and returns the gap within them, and its p-value; NaN if nothing can be compared."""


@dataclass(frozen=True)
class OthersFixed:
    """A gap that can be computed within any strata.

    Attributes:
        audit: the audited data.
        rows: (n,) positions of the compared samples in ``AuditData.predictions``.
        inside: (n,) which of them are in the slice.
        strata: (n,) what is held fixed in any case.
        within: the gap within other strata.
    """

    audit: AuditData
    rows: Integers
    inside: NDArray[np.bool_]
    strata: Integers
    within: GapWithin

    def added_to(self, claim: Claim) -> Claim:
        """Adds to a claim about a gap which other attributes explain it.

        A claim without a significant gap remains as it is. Attributes that are declared as mediators
        are not held fixed, and a gap of a sensitive attribute keeps its own finding.

        Args:
            claim: with an effect in points, positive where the slice is worse.
        """
        effect = claim.effect
        significant = claim.p_value is not None and claim.p_value <= self.audit.alpha
        if effect is None or effect.value <= 0 or not significant:
            return claim
        gap = Interval(effect.value, effect.low, effect.high)
        gaps = self._gaps(claim, gap)
        if not gaps:
            return claim
        held = held_fixed(gaps, gap)
        sensitive = any(name in self.audit.declared.sensitive for name in claim.slice.attributes)
        return replace(
            claim,
            title=claim.title + title_suffix(held, gap),
            evidence=(*claim.evidence, held),
            explained_by=() if sensitive else explained_by(held),
        )

    def _gaps(self, claim: Claim, gap: Interval) -> list[HeldFixedGap]:
        mediators = self.audit.declared.with_role("mediator")
        whole = comparison_weight(self.strata, self.inside)
        found = []
        for name in self.audit.attributes:
            if name in claim.slice.attributes or name in mediators:
                continue
            strata = crossed(self.strata, codes(self.audit.predictions[name])[self.rows])
            left, p_value = self.within(strata)
            weight = comparison_weight(strata, self.inside)
            fixed = WithHeldFixed(name, left, p_value, 4 * weight, weight / whole if whole else 0.0)
            found.append(fixed.judged(gap, self.audit.min_support, self.audit.alpha, claim.limit))
        return found


def rate_within(
    audit: AuditData, rows: Integers, inside: NDArray[np.bool_], outcome: NDArray[np.bool_]
) -> GapWithin:
    """The gap in the rate of an outcome between a slice and the rest, for `OthersFixed`.

    Args:
        audit: the audited data.
        rows: (n,) positions of the compared samples.
        inside: (n,) which of them are in the slice.
        outcome: (n,) which of them have the outcome.
    """

    def within(strata: Integers) -> tuple[Interval, float]:
        if audit.clusters is not None:
            cluster = audit.clusters.of_sample[rows]
            clustered = clustered_gap(
                outcome, [np.flatnonzero(inside)], strata, cluster, seed=audit.seed
            )
            return clustered.gap[0], float(clustered.p_value[0])
        n = int(strata.max(initial=-1)) + 1
        own, rest = (
            [np.bincount(strata[part], minlength=n) for part in (side & outcome, side)]
            for side in (inside, ~inside)
        )
        gaps = stratified_gap(own[0], own[1], rest[0], rest[1])
        return gaps.gap[()], float(gaps.p_value)

    return within
