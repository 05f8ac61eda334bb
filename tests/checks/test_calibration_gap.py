"""Over-confidence of a slice beyond that of the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

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
    assert (whole.limit, whole.ceiling) == (0.05, "warning")
    assert day.effect is not None
    assert day.effect.value == pytest.approx(-0.5)
    assert night.effect is not None
    assert night.effect.value == pytest.approx(0.5)
    assert night.p_value is not None
    assert night.p_value < 1e-10
    overconfidence = quantity(night, "over-confidence")
    assert isinstance(overconfidence, Estimate)
    assert overconfidence.value == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("n_wrong", "stated", "limit", "ceiling"),
    [
        (150, None, 0.05, "warning"),  # 15 points too high, and at most about 19
        (300, None, 0.05, "alert"),  # 30 points
        (150, 0.1, 0.1, "alert"),  # a stated limit is binding
    ],
)
def test_calibration_gap_overall_is_an_alert_if_gross_or_above_a_stated_limit(
    make_evidence: MakeEvidence, n_wrong: int, stated: float | None, limit: float, ceiling: str
) -> None:
    label = ["no", "yes"] * 500
    other = {"no": "yes", "yes": "no"}
    predicted = [other[one] if k < n_wrong else one for k, one in enumerate(label)]
    audit = make_evidence(label, predicted, {}, classes=("no", "yes"), confidence=[0.999] * 1000)
    (whole,) = CalibrationGap(max_overconfidence=stated).examine(audit).claims
    assert (whole.limit, whole.ceiling) == (limit, ceiling)


@pytest.mark.slow
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


def test_calibration_gap_declared_confounder_is_held_fixed(make_evidence: MakeEvidence) -> None:
    # The old fail more often at the same confidence, and most of r1 are old; race changes nothing.
    rng = np.random.default_rng(2)
    race = rng.choice(["r0", "r1"], 3000, p=[0.7, 0.3])
    age = np.where(rng.random(3000) < np.where(race == "r1", 0.8, 0.2), "old", "young")
    label = rng.choice(["no", "yes"], 3000)
    failing = rng.random(3000) < np.where(age == "old", 0.3, 0.05)
    predicted = np.where(failing, np.where(label == "no", "yes", "no"), label)
    audit = make_evidence(label, predicted, {"race": race, "age": age}, classes=("no", "yes"))

    def gap_of_race(data: AuditData) -> tuple[float, str]:
        claims = CalibrationGap().examine(data).claims
        (claim,) = [one for one in claims if one.slice.attributes == {"race": "r1"}]
        assert claim.effect is not None
        return claim.effect.value, claim.statement[1]

    gap, statement = gap_of_race(audit)
    assert gap > 0.1
    assert statement.startswith("With the label held fixed")
    declared = replace(audit.declared, roles={"age": "confounder"})
    gap, statement = gap_of_race(replace(audit, declared=declared))
    assert abs(gap) < 0.04
    assert statement.startswith("With the label and age held fixed")
