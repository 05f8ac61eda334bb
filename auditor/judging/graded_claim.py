"""A claim with its verdict, its severity and its rank among the findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from auditor.comparisons.slice_counts import SliceIdentity, slice_identity
from auditor.judging.multiple_testing import Correction
from auditor.records import (
    SEVERITIES,
    Claim,
    ClaimRecord,
    Effect,
    Intervention,
    Severity,
    TestedRecord,
    Verdict,
)

_VERDICTS: tuple[Verdict, ...] = ("confirmed", "supported", "observed", "untestable")
_CONFIRMABLE = frozenset({"outcome", "robustness"})
"""Kinds of claims about predictions, which an intervention on the images can confirm."""


@dataclass(frozen=True)
class GradedClaim:
    """A claim after the correction for multiple testing.

    Attributes:
        claim: what the check returned.
        index: its position among all claims of the audit.
        correction: adjusted p-values of all claims.
        confirmed: slices whose gap an intervention reproduced.
    """

    claim: Claim
    index: int
    correction: Correction
    confirmed: frozenset[SliceIdentity]

    @property
    def q_value(self) -> float | None:
        """Adjusted p-value; None if nothing was tested."""
        return _known(self.correction.q_values[self.index])

    @property
    def level(self) -> float | None:
        """The level of its test after the correction; None if nothing was tested."""
        return _known(self.correction.levels[self.index])

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
        """Whether it becomes a finding or a part of one.

        A difference within the limit that was fixed in advance is not a finding, even if it is
        significant, and neither is one that may be due to chance.
        """
        claim = self.claim
        if claim.untestable is not None or claim.effect is None:
            return False
        if claim.counted:
            return claim.effect.value > 0
        if claim.effect.value <= max(claim.limit, 0.0):
            return False
        return self.is_significant or claim.p_value is None

    @property
    def severity(self) -> Severity:
        """The severity, from the effect and its interval alone."""
        effect = self._graded_by
        if self.claim.counted and effect is not None:
            return self.claim.ceiling if effect.low > self.claim.limit else "note"
        if not self.is_significant or effect is None or effect.value <= self.claim.limit:
            return "note"
        if effect.low <= _nothing(effect):
            return "note"  # the interval includes effects close to none
        grade: Severity = "alert" if effect.low > self.claim.limit else "warning"
        return min(grade, self.claim.ceiling, key=SEVERITIES.index)

    @property
    def open_bound(self) -> bool:
        """Whether it would be an alert but for the width of its interval."""
        claim, effect = self.claim, self._graded_by
        return (
            claim.kind in _CONFIRMABLE
            and claim.ceiling == "alert"
            and not claim.counted
            and self.is_significant
            and effect is not None
            and effect.low <= claim.limit < effect.value
        )

    @property
    def _graded_by(self) -> Effect | None:
        return self.claim.effect if self.claim.graded_by is None else self.claim.graded_by

    @property
    def rank(self) -> tuple[int, int, float]:
        """Sort key: by severity; what concerns the whole audit first; then by verdict and weight."""
        return (
            -SEVERITIES.index(self.severity),
            -1 if self.claim.story is not None else _VERDICTS.index(self.verdict),
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
            level=self.level,
            support=claim.support,
            statement=list(claim.statement),
            open_bound=self.open_bound,
            graded_by=claim.graded_by,
            action=f"{claim.plan} {claim.action}".strip(),
            limits=claim.limits,
            evidence=list(claim.evidence),
        )

    def tested(self) -> TestedRecord | None:
        """The record of a tested claim that is not a finding; None if nothing was tested."""
        claim, q_value, level = self.claim, self.q_value, self.level
        if claim.p_value is None or q_value is None or level is None:
            return None
        reason: Literal["may be chance", "within the limit", "no effect of this kind"]
        if not self.is_significant:
            reason = "may be chance"
        else:
            reason = "no effect of this kind" if claim.effect is None else "within the limit"
        return TestedRecord(
            check=claim.check,
            title=claim.title,
            slice=claim.slice,
            effect=claim.effect,
            limit=claim.limit,
            p_value=claim.p_value,
            q_value=q_value,
            level=level,
            support=claim.support,
            reason=reason,
            intervention=claim.part(Intervention),
        )


def _known(number: float) -> float | None:
    return None if np.isnan(number) else float(number)


def _nothing(effect: Effect) -> float:
    """The value of an effect if there is no difference."""
    return 1.0 if effect.unit == "ratio" else 0.0
