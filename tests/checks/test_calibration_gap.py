"""Over-confidence of a slice beyond that of the rest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from builders.claims import quantity

from auditor.checks.calibration_gap import CalibrationGap
from auditor.records import AuditData, Estimate

MakeEvidence = Callable[..., AuditData]


def test_calibration_gap_overconfident_slice_is_found(make_evidence: MakeEvidence) -> None:
    label = ["no", "yes"] * 200
    dark = ["day", "day", "night", "night"] * 100
    failing = [light == "night" and k % 8 in {2, 3} for k, light in enumerate(dark)]
    other = {"no": "yes", "yes": "no"}
    predicted = [other[one] if wrong else one for one, wrong in zip(label, failing, strict=True)]
    # Half of the night fails, and the confidence says 0.9 throughout.
    audit = make_evidence(label, predicted, {"light": dark}, classes=("no", "yes"))
    whole, day, night = CalibrationGap().examine(audit).claims
    assert whole.effect is not None
    assert whole.effect.value == pytest.approx(0.9 - 0.75)
    assert whole.p_value is not None
    assert whole.p_value < 1e-6
    assert whole.ceiling == "alert"
    assert day.effect is not None
    assert day.effect.value == pytest.approx(-0.5)
    assert night.effect is not None
    assert night.effect.value == pytest.approx(0.5)
    assert night.p_value is not None
    assert night.p_value < 1e-10
    overconfidence = quantity(night, "over-confidence")
    assert isinstance(overconfidence, Estimate)
    assert overconfidence.value == pytest.approx(0.4)


def test_calibration_gap_calibrated_model_gives_uniform_p_values(
    make_evidence: MakeEvidence,
) -> None:
    p_values = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        confidence = rng.uniform(0.5, 1, 240)
        label = rng.choice(["no", "yes"], 240)
        other = np.where(label == "no", "yes", "no")
        predicted = np.where(rng.random(240) < confidence, label, other)
        side = rng.choice(["left", "right"], 240, p=[0.25, 0.75])
        audit = make_evidence(
            label, predicted, {"side": side}, classes=("no", "yes"), confidence=confidence
        )
        p_values.append(CalibrationGap().examine(audit).claims[1].p_value)
    assert 1 <= sum(p is not None and p <= 0.05 for p in p_values) <= 12
    assert 0.4 < float(np.mean([p for p in p_values if p is not None])) < 0.6


def test_calibration_gap_underconfident_model_is_a_warning_at_most(
    make_evidence: MakeEvidence,
) -> None:
    label = ["no", "yes"] * 100
    # 190 of 200 are right, and the confidence says 0.7.
    predicted = [{"no": "yes", "yes": "no"}[one] for one in label[:10]] + label[10:]
    audit = make_evidence(label, predicted, {}, classes=("no", "yes"), confidence=[0.7] * 200)
    (whole,) = CalibrationGap(max_underconfidence=0.1).examine(audit).claims
    assert whole.effect is not None
    assert whole.effect.name == "under-confidence"
    assert whole.effect.value == pytest.approx(0.25)
    assert 0.1 < whole.effect.low < 0.25 < whole.effect.high < 0.3
    assert whole.limit == 0.1
    assert whole.ceiling == "warning"
    assert whole.title == "Confidence is 25 points too low on average"
    error = quantity(whole, "expected calibration error")
    assert isinstance(error, Estimate)
    assert error.value == pytest.approx(0.25, abs=0.01)
    assert error.low < 0.25 < error.high


def test_calibration_gap_rare_errors_slice_without_errors_has_a_wide_interval(
    make_evidence: MakeEvidence,
) -> None:
    # 4 of 400 fail, none of them in the slice of 40, where 0.4 are expected.
    label = ["no", "yes"] * 200
    predicted = [{"no": "yes", "yes": "no"}[one] for one in label[:4]] + label[4:]
    side = ["left"] * 360 + ["right"] * 40
    audit = make_evidence(
        label, predicted, {"side": side}, classes=("no", "yes"), confidence=[0.99] * 400
    )
    right = CalibrationGap().examine(audit).claims[2]
    assert right.slice.attributes == {"side": "right"}
    assert right.effect is not None
    assert right.effect.low < 0 < right.effect.high
    # Even 2 failures of 40 would be possible.
    assert right.effect.high > 0.03
    assert right.p_value is not None
    assert right.p_value > 0.5
