"""Hidden slices: found on one half and tested on the other; chance and honest doubt are none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.image_evidence import Model, audit_data
from numpy.typing import NDArray

from auditor.checks.hidden_slices import HiddenSlices
from auditor.discovery.embedding import _thumbnails, embed
from auditor.discovery.sample_splitting import SampleSplit
from auditor.records import AuditData, Claim

N = 1200


def failing(
    chance: NDArray[np.float64], hidden: NDArray[np.bool_], seed: int, *, known: bool = False
) -> AuditData:
    """Three classes; each sample fails with its chance; the hidden group shows in the features."""
    random = np.random.default_rng(seed)
    label = np.arange(N) % 3
    fails = random.random(N) < chance
    predicted = np.where(fails, (label + 1) % 3, label)
    share = np.where(np.arange(3) == predicted[:, None], 0.9, 0.05)
    features = random.normal(0, 1, (N, 12)).astype(np.float32)
    features[:, 0] += 3 * label
    features[:, 1] += 4 * hidden
    images = random.integers(80, 120, (N, 3, 16, 16), dtype=np.uint8)
    images[hidden, :, 12:, 12:] += 100
    model = Model(images, lambda some: np.ones((len(some), 3)) / 3, features)
    group = np.where(hidden if known else np.arange(N) % 7 < 3, "in", "out")
    return audit_data(label, share, {"group": group}, model=model, seed=seed)


def group(seed: int = 0) -> NDArray[np.bool_]:
    return np.random.default_rng(99 + seed).random(N) < 0.2


def told(given: AuditData) -> list[Claim]:
    return [one for one in HiddenSlices().examine(given).claims if one.effect is not None]


def test_a_hidden_group_is_found_and_its_gap_measured() -> None:
    hidden = group()
    given = failing(np.where(hidden, 0.5, 0.05), hidden, 0)
    (claim,) = told(given)
    assert claim.effect is not None
    assert claim.effect.low < 0.45 < claim.effect.high
    assert claim.p_value is not None
    assert claim.p_value < 1e-8
    assert "brighter at the lower right corner" in claim.title
    assert not claim.explained_by
    typical = [int(name[1:]) for name in claim.evidence["typical"]]
    assert hidden[typical].all()
    assert given.predictions["failure"][[int(name[1:]) for name in claim.samples]].all()


def test_what_an_attribute_says_goes_to_its_cause() -> None:
    hidden = group()
    (claim,) = told(failing(np.where(hidden, 0.5, 0.05), hidden, 0, known=True))
    assert claim.explained_by == ("group",)
    assert "group = in" in claim.title


def test_a_value_that_fares_worse_with_one_label_only_explains_what_fails_there() -> None:
    hidden = group()
    label = np.arange(N) % 3
    # The group fails with label a, and everybody else with the other two: no gap over all.
    chance = np.where(label == 0, np.where(hidden, 0.9, 0.02), np.where(hidden, 0.02, 0.25))
    claims = told(failing(chance, hidden, 0, known=True))
    assert claims
    assert all(one.explained_by == ("group",) for one in claims)


def test_failures_at_random_have_nothing_in_common() -> None:
    p_values = []
    for seed in range(8):
        given = failing(np.full(N, 0.15), group(seed), seed)
        assert not told(given)
        p_values += [one.p_value for one in HiddenSlices().examine(given).claims]
    assert np.mean(np.array(p_values) < 0.05) <= 0.15


def test_nothing_of_the_test_half_goes_into_the_search() -> None:
    hidden = group()
    given = failing(np.where(hidden, 0.6, 0.05), hidden, 0)
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


def test_doubt_that_the_model_admits_is_no_hidden_slice() -> None:
    hidden = group()
    given = failing(np.where(hidden, 0.4, 0.05), hidden, 0)
    honest = given.predictions.assign(confidence=np.where(hidden, 0.6, 0.95))
    assert not told(replace(given, predictions=honest))


def test_too_few_failures_and_no_model_are_said() -> None:
    hidden = group()
    found = HiddenSlices().examine(failing(np.full(N, 0.01), hidden, 0))
    assert not found.claims
    assert "failures" in found.skipped[0].reason
    found = HiddenSlices().examine(replace(failing(np.full(N, 0.2), hidden, 0), model=None))
    assert "not at hand" in found.skipped[0].reason


def test_thumbnails_are_means_of_patches() -> None:
    images = np.random.default_rng(0).integers(0, 255, (2, 3, 24, 16), dtype=np.uint8)
    small = _thumbnails(images)
    assert small.shape == (2, 3, 8, 8)
    assert small[1, 2, 1, 7] == pytest.approx(images[1, 2, 3:6, 14:16].mean())
    assert _thumbnails(images[:, :, :6, :6]).shape == (2, 3, 8, 8)


def test_the_label_alone_is_nowhere_in_the_coordinates() -> None:
    hidden = group()
    given = failing(np.full(N, 0.1), hidden, 0)
    assert given.model is not None
    label = np.asarray(given.predictions["label"].cat.codes, dtype=np.int64)
    everyone = np.ones(N, dtype=bool)
    looks = embed(given.model, np.arange(N), label, everyone)
    means = np.stack([looks.space[label == k].mean(0) for k in range(3)])
    assert np.abs(means).max() < 1e-6
    strongest = max(
        abs(np.corrcoef(column, hidden)[0, 1]) for column in looks.space.T if column.std() > 0
    )
    assert strongest > 0.8


def test_that_a_image_looks_like_another_class_is_no_discovery() -> None:
    random = np.random.default_rng(3)
    label = np.arange(N) % 3
    # The model sees nothing but how much an image looks like each class, takes the likeliest and
    # is always sure: whoever looks like another class fails, and that is all there is to say.
    likeness = 1.6 * np.eye(3)[label] + random.normal(0, 1, (N, 3))
    share = np.where(np.arange(3) == likeness.argmax(1)[:, None], 0.9, 0.05)
    noise = random.normal(0, 1, (N, 9))
    features = np.concatenate([likeness, noise], axis=1).astype(np.float32)
    images = random.integers(80, 120, (N, 3, 16, 16), dtype=np.uint8)
    model = Model(images, lambda some: np.ones((len(some), 3)) / 3, features)
    given = audit_data(label, share, {}, model=model)
    assert given.predictions["failure"].mean() > 0.15
    assert not told(given)


def test_excess_is_failure_beyond_the_doubt_that_the_model_admits() -> None:
    label = np.array([0, 0, 0, 0, 1, 1])
    share = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.4, 0.6], [0.3, 0.7], [0.1, 0.9]])
    given = audit_data(label, share, {})
    sample_split = SampleSplit.of(given, np.arange(6), "label", np.random.default_rng(0))
    assert sample_split.excess == pytest.approx([-0.1, 0.8, -0.4, 0.6, -0.3, -0.1])
    # One half of each label.
    assert np.bincount(label[sample_split.search]).tolist() == [2, 1]
    inside = np.array([False, True, False, True, True, False])
    everyone = np.ones(6, dtype=bool)
    # Label 0: 0.7 against -0.25, weight 2 · 2 / 4; label 1: -0.3 against -0.1, weight 1 · 1 / 2.
    gap = sample_split.excess_gap(inside, label, everyone).gap
    assert gap.value == pytest.approx((0.95 * 1 - 0.2 * 0.5) / 1.5)
    # Label 0: both fail against none; label 1: none and none.
    assert sample_split.gap(inside, label, everyone).gap.value[0] == pytest.approx(1 / 1.5)
