"""Label errors: planted wrong labels are found; shortcuts and hard images are no label errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
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
    assert table.columns == ("sample", "label", "suggested label", "confidence")
    assert {row[1:3] for row in table.rows} == {("c", "b")}


def test_labels_associated_with_an_attribute_are_not_suspected() -> None:
    generator = np.random.default_rng(1)
    true = generator.integers(0, 3, 900)
    site = generator.choice(["north", "south"], 900)
    wrong = (generator.random(900) < 0.12) & (true == 1) & (site == "north")
    found = LabelErrors().examine(labelled(wrong, true, site))
    assert not found.claims
    (skipped,) = found.skipped
    assert "predicted as b: the model contradicts" in skipped.reason
    assert (
        "more often for other samples with site = north; the labels are not suspected"
        in skipped.reason
    )


def test_few_labels_are_not_suspected_if_a_shortcut_shows_in_other_classes() -> None:
    generator = np.random.default_rng(4)
    true = generator.integers(0, 3, 900)
    site = generator.choice(["north", "south"], 900)
    # At the north site, many samples of class a and few of class b are predicted as c.
    rate = np.select([true == 0, true == 1], [0.4, 0.03], 0.0) * (site == "north")
    misled = generator.random(900) < rate
    made = labelled(np.zeros(900, dtype=bool), np.where(misled, 2, true), site)
    assert made.probabilities is not None
    given = audit_data(true, made.probabilities.astype(np.float64), {"site": site})
    found = LabelErrors(min_count=1).examine(replace(given, probabilities=made.probabilities))
    assert not found.claims
    assert all("site = north" in one.reason for one in found.skipped)


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

    found = examined(true)
    assert not found.claims
    assert any(
        "less confidently than samples correctly labelled c" in one.reason for one in found.skipped
    )
    # Wrong labels fall on any image: for half of them, the model is less confident than the median.
    wrong = (true == 2) & (generator.random(1500) < 0.1)
    claims = examined(np.where(wrong, 0, true)).claims
    (claim,) = [one for one in claims if one.slice.label == "a"]
    planted = {f"s{k:04d}" for k in np.flatnonzero(wrong)}
    assert set(claim.faulty) <= suspected(claim) <= planted
    assert 0.3 * len(planted) <= len(claim.faulty) <= 0.7 * len(planted)
