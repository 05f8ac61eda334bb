"""Label errors: planted wrong labels are listed; no label is blamed, as a shortcut looks the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.image_evidence import audit_data
from numpy.typing import NDArray

from auditor.checks.label_errors import LabelErrors
from auditor.records import AuditData, Claim, Examination, Table


def labelled(
    wrong: NDArray[np.bool_], true: NDArray[np.int64], attribute: NDArray[np.str_]
) -> AuditData:
    """A correct and confident model; the labels of ``wrong`` samples are the next class."""
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 0.5, (len(true), 3))
    logits[np.arange(len(true)), true] += 4
    shares = np.exp(logits)
    shares /= shares.sum(1, keepdims=True)
    label = np.where(wrong, (true + 1) % 3, true)
    made = audit_data(label, shares, {"site": attribute})
    return replace(made, probabilities=shares.astype(np.float32))


def noisy_audit(
    attributes: dict[str, NDArray[np.str_]], rate: NDArray[np.float64] | float = 0.06
) -> tuple[AuditData, NDArray[np.bool_]]:
    """A model with few errors, and which labels are wrong: at random, with the given rate."""
    generator = np.random.default_rng(1)
    true = generator.integers(0, 3, 1500)
    wrong = generator.random(1500) < rate
    logits = generator.normal(0, 1, (1500, 3))
    logits[np.arange(1500), true] += 4
    shares = np.exp(logits)
    shares /= shares.sum(1, keepdims=True)
    made = audit_data(np.where(wrong, (true + 1) % 3, true), shares, attributes)
    return replace(made, probabilities=shares.astype(np.float32)), wrong


def suspected(claim: Claim) -> set[str]:
    """The samples with a suspected label."""
    table = claim.part(Table)
    assert table is not None
    return {str(row[0]) for row in table.rows}


def test_wrong_labels_are_listed_with_the_class_that_the_images_show() -> None:
    generator = np.random.default_rng(1)
    true = generator.integers(0, 3, 900)
    wrong = (generator.random(900) < 0.06) & (true == 1)
    site = generator.choice(["north", "south"], 900)
    (claim,) = LabelErrors().examine(labelled(wrong, true, site)).claims
    assert (claim.slice.label, claim.slice.predicted) == ("c", "b")
    found = suspected(claim)
    planted = {f"s{k:04d}" for k in np.flatnonzero(wrong)}
    assert len(found & planted) >= 0.8 * len(planted)
    assert len(found - planted) <= 0.1 * len(found)
    assert (claim.p_value, claim.ceiling) == (None, "note")
    table = claim.part(Table)
    assert table is not None
    assert table.columns == ("sample", "label", "predicted", "confidence")
    assert {row[1:3] for row in table.rows} == {("c", "b")}


def test_labels_associated_with_an_attribute_are_not_listed() -> None:
    generator = np.random.default_rng(1)
    true = generator.integers(0, 3, 900)
    site = generator.choice(["north", "south"], 900)
    wrong = (generator.random(900) < 0.12) & (true == 1) & (site == "north")
    found = LabelErrors().examine(labelled(wrong, true, site))
    assert not found.claims
    assert not found.skipped
    assert found.label_noise is not None
    (cleared,) = found.label_noise.cleared
    assert (
        "predicted as b: the model predicts that class more often for other samples with site"
        in cleared
    )


def test_labels_with_a_shortcut_that_other_classes_show_are_cleared_and_not_skipped() -> None:
    generator = np.random.default_rng(4)
    true = generator.integers(0, 3, 900)
    site = generator.choice(["north", "south"], 900)
    # At the north site, many samples of class a and few of class b are predicted as c; some samples of
    # class a are labelled b.
    rate = np.select([true == 0, true == 1], [0.1, 0.02], 0.0) * (site == "north")
    misled = generator.random(900) < rate
    wrong = (true == 0) & ~misled & (generator.random(900) < 0.1)
    made = labelled(np.zeros(900, dtype=bool), np.where(misled, 2, true), site)
    assert made.probabilities is not None
    label = np.where(wrong, 1, true)
    given = audit_data(label, made.probabilities.astype(np.float64), {"site": site})
    found = LabelErrors(min_count=1).examine(replace(given, probabilities=made.probabilities))
    assert not found.skipped
    assert found.label_noise is not None
    assert any("site = north" in one for one in found.label_noise.cleared)
    listed = {(one.slice.label, one.slice.predicted) for one in found.claims}
    assert listed == {("b", "a")}  # the wrong labels


def test_correct_labels_are_not_suspected() -> None:
    generator = np.random.default_rng(2)
    true = generator.integers(0, 3, 900)
    made = labelled(np.zeros(900, dtype=bool), true, generator.choice(["north", "south"], 900))
    assert not LabelErrors().examine(made).claims


def test_check_without_probabilities_is_skipped() -> None:
    true = np.arange(90) % 3
    made = labelled(np.zeros(90, dtype=bool), true, np.full(90, "north"))
    (skipped,) = LabelErrors().examine(replace(made, probabilities=None)).skipped
    assert "more than 100 classes" in skipped.reason


def test_hard_images_predicted_less_confidently_are_not_suspected() -> None:
    generator = np.random.default_rng(5)
    true = generator.integers(0, 3, 1500)
    logit = generator.normal(5, 1, 1500)  # of the predicted class
    hard = (true == 1) & (generator.random(1500) < 0.3)
    logit[hard] = generator.normal(4.1, 0.4, int(hard.sum()))
    predicted = np.where(hard, 2, true)
    shares = np.full((1500, 3), 1.0)
    shares[np.arange(1500), predicted] = np.exp(logit)
    shares /= shares.sum(1, keepdims=True)
    site = generator.choice(["north", "south"], 1500)

    def examined(labels: NDArray[np.int64]) -> Examination:
        made = audit_data(labels, shares, {"site": site})
        return LabelErrors().examine(replace(made, probabilities=shares.astype(np.float32)))

    assert not examined(true).claims
    # Wrong labels fall on any image. Beside so many confident errors of the model, they are not detected.
    wrong = (true == 2) & (generator.random(1500) < 0.1)
    noisy = examined(np.where(wrong, 0, true))
    assert noisy.label_noise is not None
    assert not noisy.label_noise.is_detected
    assert not noisy.claims


def test_detected_wrong_labels_are_listed_and_excuse_nothing() -> None:
    made, wrong = noisy_audit({"site": np.random.default_rng(7).choice(["north", "south"], 1500)})
    found = LabelErrors().examine(made)
    assert found.label_noise is not None
    assert found.label_noise.is_detected
    share = found.label_noise.share
    assert share is not None
    assert share.low <= wrong.mean() <= share.high
    assert found.label_noise.accuracy is None
    listed = {sample for claim in found.claims for sample in suspected(claim)}
    planted = {f"s{k:04d}" for k in np.flatnonzero(wrong)}
    assert len(listed & planted) >= 0.7 * len(planted)
    assert len(listed - planted) <= 0.1 * len(listed)
    assert not any(claim.faulty for claim in found.claims)


def test_wrong_labels_without_attributes_are_listed_and_excuse_nothing() -> None:
    found = LabelErrors().examine(noisy_audit({})[0])
    assert found.label_noise is not None
    assert found.label_noise.is_detected
    assert found.claims
    assert not any(claim.faulty for claim in found.claims)
    assert all("No attribute was given" in claim.statement[2] for claim in found.claims)


def test_noise_is_not_estimated_if_confident_errors_are_associated_with_an_attribute() -> None:
    site = np.resize(["north", "south"], 1500)
    made, _ = noisy_audit({"site": site}, np.where(site == "north", 0.12, 0.0))
    found = LabelErrors().examine(made)
    assert found.label_noise is not None
    assert found.label_noise.reason == "associated"
    assert found.label_noise.associated_value in {"site = north", "site = south"}
    assert not any(claim.faulty for claim in found.claims)


@pytest.mark.parametrize("attributes", [{}, {"site": np.resize(["north", "south"], 5000)}])
def test_coin_has_no_suspected_labels(attributes: dict[str, NDArray[np.str_]]) -> None:
    generator = np.random.default_rng(0)
    true, predicted = generator.integers(0, 2, (2, 5000))
    shares = np.full((5000, 2), 0.01)
    shares[np.arange(5000), predicted] = 0.99
    made = audit_data(true, shares, attributes)
    found = LabelErrors().examine(replace(made, probabilities=shares.astype(np.float32)))
    assert not found.claims
    assert found.label_noise is not None
    assert found.label_noise.reason == "weak-model"
    assert "the model is too weak to judge labels" in found.skipped[0].reason
