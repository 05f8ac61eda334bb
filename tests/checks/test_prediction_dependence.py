"""Dependence given the label: seen where error rates alone are blind; distances as fairlearn's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from builders.claims import quantity
from fairlearn.metrics import demographic_parity_ratio, equalized_odds_difference
from statsmodels.stats.proportion import confint_proportions_2indep

from auditor.checks.prediction_dependence import PredictionDependence
from auditor.records import AuditData

MakeEvidence = Callable[..., AuditData]


def test_prediction_dependence_equal_error_rates_different_predictions_are_found(
    make_evidence: MakeEvidence,
) -> None:
    # Every label fails alike with u and v, but u turns cats into dogs and v cats into eels.
    label = ["cat"] * 200 + ["dog"] * 200 + ["eel"] * 200
    predicted = (
        ["dog"] * 30 + ["cat"] * 70 + ["eel"] * 30 + ["cat"] * 70 + ["dog"] * 200 + ["eel"] * 200
    )
    value = (["u"] * 100 + ["v"] * 100) * 3
    audit = make_evidence(label, predicted, {"v": value}, classes=("cat", "dog", "eel"))
    (claim,) = PredictionDependence().examine(audit).claims
    assert claim.p_value == pytest.approx(1 / 2000)
    assert claim.effect is not None
    assert claim.effect.name == "gap in false-positive rate"
    # 30 of the 200 samples of u that are no dog, against none of v; and the like for eel.
    assert claim.effect.value == pytest.approx(30 / 200)


def test_prediction_dependence_effect_and_distances_equal_fairlearn(
    make_evidence: MakeEvidence,
) -> None:
    rng = np.random.default_rng(2)
    label = np.repeat(["no", "yes"], 300)
    sex = np.tile(["f", "m"], 300)
    missed = (label == "yes") & (sex == "f") & (rng.random(600) < 0.4)
    predicted = np.where(missed, "no", label)
    audit = make_evidence(label, predicted, {"sex": sex}, classes=("no", "yes"))
    (claim,) = PredictionDependence().examine(audit).claims
    n = int(missed.sum())
    assert claim.slice.attributes == {"sex": "f"}
    assert claim.effect is not None
    assert claim.effect.value == pytest.approx(n / 150)
    # Four gaps in recall share half of the error: 1 - 0.025 / 4 each.
    joint = confint_proportions_2indep(n, 150, 0, 150, method="newcomb", alpha=0.025 / 4)
    assert (claim.effect.low, claim.effect.high) == pytest.approx(joint)
    truth, called = label == "yes", predicted == "yes"
    assert quantity(claim, "equalized odds difference") == pytest.approx(
        equalized_odds_difference(truth, called, sensitive_features=sex)
    )
    assert quantity(claim, "demographic parity ratio") == pytest.approx(
        min(
            demographic_parity_ratio(truth, called, sensitive_features=sex),
            demographic_parity_ratio(~truth, ~called, sensitive_features=sex),
        )
    )


def test_prediction_dependence_perfect_model_is_skipped(make_evidence: MakeEvidence) -> None:
    label = ["no", "yes"] * 60
    sex = ["f", "f", "m", "m"] * 30
    audit = make_evidence(label, label, {"sex": sex}, classes=("no", "yes"))
    examination = PredictionDependence().examine(audit)
    assert examination.claims == ()
    assert "one prediction" in examination.skipped[0].reason
