"""Gaps with all other attributes held fixed: masked gaps, mediators, and what cannot be compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from builders.claims import quantity
from numpy.typing import NDArray

from auditor.checks.adjusted_gap import AdjustedGap
from auditor.checks.performance_gap import PerformanceGap
from auditor.records import AuditData, Claim, Declarations, Estimate
from auditor.stages.judge import judge

MakeEvidence = Callable[..., AuditData]
CLASSES = ("no", "yes")


def _audit(
    make_evidence: MakeEvidence,
    rng: np.random.Generator,
    attributes: Mapping[str, Sequence[str] | NDArray[np.str_]],
    rate: NDArray[np.float64],
) -> AuditData:
    label = rng.choice(CLASSES, len(rate))
    other = np.where(label == "no", "yes", "no")
    predicted = np.where(rng.random(len(rate)) < rate, other, label)
    return make_evidence(label, predicted, attributes, classes=CLASSES)


def _claims(audit: AuditData) -> dict[str, Claim]:
    return {str(one.slice): one for one in AdjustedGap().examine(audit)}


def _stages(make_evidence: MakeEvidence) -> AuditData:
    """Race goes along with age and stage; fewer than 400 samples have one class of risk."""
    rng = np.random.default_rng(3)
    race = rng.choice(["a", "b", "c"], 390)
    age = np.where(rng.random(390) < np.where(race == "b", 0.7, 0.3), "child", "adult")
    stage = np.where(rng.random(390) < np.where(race == "b", 0.6, 0.2), "late", "early")
    rate = 0.1 + 0.2 * (age == "child") + 0.3 * (stage == "late")
    return _audit(make_evidence, rng, {"race": race, "age": age, "stage": stage}, rate)


def _least_squares(audit: AuditData, value: str, others: Sequence[str]) -> float:
    frame = audit.predictions.astype({"label": str})
    name, level = value.split(" = ")
    data = pd.DataFrame(
        {
            "failure": frame["failure"].astype(float),
            "inside": (frame[name].astype(str) == level).astype(float),
            "label": frame["label"],
            **{other: frame[other].astype(str) for other in others},
        }
    )
    terms = " + ".join(["inside", "C(label)", *(f"C({other})" for other in others)])
    return float(smf.ols(f"failure ~ {terms}", data).fit().params["inside"])


def test_adjusted_gap_equals_coefficient_of_statsmodels(make_evidence: MakeEvidence) -> None:
    audit = _stages(make_evidence)
    claims = _claims(audit)
    assert len(claims) == 7
    for value, others in [("race = c", ("age", "stage")), ("age = child", ("race", "stage"))]:
        effect = claims[value].effect
        assert effect is not None
        assert effect.value == pytest.approx(_least_squares(audit, value, others))
        assert claims[value].question == "others held fixed"


def test_adjusted_gap_mediator_is_not_held_fixed(make_evidence: MakeEvidence) -> None:
    audit = _stages(make_evidence)
    claims = _claims(replace(audit, declared=Declarations(roles={"stage": "mediator"})))
    race, stage = claims["race = b"], claims["stage = late"]
    assert race.effect is not None
    assert race.effect.value == pytest.approx(_least_squares(audit, "race = b", ["age"]))
    assert "stage" not in race.title
    assert stage.effect is not None
    assert stage.effect.value == pytest.approx(
        _least_squares(audit, "stage = late", ["race", "age"])
    )


def test_adjusted_gap_masked_gap_becomes_a_finding(make_evidence: MakeEvidence) -> None:
    # Within every age, b fails 10 points more often, but most samples of b have the easier age.
    rng = np.random.default_rng(1)
    race = np.where(rng.random(5000) < 0.3, "b", "a")
    age = np.where(rng.random(5000) < np.where(race == "b", 0.3, 0.7), "child", "adult")
    rate = 0.05 + 0.25 * (age == "child") + 0.1 * (race == "b")
    audit = _audit(make_evidence, rng, {"race": race, "age": age}, rate)
    checks = {"performance-gap": PerformanceGap(), "adjusted-gap": AdjustedGap()}
    found = {str(one.slice): one for one in judge(checks, audit).findings}
    masked = found["race = b"]
    assert masked.check == "adjusted-gap"
    assert masked.severity == "alert"
    assert masked.title.startswith("With age held fixed, samples with race = b fail more often")
    assert masked.statement[-1].endswith(": they mask the gap.")
    claim = _claims(audit)["race = b"]
    plain = quantity(claim, "gap without adjustment")
    assert isinstance(plain, Estimate)
    assert plain.low < 0 < plain.high
    # An open gap keeps the title of the plain comparison.
    assert found["age = child"].check == "performance-gap"
    assert [one.check for one in found["age = child"].supporting].count("adjusted-gap") == 1


def test_adjusted_gap_single_attribute_has_nothing_to_hold_fixed(
    make_evidence: MakeEvidence,
) -> None:
    rng = np.random.default_rng(2)
    race = rng.choice(["a", "b"], 400)
    audit = _audit(make_evidence, rng, {"race": race}, np.full(400, 0.2))
    examined = AdjustedGap().examine(audit)
    assert not examined.claims
    assert not examined.skipped


def test_adjusted_gap_attributes_that_coincide_are_skipped(make_evidence: MakeEvidence) -> None:
    rng = np.random.default_rng(4)
    scanner, sex = rng.choice(["a", "b"], 600), rng.choice(["f", "m"], 600)
    ward = np.where(rng.random(600) < 0.99, scanner, "a")
    attributes = {"scanner": scanner, "ward": ward, "sex": sex}
    examined = AdjustedGap().examine(_audit(make_evidence, rng, attributes, np.full(600, 0.2)))
    assert {next(iter(one.slice.attributes)) for one in examined} == {"sex"}
    assert [one.reason.split(":")[0] for one in examined.skipped] == [
        "scanner = a and b",
        "ward = a and b",
    ]


def test_adjusted_gap_many_values_for_few_samples_are_skipped(make_evidence: MakeEvidence) -> None:
    rng = np.random.default_rng(5)
    attributes = {f"a{k}": rng.choice(list("abcdef"), 120) for k in range(5)}
    examined = AdjustedGap().examine(_audit(make_evidence, rng, attributes, np.full(120, 0.2)))
    assert not examined.claims
    # 120 samples, and 32 values with those of the label: fewer than five samples a value.
    assert "120 samples are too few" in examined.skipped[0].reason
