"""Hidden slices: a planted group is found and its gap measured; chance and low confidence are none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.claims import quantity
from builders.hidden_group import N, hidden_group, with_hidden_group
from builders.image_evidence import Model, audit_data

from auditor.checks.hidden_slices import HiddenSlices
from auditor.discovery.sample_splitting import SampleSplit
from auditor.records import AuditData, Claim, ImageDifference, SampleGroups, Table


def reported(given: AuditData) -> list[Claim]:
    return [one for one in HiddenSlices().examine(given).claims if one.effect is not None]


@pytest.fixture(scope="module")
def given() -> AuditData:
    """Half of the hidden group fails, and one in 20 of the others."""
    hidden = hidden_group()
    return with_hidden_group(np.where(hidden, 0.5, 0.05), hidden, 0)


@pytest.fixture(scope="module")
def claim(given: AuditData) -> Claim:
    """The only claim on that group."""
    (found,) = reported(given)
    return found


def test_hidden_group_is_found_and_its_gap_measured(given: AuditData, claim: Claim) -> None:
    hidden = hidden_group()
    assert claim.effect is not None
    assert claim.effect.low < 0.45 < claim.effect.high
    assert claim.p_value is not None
    assert claim.p_value < 1e-8
    assert "brighter at the lower right corner" in claim.title
    assert len(claim.title) <= 95
    assert not claim.explained_by
    typical = claim.part(SampleGroups)
    assert typical is not None
    assert hidden[[int(one.sample[1:]) for one in typical.groups[0].members]].all()
    assert given.predictions["failure"][[int(name[1:]) for name in claim.samples]].all()
    assert claim.part(Table) is None


def test_evidence_of_a_hidden_slice_has_rates_stability_and_brightness(claim: Claim) -> None:
    assert quantity(claim, "error rate") == pytest.approx(0.5, abs=0.1)
    assert quantity(claim, "error rate of the rest") == pytest.approx(0.05, abs=0.03)
    stability = quantity(claim, "stability")
    assert isinstance(stability, float)
    assert stability >= HiddenSlices().min_stability
    difference = claim.part(ImageDifference)
    assert difference is not None
    assert difference.description == "brighter at the lower right corner"
    # The corner of 4 by 4 pixels of 16 is that of 2 by 2 places of 8.
    brightness = np.array(difference.brightness)
    assert brightness.shape == (8, 8)
    assert brightness[6:, 6:].min() > 1
    assert np.abs(brightness[:6, :6]).max() < 0.5


def test_slice_described_by_an_attribute_joins_its_cause() -> None:
    hidden = hidden_group()
    chance = np.where(hidden, 0.5, 0.05)
    (claim,) = reported(with_hidden_group(chance, hidden, 0, annotated=True))
    assert claim.explained_by == ("group",)
    assert "group = in" in claim.title
    table = claim.part(Table)
    assert table is not None
    assert table.rows[0][:2] == ("group", "in")


def test_attribute_with_a_gap_in_one_label_explains_the_slice_of_that_label() -> None:
    hidden = hidden_group()
    label = np.arange(N) % 3
    # The group fails with label a, all others with the other two labels: there is no gap overall.
    chance = np.where(label == 0, np.where(hidden, 0.9, 0.02), np.where(hidden, 0.02, 0.25))
    claims = reported(with_hidden_group(chance, hidden, 0, annotated=True))
    assert claims
    assert all(one.explained_by == ("group",) for one in claims)


@pytest.mark.slow
def test_random_failures_give_no_slice() -> None:
    p_values = []
    for seed in range(8):
        given = with_hidden_group(np.full(N, 0.15), hidden_group(seed), seed)
        claims = HiddenSlices().examine(given).claims
        assert all(one.effect is None for one in claims)
        p_values += [one.p_value for one in claims]
    assert np.mean(np.array(p_values) < 0.05) <= 0.15


def test_search_does_not_use_outcomes_of_the_test_half() -> None:
    hidden = hidden_group()
    given = with_hidden_group(np.where(hidden, 0.6, 0.05), hidden, 0)
    generator = np.random.default_rng(given.seed)
    rows = np.sort(generator.permutation(N)[:4000])
    test = SampleSplit.of(given, rows, "label", generator).test
    frame = given.predictions
    random = np.random.default_rng(5)
    shuffled = frame["failure"].to_numpy(dtype=bool, copy=True)
    shuffled[test] = random.permutation(shuffled[test])
    claims = (
        HiddenSlices().examine(replace(given, predictions=frame.assign(failure=shuffled))).claims
    )
    assert claims
    assert all(one.p_value is not None and one.p_value > 0.01 for one in claims)
    assert all(one.effect is None for one in claims)


def test_failures_at_low_confidence_are_no_hidden_slice() -> None:
    hidden = hidden_group()
    given = with_hidden_group(np.where(hidden, 0.4, 0.05), hidden, 0)
    calibrated = given.predictions.assign(confidence=np.where(hidden, 0.6, 0.95))
    assert not reported(replace(given, predictions=calibrated))


def test_check_with_too_few_failures_or_no_model_is_skipped() -> None:
    hidden = hidden_group()
    found = HiddenSlices().examine(with_hidden_group(np.full(N, 0.01), hidden, 0))
    assert not found.claims
    assert "failures" in found.skipped[0].reason
    given = with_hidden_group(np.full(N, 0.2), hidden, 0)
    found = HiddenSlices().examine(replace(given, model=None))
    assert "the model is not available" in found.skipped[0].reason


def test_similarity_to_another_class_is_no_hidden_slice() -> None:
    random = np.random.default_rng(3)
    label = np.arange(N) % 3
    # The model's features are only how similar an image is to each class; it predicts the most similar
    # one with high confidence. Images similar to another class fail, and there is no other reason.
    similarity = 1.6 * np.eye(3)[label] + random.normal(0, 1, (N, 3))
    share = np.where(np.arange(3) == similarity.argmax(1)[:, None], 0.9, 0.05)
    noise = random.normal(0, 1, (N, 9))
    features = np.concatenate([similarity, noise], axis=1).astype(np.float32)
    images = random.integers(80, 120, (N, 3, 16, 16), dtype=np.uint8)
    model = Model(images, lambda some: np.ones((len(some), 3)) / 3, features)
    given = audit_data(label, share, {}, model=model)
    assert given.predictions["failure"].mean() > 0.15
    assert not reported(given)
