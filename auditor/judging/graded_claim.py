"""A claim weighed: its verdict, its severity and its place in the order of findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from auditor.comparisons.slice_counts import SliceIdentity, slice_identity
from auditor.judging.multiple_testing import Correction
from auditor.records import SEVERITIES, Claim, Severity, Verdict

_VERDICTS: tuple[Verdict, ...] = ("confirmed", "supported", "observed", "untestable")


@dataclass(frozen=True)
class GradedClaim:
    """A claim with its adjusted p-value, and the slices whose gaps were brought about."""

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
    def verdict(self) -> Verdict:
        """How sure it is."""
        if self.claim.untestable is not None:
            return "untestable"
        if not self.holds:
            return "observed"
        # What speaks of the data or of maps alone is not what the images were changed for.
        key = self.claim.slice
        # What is brought about for a slice is so for the part of it that is called one class.
        names = {slice_identity(key), slice_identity(key.model_copy(update={"predicted": None}))}
        outcome = self.claim.ceiling == "alert" and not names.isdisjoint(self.confirmed)
        return "confirmed" if outcome else "supported"

    @property
    def holds(self) -> bool:
        """Whether its test survives the correction."""
        return self.q_value is not None and self.q_value <= self.correction.alpha

    @property
    def told(self) -> bool:
        """Whether it is a finding, or a part of one."""
        claim = self.claim
        if self.verdict == "untestable":
            return len(claim.slice.attributes) == 1 and claim.slice.label is None
        # A difference within what was called acceptable before it was seen accuses nobody, however
        # sure it is; it stands in the table of slices.
        if claim.counted:
            return claim.effect is not None and claim.effect.value > 0
        if claim.effect is None or claim.effect.value <= max(claim.limit, 0.0):
            return False
        if self.holds:
            return True
        # What chance alone makes large is told of single values only: pairs are many and small, and
        # so are the bands of properties that nobody asked for.
        return len(claim.slice.attributes) < 2 and not claim.computed

    @property
    def severity(self) -> Severity:
        """How much it matters."""
        effect = self.claim.effect
        if self.claim.counted and effect is not None:
            return self.claim.ceiling if effect.low > self.claim.limit else "note"
        if not self.holds or effect is None or effect.value <= self.claim.limit:
            return "note"
        if effect.low <= 0:
            return "note"  # something is there, but how much of it could be next to nothing
        nearest = effect.value - (effect.value - effect.low) * self.correction.widening(self.index)
        grade: Severity = "alert" if nearest > self.claim.limit else "warning"
        return min(grade, self.claim.ceiling, key=SEVERITIES.index)

    @property
    def rank(self) -> tuple[int, int, float]:
        """Sorts the gravest first."""
        return (
            -SEVERITIES.index(self.severity),
            _VERDICTS.index(self.verdict),
            -self.claim.weight,
        )

    @property
    def statement(self) -> str:
        """The claim's own words, and how sure it is."""
        if self.q_value is None:
            return self.claim.statement
        after = (
            f"q = {_small(self.q_value)} after correction for all {self.correction.n_tests} tests"
        )
        if self.holds:
            sure = f"Were there no such difference, chance would hardly show it: {after}."
        else:
            sure = f"That may be chance: {after}."
        return f"{self.claim.statement} {sure}"

    def record(self) -> dict[str, Any]:
        """The claim as one piece of a finding's evidence."""
        claim = self.claim
        return {
            "check": claim.check,
            "title": claim.title,
            "slice": claim.slice.model_dump(),
            "effect": None if claim.effect is None else claim.effect.model_dump(),
            "limit": claim.limit,
            "p_value": claim.p_value,
            "q_value": self.q_value,
            "support": claim.support,
            "severity": self.severity,
            "verdict": self.verdict,
            "statement": claim.statement,
            "action": claim.action,
            "limits": claim.limits,
            **dict(claim.evidence),
        }


def _small(number: float) -> str:
    return f"{number:.2g}" if number >= 1e-4 else "under 0.0001"
