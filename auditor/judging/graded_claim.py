"""A claim with its verdict, its severity and its rank among the findings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auditor.comparisons.slice_counts import SliceIdentity, slice_identity
from auditor.judging.multiple_testing import Correction
from auditor.records import SEVERITIES, Claim, ClaimRecord, Severity, Verdict

_VERDICTS: tuple[Verdict, ...] = ("confirmed", "supported", "observed", "untestable")
_CONFIRMABLE = frozenset({"outcome", "robustness"})
"""Kinds of claims about predictions: an intervention on the images says nothing of the others."""


@dataclass(frozen=True)
class GradedClaim:
    """A claim after the correction for multiple testing.

    Attributes:
        claim: what the check returned.
        index: its position among all claims of the audit.
        correction: adjusted p-values of all of them.
        confirmed: slices whose gap an intervention reproduced.
    """

    claim: Claim
    index: int
    correction: Correction
    confirmed: frozenset[SliceIdentity]

    @property
    def q_value(self) -> float | None:
        """Adjusted p-value; None where nothing was tested."""
        q = float(self.correction.q_values[self.index])
        return None if np.isnan(q) else q

    @property
    def is_significant(self) -> bool:
        """Whether the test is significant after the correction."""
        return self.q_value is not None and self.q_value <= self.correction.alpha

    @property
    def verdict(self) -> Verdict:
        """How certain the claim is."""
        if self.claim.untestable is not None:
            return "untestable"
        if not self.is_significant:
            return "observed"
        key = self.claim.slice
        # An intervention that confirms a slice also confirms the part of it with one predicted class.
        identities = {
            slice_identity(key),
            slice_identity(key.model_copy(update={"predicted": None})),
        }
        reproduced = not identities.isdisjoint(self.confirmed)
        return "confirmed" if self.claim.kind in _CONFIRMABLE and reproduced else "supported"

    @property
    def is_reported(self) -> bool:
        """Whether it becomes a finding, or a part of one."""
        claim = self.claim
        if self.verdict == "untestable":
            return len(claim.slice.attributes) == 1 and claim.slice.label is None
        if claim.counted:
            return claim.effect is not None and claim.effect.value > 0
        # A difference within the limit that was fixed in advance is not a finding, however significant
        # it is; it is listed in the table of slices.
        if claim.effect is None or claim.effect.value <= max(claim.limit, 0.0):
            return False
        if self.is_significant:
            return True
        # Effects that may be chance are reported for single annotated values only: pairs of values
        # and bands of computed properties are too many.
        return len(claim.slice.attributes) < 2 and not claim.computed

    @property
    def severity(self) -> Severity:
        """How much it matters, by the effect and its interval alone."""
        effect = self.claim.effect
        if self.claim.counted and effect is not None:
            return self.claim.ceiling if effect.low > self.claim.limit else "note"
        if not self.is_significant or effect is None or effect.value <= self.claim.limit:
            return "note"
        if effect.low <= 0:
            return "note"  # the effect is there, but may be next to nothing
        low = effect.value - (effect.value - effect.low) * self.correction.widening(self.index)
        grade: Severity = "alert" if low > self.claim.limit else "warning"
        return min(grade, self.claim.ceiling, key=SEVERITIES.index)

    @property
    def rank(self) -> tuple[int, int, float]:
        """Sort key: most severe first, then the better supported, then the larger weight."""
        return (
            -SEVERITIES.index(self.severity),
            _VERDICTS.index(self.verdict),
            -self.claim.weight,
        )

    def record(self) -> ClaimRecord:
        """The claim as it is written to ``audit.json``."""
        claim = self.claim
        return ClaimRecord(
            check=claim.check,
            kind=claim.kind,
            title=claim.title,
            severity=self.severity,
            verdict=self.verdict,
            slice=claim.slice,
            effect=claim.effect,
            limit=claim.limit,
            p_value=claim.p_value,
            q_value=self.q_value,
            support=claim.support,
            statement=list(claim.statement),
            action=claim.action,
            limits=claim.limits,
            evidence=list(claim.evidence),
        )
