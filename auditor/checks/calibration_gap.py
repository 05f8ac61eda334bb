"""Calibration gap: does the confidence promise more for a slice than it keeps?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from auditor.phrasing import effect, interval, numbers, percent, points, whom
from auditor.records import AuditData, Claim, Examination, Slice, SliceKey
from auditor.registry import Options, plugin
from auditor.statistics import Calibration, Floats, Interval, calibration, stratified_mean_gap

NAME = "calibration-gap"
_DRAWS = 4_000_000
"""Samples × resamplings for the interval of a calibration error: some 50 milliseconds."""


@plugin("check", NAME)
class CalibrationGap(Options):
    """Does the confidence promise more for a slice than it keeps, and more than for the rest?

    Over-confidence is the mean confidence minus the share of correct predictions. Slices are
    compared within labels (weights as Mantel and Haenszel's; the test takes the normal limit of
    permutations within labels). The expected calibration error stands in the evidence.
    """

    max_gap: float = Field(0.05, ge=0, le=1)
    """Largest acceptable over-confidence of a slice beyond that of the rest (a share, 0 to 1)."""
    max_overconfidence: float = Field(0.05, ge=0, le=1)
    """Largest acceptable over-confidence of the model on all samples."""

    def examine(self, audit: AuditData) -> Examination:
        """Compares the over-confidence of every attribute value with the rest."""
        frame = audit.predictions
        stated = frame["confidence"].to_numpy(dtype=np.float64)
        right = ~frame["failure"].to_numpy(dtype=bool)
        if len(frame) < audit.min_support:
            return Examination()
        label = np.asarray(frame["label"].cat.codes, dtype=np.int64)
        claims = [self._whole(_calibration(stated, right, audit.seed))]
        for one in audit.slices:
            if len(one.key.attributes) == 1 and one.key.label is None:
                claims += self._slice(one, stated, right, label, audit)
        return Examination(tuple(claims))

    def _whole(self, found: Calibration) -> Claim:
        over = found.overconfidence
        return Claim(
            check=NAME,
            title=f"Confidence is {points(over.value)} {_side(over)} on average",
            slice=SliceKey(),
            effect=effect("over-confidence", over),
            limit=self.max_overconfidence,
            p_value=None,
            support=found.support,
            samples=(),
            statement=f"The mean confidence is {points(over.value)} {_side(over)} "
            f"({interval(over, ' points')}); the expected calibration error is "
            f"{percent(found.error.value)} ({interval(found.error)}).",
            action="Calibrate the confidence on held-out samples (temperature scaling) before anybody "
            "decides by it.",
            limits="It tells of the average, not of each sample.",
            evidence={"calibration_error": numbers(found.error)},
        )

    def _slice(
        self,
        one: Slice,
        stated: Floats,
        right: NDArray[np.bool_],
        label: NDArray[np.int64],
        audit: AuditData,
    ) -> Iterator[Claim]:
        inside = np.zeros(len(stated), dtype=bool)
        inside[one.rows] = True
        gaps = stratified_mean_gap(stated - right, inside, label, n_permutations=0)
        if min(gaps.n_slice, gaps.n_rest) < audit.min_support:
            return
        found = _calibration(stated[one.rows], right[one.rows], audit.seed)
        over = found.overconfidence
        gap = Interval(gaps.gap.value, max(-1.0, gaps.gap.low), min(1.0, gaps.gap.high))
        who = whom(one.key)
        yield Claim(
            check=NAME,
            title=f"Confidence is {points(over.value)} {_side(over)} for {who}, {points(gap.value)} "
            f"{'more' if gap.value >= 0 else 'less'} than for the rest",
            slice=one.key,
            effect=effect("over-confidence gap", gap),
            limit=self.max_gap,
            p_value=gaps.p_value,
            support=one.support,
            samples=(),
            statement=f"For {one.support} {who}, the mean confidence is {points(over.value)} "
            f"{_side(over)} ({interval(over, ' points')}). Within labels, that is {points(gap.value)} "
            f"{'more' if gap.value >= 0 else 'less'} over-confident than the rest "
            f"({interval(gap, ' points')}).",
            action=f"Do not trust the confidence for {who}: calibrate it on samples that hold enough "
            "of them, and check it apart.",
            limits="A slice with more failures is over-confident even if the confidence is right "
            "elsewhere.",
            evidence={
                "overconfidence": numbers(over),
                "calibration_error": numbers(found.error),
            },
        )


def _calibration(stated: Floats, right: NDArray[np.bool_], seed: int) -> Calibration:
    draws = int(np.clip(_DRAWS // max(1, len(stated)), 100, 500))
    return calibration(stated, right, n_bootstrap=draws, seed=seed)


def _side(over: Interval) -> str:
    return "too high" if over.value >= 0 else "too low"
