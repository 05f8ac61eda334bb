"""Calibration gap: is the model over-confident, and more so on a slice than on the rest?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.stats import norm

from auditor.checks import Check
from auditor.comparisons.clusters import inflation, mean_gap_of, widened
from auditor.comparisons.others_fixed import OthersFixed
from auditor.comparisons.strata import confounders, crossed
from auditor.phrasing import count, interval, percent, points, several, whom
from auditor.records import (
    AuditData,
    Claim,
    Effect,
    Estimate,
    Examination,
    Quantities,
    Quantity,
    Severity,
    Slice,
    SliceKey,
)
from auditor.records.outcome import GROSS_OVERCONFIDENCE
from auditor.records.predictions import codes
from auditor.registry import plugin
from auditor.statistics import (
    Calibration,
    Floats,
    Integers,
    Interval,
    MeanGap,
    calibration,
    overconfidence_gap,
)

NAME = "calibration-gap"
_NOTICEABLE = 0.05
"""Most networks are over-confident by a few points. Unless the user sets a limit, that is not an alert."""


@plugin("check", NAME)
class CalibrationGap(Check):
    """Is the model over-confident, and more so on a slice than on the rest?

    Over-confidence is the mean confidence minus the accuracy. All samples are tested against 0, slices
    against the rest within labels, and within the confounders that ``slices.roles`` declares
    (Mantel-Haenszel weights, permutation within these strata). Tests and
    intervals are valid for rare errors. The expected calibration error, corrected for the bias of
    noise, is part of the evidence.
    """

    handles_clusters: ClassVar[bool] = True

    max_gap: float = Field(0.05, ge=0, le=1)
    """Largest acceptable over-confidence of a slice beyond that of the rest (a share, 0 to 1)."""
    max_overconfidence: float | None = Field(None, ge=0, le=1)
    """Largest acceptable over-confidence of the model on all samples; beyond it, an alert. null: a
    warning beyond 0.05, and an alert beyond 0.2."""
    max_underconfidence: float = Field(0.05, ge=0, le=1)
    """Largest acceptable under-confidence of the model on all samples; beyond it, a warning."""

    def examine(self, audit: AuditData) -> Examination:
        """Compares the over-confidence of every attribute value with the rest."""
        frame = audit.predictions
        confidence = frame["confidence"].to_numpy(dtype=np.float64)
        correct = ~frame["failure"].to_numpy(dtype=bool)
        if len(frame) < audit.min_support:
            return Examination()
        every = np.arange(len(frame))
        claims = [self._overall(_calibration(audit, confidence, correct, every))]
        for one in audit.slices:
            if len(one.key.attributes) == 1 and one.key.label is None:
                claims += self._slice(one, confidence, correct, audit)
        return Examination(tuple(claims))

    def _overall(self, found: Calibration) -> Claim:
        over = found.overconfidence
        too_high = over.value >= 0
        limit, ceiling = self._limit(over)
        # The effect is positive for over- and under-confidence.
        size = over if too_high else Interval(-over.value, -over.high, -over.low)
        return Claim(
            check=NAME,
            kind=self.kind,
            title=f"Confidence is {points(over.value)} {_side(over)} on average",
            slice=SliceKey(),
            effect=Effect.measured(
                "over-confidence" if too_high else "under-confidence", size, "points"
            ),
            limit=limit,
            p_value=found.p_value,
            support=found.support,
            samples=(),
            statement=(
                (
                    f"The mean confidence is {points(over.value)} {_side(over)} "
                    f"({interval(size, ' points')}; n = {count(found.support)})."
                ),
                (
                    f"The expected calibration error is {percent(found.error.value)} "
                    f"({interval(found.error)}), corrected for the bias of noise."
                ),
            ),
            action="Calibrate the confidence on held-out samples (temperature scaling) before decisions "
            "rely on it.",
            limits="It describes the average, not single samples.",
            evidence=(Quantities(items=(_calibration_error(found),)),),
            ceiling=ceiling,
        )

    def _limit(self, over: Interval) -> tuple[float, Severity]:
        """The limit of the overall claim, and its highest severity."""
        if over.value < 0:
            return self.max_underconfidence, "warning"
        if self.max_overconfidence is not None:
            return self.max_overconfidence, "alert"
        return _NOTICEABLE, "alert" if over.low > GROSS_OVERCONFIDENCE else "warning"

    def _slice(
        self,
        one: Slice,
        confidence: Floats,
        correct: NDArray[np.bool_],
        audit: AuditData,
    ) -> Iterator[Claim]:
        inside = np.zeros(len(confidence), dtype=bool)
        inside[one.rows] = True
        (name,) = one.key.attributes
        fixed, alike = confounders(audit, name)
        strata = crossed(alike, codes(audit.predictions["label"]))
        every = np.arange(len(confidence))

        def compared(within: Integers) -> MeanGap:
            if audit.clusters is None:
                return overconfidence_gap(confidence, correct, inside, within)
            return mean_gap_of(audit, confidence - correct, inside, within)

        gaps = compared(strata)
        if min(gaps.n_slice, gaps.n_rest) < audit.min_support or np.isnan(gaps.p_value):
            return
        found = _calibration(audit, confidence, correct, one.rows)
        over = found.overconfidence
        gap = gaps.gap
        who = whom(one.key)
        more = "more" if gap.value >= 0 else "less"
        others = OthersFixed(
            audit, every, inside, strata, lambda within: _gap_and_p(compared(within))
        )
        claim = Claim(
            check=NAME,
            kind=self.kind,
            title=f"Confidence is {points(over.value)} {_side(over)} for {who}, {points(gap.value)} "
            f"{more} than for others",
            slice=one.key,
            effect=Effect.measured("over-confidence gap", gap, "points"),
            limit=self.max_gap,
            p_value=gaps.p_value,
            support=one.support,
            samples=(),
            statement=(
                (
                    f"For {one.support} {who}, the mean confidence is {points(over.value)} {_side(over)} "
                    f"({interval(over, ' points')})."
                ),
                (
                    f"With {several(['the label', *fixed])} held fixed, that is {points(gap.value)} "
                    f"{more} over-confident than the rest "
                    f"({interval(gap, ' points')})."
                ),
            ),
            action=f"Do not rely on the confidence for {who}: calibrate it on data with enough of these "
            "samples, and check it separately.",
            limits="A slice with more failures can be over-confident although the model is calibrated "
            "elsewhere.",
            evidence=(
                Quantities(
                    items=(
                        Quantity(name="over-confidence", value=Estimate.of(over), unit="points"),
                        _calibration_error(found),
                    )
                ),
            ),
        )
        yield others.added_to(claim)


def _gap_and_p(found: MeanGap) -> tuple[Interval, float]:
    return found.gap, found.p_value


def _calibration(
    audit: AuditData, confidence: Floats, correct: NDArray[np.bool_], rows: Integers
) -> Calibration:
    """The calibration of some samples; for clustered samples, at their effective number."""
    found = calibration(confidence[rows], correct[rows], seed=audit.seed)
    worth = float(inflation(audit, confidence - correct, [rows])[0])
    z = norm.isf(np.clip(found.p_value, 1e-300, 1) / 2) / np.sqrt(worth)
    return replace(
        found,
        error=widened(found.error, worth, 0.0),
        overconfidence=widened(found.overconfidence, worth),
        p_value=found.p_value if worth == 1 else float(2 * norm.sf(z)),
    )


def _calibration_error(found: Calibration) -> Quantity:
    return Quantity(name="expected calibration error", value=Estimate.of(found.error), unit="share")


def _side(over: Interval) -> str:
    return "too high" if over.value >= 0 else "too low"
