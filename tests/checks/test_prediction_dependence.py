"""Dependence given the label: seen where error rates alone are blind; distances as fairlearn's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from builders.claims import quantity
from fairlearn.metrics import demographic_parity_ratio, equalized_odds_difference
from reference import mid_p_gap

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
    attribute, u, v = PredictionDependence().examine(audit).claims
    # No permutation is as extreme; 39,999 are drawn after the first 1999.
    assert attribute.p_value == pytest.approx(1 / 40_000)
    assert attribute.slice.attributes == {}
    assert {one.joint for one in (attribute, u, v)} == {"v"}
    for claim, name, target in ((u, "u", "dog"), (v, "v", "eel")):
        assert claim.slice.attributes == {"v": name}
        assert claim.effect is not None
        assert claim.effect.name == "gap in false-positive rate"
        # 30 of the 100 cats, none of the 100 samples of the third class; against none of the others.
        assert claim.effect.value == pytest.approx(30 / 200)
        assert claim.title.startswith(
            f"15 % of samples of other labels are predicted as {target} with v = {name}"
        )
        assert claim.p_value == pytest.approx(1 / 40_000)


def test_prediction_dependence_rare_innocent_value_is_not_named(
    make_evidence: MakeEvidence,
) -> None:
    # A common value fails by 6 points more; the rare one is like the rest.
    rng = np.random.default_rng(3)
    value = rng.choice(["common", "other", "rare"], 10_000, p=[0.45, 0.53, 0.02])
    label = rng.choice(["cat", "dog"], 10_000)
    failed = rng.random(10_000) < 0.1 + 0.06 * (value == "common")
    predicted = np.where(failed, np.where(label == "cat", "dog", "cat"), label)
    audit = make_evidence(label, predicted, {"v": value}, classes=("cat", "dog"))
    attribute, *values = PredictionDependence().examine(audit).claims
    p_values = {one.slice.attributes["v"]: one.p_value or 0.0 for one in values}
    assert (attribute.p_value or 1) < 1e-4
    assert p_values["common"] < 1e-4
    assert min(p_values["other"], p_values["rare"]) > 0.05


def test_prediction_dependence_effect_and_distances_equal_fairlearn(
    make_evidence: MakeEvidence,
) -> None:
    rng = np.random.default_rng(2)
    label = np.repeat(["no", "yes"], 300)
    sex = np.tile(["f", "m"], 300)
    missed = (label == "yes") & (sex == "f") & (rng.random(600) < 0.4)
    predicted = np.where(missed, "no", label)
    audit = make_evidence(label, predicted, {"sex": sex}, classes=("no", "yes"))
    _, claim, _ = PredictionDependence().examine(audit).claims
    n = int(missed.sum())
    assert claim.slice.attributes == {"sex": "f"}
    assert claim.effect is not None
    assert claim.effect.value == pytest.approx(n / 150)
    # Four gaps in recall share the error: 1 - 0.05 / 4 each. False positives are misses here.
    joint = mid_p_gap((n, 150), (0, 150), 1 - 0.05 / 4)
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


@pytest.mark.parametrize("n_classes", [2, 3])
def test_prediction_dependence_declared_confounder_is_held_fixed(
    make_evidence: MakeEvidence, n_classes: int
) -> None:
    # The old are recognised less often, and most of r1 are old; race changes nothing.
    rng = np.random.default_rng(3)
    classes = tuple("abc"[:n_classes])
    race = rng.choice(["r0", "r1"], 3000, p=[0.7, 0.3])
    age = np.where(rng.random(3000) < np.where(race == "r1", 0.8, 0.2), "old", "young")
    label = rng.integers(n_classes, size=3000)
    failing = rng.random(3000) < np.where(age == "old", 0.3, 0.05)
    shift = rng.integers(1, n_classes, 3000)
    predicted = np.where(failing, (label + shift) % n_classes, label)
    names = np.array(classes)
    audit = make_evidence(
        names[label], names[predicted], {"race": race, "age": age}, classes=classes
    )
    declared = replace(audit.declared, roles={"age": "confounder"})

    def p_of_r1(data: AuditData) -> float:
        claims = PredictionDependence().examine(data).claims
        (claim,) = [one for one in claims if one.slice.attributes == {"race": "r1"}]
        assert claim.p_value is not None
        return claim.p_value

    assert p_of_r1(audit) < 1e-3
    assert p_of_r1(replace(audit, declared=declared)) > 0.05
