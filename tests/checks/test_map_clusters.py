"""Map clusters: planted groups are found on half of the maps and tested on the other; chance is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from builders.claims import quantity
from builders.image_evidence import Model, audit_data
from numpy.typing import NDArray
from scipy.stats import binom

from auditor.checks.map_clusters import MapClusters
from auditor.discovery.sample_splitting import SampleSplit
from auditor.records import AuditData, Claim, MapShift, SampleGroups, Table

N = 900
Mask = NDArray[np.bool_]


def with_maps(
    fails: Mask,
    corner: Mask,
    seed: int,
    *,
    one_label: bool = False,
    others: tuple[int, ...] = (1, 4),
) -> AuditData:
    """Three classes that are predicted equally often; the map of an image is its brightness.

    Args:
        fails: (n,) failures.
        corner: (n,) images with the evidence at the lower right corner.
        seed: random seed.
        one_label: whether all failures with a predicted class have the same label.
        others: places on the diagonal where the evidence of the other images is.
    """
    random = np.random.default_rng([seed, 1])
    n = len(fails)
    predicted = np.arange(n) % 3
    step = np.ones(n, dtype=int) if one_label else 1 + random.integers(2, size=n)
    label = np.where(fails, (predicted + step) % 3, predicted)
    # The confidence differs, but is independent of the failures.
    confidence = random.uniform(0.7, 0.95, n)[:, None]
    share = np.where(np.arange(3) == predicted[:, None], confidence, (1 - confidence) / 2)
    images = random.integers(0, 60, (n, 3, 8, 8), dtype=np.uint8)
    place = np.where(corner, 6, random.choice(others, n))
    images[np.arange(n), :, place, place] = 255

    def cams(seen: NDArray[np.uint8], targets: NDArray[np.int64]) -> NDArray[np.float32]:
        assert len(seen) == len(targets)
        return np.asarray(seen[:, 0], dtype=np.float32)

    model = Model(images, lambda some: np.ones((len(some), 3)) / 3, cams_with=cams)
    group = np.where(corner, "in", "out")
    return audit_data(label, share, {"group": group}, model=model, seed=seed)


def planted(seed: int = 0) -> tuple[Mask, Mask]:
    """Corner and failures: 40 % of the images predicted as a have the corner, and 70 % of these fail."""
    random = np.random.default_rng([seed, 2])
    corner = (np.arange(N) % 3 == 0) & (random.random(N) < 0.4)
    return corner, random.random(N) < np.where(corner, 0.7, 0.06)


def reported(given: AuditData) -> list[Claim]:
    return [one for one in MapClusters().examine(given).claims if one.effect is not None]


def positions(names: tuple[str, ...]) -> NDArray[np.int64]:
    return np.array([int(name[1:]) for name in names])


def test_planted_group_is_found_with_its_place_and_gap() -> None:
    corner, fails = planted()
    (claim,) = reported(with_maps(fails, corner, 0))
    assert claim.slice.predicted == "a"
    assert not claim.slice.attributes
    assert claim.effect is not None
    assert claim.effect.low < 0.64 < claim.effect.high
    assert claim.p_value is not None
    assert claim.p_value < 1e-8
    assert claim.ceiling == "warning"
    assert claim.title.startswith("Predicted as a with the evidence at the ")
    assert "with the evidence at the lower right corner: " in claim.title
    # Half of the images are tested, and exactly those with the corner are in the group.
    assert claim.support == pytest.approx(corner.sum() / 2, abs=15)
    stability = quantity(claim, "stability")
    assert isinstance(stability, float)
    assert stability > 0.95
    # An attribute describes the group: the claim joins its cause.
    assert claim.explained_by == ("group",)
    table = claim.part(Table)
    assert table is not None
    assert table.rows == (("group", "in", 1.0, 0.0),)
    shown = positions(claim.samples)
    assert corner[shown].all()
    assert fails[shown].all()
    typical = claim.part(SampleGroups)
    assert typical is not None
    assert corner[positions(tuple(one.sample for one in typical.groups[0].members))].all()


def test_mean_maps_are_those_of_the_group_and_of_the_others() -> None:
    corner, fails = planted()
    given = with_maps(fails, corner, 0)
    assert isinstance(given.model, Model)
    (claim,) = reported(given)
    found = claim.part(MapShift)
    assert found is not None
    assert found.place == "lower right corner"
    own, others = np.array(found.mean_map), np.array(found.mean_map_of_others)
    assert np.array(found.difference) == pytest.approx(own - others, abs=2e-4)
    # In another way: from all images with the corner, not from the test half alone.
    maps = given.model.inputs[:, 0].astype(float)
    maps /= maps.sum((1, 2), keepdims=True)
    assert own == pytest.approx(maps[corner].mean(0), abs=0.01)
    assert others == pytest.approx(maps[~corner & (np.arange(N) % 3 == 0)].mean(0), abs=0.03)


def test_failures_of_one_label_are_no_more_than_a_note() -> None:
    corner, fails = planted()
    (claim,) = reported(with_maps(fails, corner, 0, one_label=True))
    assert claim.ceiling == "note"
    assert "(mostly labelled b)" in claim.title


def test_group_that_no_attribute_describes_has_no_explanation() -> None:
    corner, fails = planted()
    given = with_maps(fails, corner, 0)
    coin = np.random.default_rng(0).choice(["head", "tail"], N)
    coins = given.predictions.assign(group=pd.Categorical(coin))
    (claim,) = reported(replace(given, predictions=coins))
    assert claim.explained_by == ()
    assert claim.part(Table) is None


def test_search_does_not_use_outcomes_of_the_test_half() -> None:
    corner, fails = planted()
    given = with_maps(fails, corner, 0)
    check = MapClusters()
    rows = np.concatenate(check._drawn(given))
    sample_split = SampleSplit.of(given, rows, "predicted", np.random.default_rng(given.seed))
    tested = rows[sample_split.test]
    assert len(tested) > 100
    p_values = []
    for seed in range(10):
        # The search half is unchanged, so the group is found; the test has to reject it.
        failure = given.predictions["failure"].to_numpy(dtype=bool, copy=True)
        failure[tested] = np.random.default_rng(seed).permutation(failure[tested])
        frame = given.predictions.assign(failure=failure)
        found = check.examine(replace(given, predictions=frame)).claims
        assert all(one.effect is None for one in found)
        p_values += [one.p_value for one in found if one.slice.predicted == "a"]
    assert len(p_values) == 10
    assert all(one is not None and one > 0.005 for one in p_values)


@pytest.mark.slow
def test_random_failures_are_significant_no_more_often_than_alpha() -> None:
    p_values = []
    for seed in range(60):
        random = np.random.default_rng([seed, 3])
        n = 480
        # Failures are independent of everything, and there are many clusters to choose from.
        given = with_maps(
            random.random(n) < 0.4, random.random(n) < 0.2, seed, others=(0, 1, 2, 4, 7)
        )
        check = MapClusters(max_classes=1)
        p_values += [one.p_value for one in check.examine(replace(given, min_support=10)).claims]
    found = np.array(p_values, dtype=float)
    assert len(found) > 54
    assert (found <= 0.05).sum() <= binom.ppf(0.999, len(found), 0.05)
    assert (found <= 0.2).sum() <= binom.ppf(0.999, len(found), 0.2)


def test_failures_at_low_confidence_are_not_reported() -> None:
    random = np.random.default_rng(0)
    corner, _ = planted()
    # The confidence is calibrated, and lower for images with the corner.
    confidence = np.where(corner, random.uniform(0.1, 0.5, N), random.uniform(0.4, 1.0, N))
    given = with_maps(random.random(N) > confidence, corner, 0)
    calibrated = given.predictions.assign(confidence=confidence)
    assert not reported(replace(given, predictions=calibrated))
    confident = given.predictions.assign(confidence=0.9)
    (claim,) = reported(replace(given, predictions=confident))
    assert claim.slice.predicted == "a"


def test_what_cannot_be_examined_is_listed_as_skipped() -> None:
    corner, fails = planted()
    given = with_maps(fails, corner, 0)

    def reason(some: AuditData) -> str:
        found = MapClusters().examine(some)
        assert not found.claims
        return " ".join(one.reason for one in found.skipped)

    assert "the model is not available" in reason(replace(given, model=None))
    assert "3 of 3 classes" in reason(with_maps(np.zeros(N, dtype=bool), corner, 0))
    assert "60 images" in reason(with_maps(fails[:120], corner[:120], 0))
    # Maps without evidence cannot be clustered.
    assert isinstance(given.model, Model)
    dark = replace(
        given.model, cams_with=lambda seen, _: np.zeros((len(seen), 8, 8), dtype=np.float32)
    )
    assert "a single cluster" in reason(replace(given, model=dark))


def test_number_of_maps_is_bounded_and_classes_with_few_failures_are_left_out() -> None:
    corner, fails = planted()
    given = with_maps(fails, corner, 0)
    drawn = MapClusters(max_samples=200)._drawn(given)
    assert sum(map(len, drawn)) == 200
    # By default, a predicted class needs twice eight failures.
    n_failures = np.bincount(np.arange(N) % 3, fails)
    enough = [code for code in range(3) if n_failures[code] >= 16]
    assert sorted({int(one[0]) % 3 for one in drawn}) == enough
    assert all(len(set(one % 3)) == 1 for one in drawn)
