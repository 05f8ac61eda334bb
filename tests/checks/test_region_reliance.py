"""Region reliance: a mark is located and its gap confirmed where the model uses it, and only there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.claims import quantity
from builders.image_evidence import ImageArray, Model, Probabilities, audit_data
from builders.marked_images import (
    MARK,
    SIDE,
    banded_images,
    confident,
    intervention,
    labels,
    model_of,
    region_of,
    turns,
    with_mark,
)
from numpy.typing import NDArray

from auditor.checks.region_reliance import RegionReliance
from auditor.records import AuditData, Claim, SliceKey


def predict(images: ImageArray, *, used: float) -> Probabilities:
    """Predicts the class of the brightest band; a mark misleads a share of the images to class a."""
    bands = images[:, 0, :24].reshape(len(images), 3, 8, SIDE).astype(float).mean((2, 3))
    # The first pixel determines which images the mark misleads. No swap of the mark changes it.
    misled = (images[MARK].mean((1, 2, 3)) > 200) & (images[:, 1, 0, 0] < 255 * used)
    return confident(np.where(misled, 0, bands.argmax(1)))


def audited(n: int = 360, used: float = 1.0, seed: int = 0) -> AuditData:
    """Every other image of each label has the mark."""
    marked = turns(n, 2) == 0
    images = banded_images(n, seed)
    images[:, 1, 0, 0] = np.random.default_rng([seed, 1]).integers(0, 255, n)
    images = with_mark(images, marked)
    model = Model(images, lambda some: predict(some, used=used))
    mark = np.where(marked, "yes", "no")
    return audit_data(labels(n), predict(images, used=used), {"mark": mark}, model=model, seed=seed)


def only_claim(audit: AuditData, check: RegionReliance | None = None) -> Claim:
    (claim,) = (check or RegionReliance()).examine(audit).claims
    return claim


def test_used_mark_is_located_and_its_gap_confirmed() -> None:
    claim = only_claim(audited())
    assert claim.kind == "robustness"
    assert claim.slice == SliceKey(attributes={"mark": "yes"})
    assert claim.effect is not None
    # Images of two of the three labels are predicted as class a whenever they have the mark.
    assert claim.effect.value == pytest.approx(2 / 3, abs=0.02)
    assert claim.effect.unit == "points"
    assert claim.p_value == pytest.approx(1e-5)
    found = intervention(claim)
    assert found.method == "swap-region"
    assert found.flipped_to == "a"
    region = region_of(claim)
    assert region.place == "lower right corner"
    assert region.pixels(SIDE, SIDE)[26:30, 26:30].mean() > 0.9
    assert {str(key) for key in claim.confirms} == {
        "mark = yes",
        "mark = yes, label = b",
        "mark = yes, label = c",
    }


def test_evidence_holds_the_drop_its_control_and_the_error_rates() -> None:
    claim = only_claim(audited())
    (drop,) = intervention(claim).effects
    assert claim.effect is not None
    assert drop.value.value == claim.effect.value
    assert drop.control.high < 0.1
    assert quantity(claim, "error rate with donors that have the value") == pytest.approx(
        2 / 3, abs=0.02
    )
    assert quantity(claim, "error rate with other donors") == 0
    assert "100 % of the flipped predictions go to a" in claim.statement[1]


def test_attribute_without_a_gap_is_not_examined() -> None:
    audit = audited(used=0.0)
    found = RegionReliance().examine(audit)
    assert not found.claims
    assert "no regions were swapped for mark" in found.skipped[0].reason
    assert model_of(audit).n_predicted == 0


def test_gap_without_a_cause_in_a_region_is_not_confirmed() -> None:
    for seed in range(5):
        audit = audited(used=0.0, seed=seed)
        # Failures that go with the value, but with nothing in the image.
        failure = (audit.predictions["mark"] == "yes") & (np.arange(360) % 5 == 0)
        claim = only_claim(replace(audit, predictions=audit.predictions.assign(failure=failure)))
        assert claim.effect is None
        assert not claim.confirms


def test_labels_with_opposite_gaps_do_not_cancel_out() -> None:
    audit = audited()
    predict_with_mark = model_of(audit).predict_with

    def predict_both_ways(some: ImageArray) -> Probabilities:
        """The mark misleads classes b and c; without it, class a is taken for c."""
        probabilities = predict_with_mark(some)
        bare = some[MARK].mean((1, 2, 3)) <= 200
        probabilities[bare & (probabilities.argmax(1) == 0)] = [0.1, 0.1, 0.8]
        return probabilities

    model = Model(model_of(audit).inputs, predict_both_ways)
    mark: NDArray[np.str_] = np.where(audit.predictions["mark"] == "yes", "yes", "no")
    claim = only_claim(
        audit_data(labels(360), predict_both_ways(model.inputs), {"mark": mark}, model=model)
    )
    assert claim.effect is not None
    assert claim.effect.value == pytest.approx(1, abs=0.02)
    assert {str(key) for key in claim.confirms} == {
        "mark = yes",
        "mark = yes, label = b",
        "mark = yes, label = c",
        "mark = no, label = a",
    }


def test_interval_of_the_drop_covers_the_true_drop() -> None:
    check = RegionReliance(search_images=40, test_images=150)
    claims = [only_claim(audited(n=900, used=0.3, seed=seed), check) for seed in range(10)]
    effects = [one.effect for one in claims if one.effect is not None]
    assert len(effects) == 10
    # The mark misleads three in ten images of two of the three labels.
    assert sum(one.low <= 0.2 <= one.high for one in effects) >= 8
    assert np.mean([one.value for one in effects]) == pytest.approx(0.2, abs=0.03)


def test_property_of_the_whole_image_is_not_confirmed() -> None:
    n = 300
    random = np.random.default_rng(0)
    label = np.arange(n) % 2
    bright = np.arange(n) // 2 % 2 == 0
    images = random.integers(0, 60, (n, 3, SIDE, SIDE), dtype=np.uint8)
    images[bright] += 120
    images[:, 1, 0, 0] = random.integers(0, 255, n)  # how bright an image has to be

    def predict_by_brightness(some: ImageArray) -> Probabilities:
        bright_enough = some.mean((1, 2, 3)) > 30 + some[:, 1, 0, 0] * (120 / 255)
        return np.where(bright_enough[:, None], [0.9, 0.1], [0.1, 0.9])

    values = np.where(bright, "bright", "dark")
    model = Model(images, predict_by_brightness)
    audit = audit_data(label, predict_by_brightness(images), {"light": values}, model=model)
    claim = only_claim(audit, RegionReliance(test_images=150))
    # Any other place of that size has the same effect.
    (drop,) = intervention(claim).effects
    assert drop.value.low > 0.05
    assert claim.p_value is not None
    assert claim.p_value > 0.05
    assert claim.effect is None
    assert not claim.confirms


def test_forward_passes_stay_within_the_documented_number() -> None:
    audit = audited()
    RegionReliance(search_images=12, test_images=40).examine(audit)
    assert model_of(audit).n_predicted <= 2 * (42 * 12 + 4 * 40)


def test_too_few_images_are_listed_as_skipped() -> None:
    found = RegionReliance().examine(audited(n=30))
    assert not found.claims
    assert "too few images" in found.skipped[0].reason


def test_missing_model_is_listed_as_skipped() -> None:
    found = RegionReliance().examine(replace(audited(), model=None))
    assert "model is not available" in found.skipped[0].reason


def test_former_option_names_are_accepted() -> None:
    with pytest.warns(DeprecationWarning, match="min_fall is now called min_drop"):
        check = RegionReliance.model_validate({"min_fall": 0.2})
    assert check.min_drop == 0.2
