"""Map clusters: planted ones are found by half of the maps and tested on the others; chance is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from builders.image_evidence import Model, audit_data
from numpy.typing import NDArray
from scipy.stats import binom

from auditor.checks.map_clusters import MapClusters
from auditor.discovery.sample_splitting import SampleSplit
from auditor.imaging.location import place_of_gain
from auditor.records import AuditData, Claim

N = 900
Mask = NDArray[np.bool_]


def looking(
    fails: Mask, corner: Mask, seed: int, *, of_one: bool = False, others: tuple[int, ...] = (1, 4)
) -> AuditData:
    """Three classes and as many called each; where the evidence lies is drawn into the image.

    In the corner group it lies at the lower right corner, else further up on the diagonal.
    """
    random = np.random.default_rng([seed, 1])
    n = len(fails)
    predicted = np.arange(n) % 3
    other = np.ones(n, dtype=int) if of_one else 1 + random.integers(2, size=n)
    label = np.where(fails, (predicted + other) % 3, predicted)
    # The confidence differs, and says nothing of failures.
    sure = random.uniform(0.7, 0.95, n)[:, None]
    share = np.where(np.arange(3) == predicted[:, None], sure, (1 - sure) / 2)
    images = random.integers(0, 60, (n, 3, 8, 8), dtype=np.uint8)
    place = np.where(corner, 6, random.choice(others, n))
    images[np.arange(n), :, place, place] = 255

    def look(seen: NDArray[np.uint8], targets: NDArray[np.int64]) -> NDArray[np.float32]:
        assert len(seen) == len(targets)
        return np.asarray(seen[:, 0], dtype=np.float32)

    model = Model(images, lambda some: np.ones((len(some), 3)) / 3, looked=look)
    group = np.where(corner, "in", "out")
    return audit_data(label, share, {"group": group}, model=model, seed=seed)


def planted(seed: int = 0) -> tuple[Mask, Mask]:
    """Of those called the first class, four in ten look at the corner, and most of these are wrong."""
    random = np.random.default_rng([seed, 2])
    corner = (np.arange(N) % 3 == 0) & (random.random(N) < 0.4)
    return corner, random.random(N) < np.where(corner, 0.7, 0.06)


def told(given: AuditData) -> list[Claim]:
    return [one for one in MapClusters().examine(given).claims if one.effect is not None]


def positions(names: tuple[str, ...]) -> NDArray[np.int64]:
    return np.array([int(name[1:]) for name in names])


def test_a_planted_group_is_found_placed_and_its_gap_measured() -> None:
    corner, fails = planted()
    (claim,) = told(looking(fails, corner, 0))
    assert claim.slice.predicted == "a"
    assert not claim.slice.attributes
    assert claim.effect is not None
    assert claim.effect.low < 0.64 < claim.effect.high
    assert claim.p_value is not None
    assert claim.p_value < 1e-8
    assert claim.ceiling == "warning"
    assert claim.title.startswith(
        "Among the images called a, those whose evidence lies at the lower right corner are wrong in "
    )
    # Half of those called so are tested, and exactly those who look there are in the group.
    assert claim.support == pytest.approx(corner.sum() / 2, abs=15)
    assert claim.evidence["stability"] > 0.95
    # An attribute says who it is: this belongs to its cause.
    assert claim.explained_by == ("group",)
    assert claim.evidence["marked_by"] == ["group = in in 100 % instead of 0 %"]
    shown = positions(claim.samples)
    assert corner[shown].all()
    assert fails[shown].all()


def test_its_maps_are_the_means_of_the_two_sides() -> None:
    corner, fails = planted()
    given = looking(fails, corner, 0)
    assert isinstance(given.model, Model)
    (claim,) = told(given)
    own, others = (np.array(claim.evidence[name]) for name in ("mean_map", "mean_map_of_others"))
    assert np.array(claim.evidence["difference"]) == pytest.approx(own - others, abs=2e-4)
    # By another route: the shares of everybody who looks there, not of the tested half alone.
    maps = given.model.seen[:, 0].astype(float)
    maps /= maps.sum((1, 2), keepdims=True)
    assert own == pytest.approx(maps[corner].mean(0), abs=0.01)
    assert others == pytest.approx(maps[~corner & (np.arange(N) % 3 == 0)].mean(0), abs=0.03)


def test_failures_that_are_nearly_all_of_one_label_are_no_more_than_a_note() -> None:
    corner, fails = planted()
    (claim,) = told(looking(fails, corner, 0, of_one=True))
    assert claim.ceiling == "note"
    assert claim.evidence["failures_mostly"] == "b"
    assert "(mostly b)" in claim.title


def test_what_no_attribute_says_stands_alone() -> None:
    corner, fails = planted()
    given = looking(fails, corner, 0)
    coin = np.random.default_rng(0).choice(["head", "tail"], N)
    coins = given.predictions.assign(group=pd.Categorical(coin))
    (claim,) = told(replace(given, predictions=coins))
    assert claim.explained_by == ()
    assert claim.evidence["marked_by"] == []


def test_evidence_all_around_is_not_said_to_lie_in_the_centre() -> None:
    around = np.zeros((8, 8))
    around[[0, -1]] = around[:, [0, -1]] = 1
    middle = np.zeros((8, 8))
    middle[3:5, 3:5] = 1
    assert place_of_gain(around - middle) == "border"
    assert place_of_gain(middle - around) == "centre"


def test_nothing_of_the_test_half_goes_into_the_search() -> None:
    corner, fails = planted()
    given = looking(fails, corner, 0)
    check = MapClusters()
    rows = np.concatenate(check._drawn(given))
    sample_split = SampleSplit.of(given, rows, "predicted", np.random.default_rng(given.seed))
    tested = rows[sample_split.test]
    assert len(tested) > 100
    p_values = []
    for seed in range(10):
        # The search half shows the group as before; what is found there has to fail the test.
        failure = given.predictions["failure"].to_numpy(dtype=bool, copy=True)
        failure[tested] = np.random.default_rng(seed).permutation(failure[tested])
        frame = given.predictions.assign(failure=failure)
        found = check.examine(replace(given, predictions=frame)).claims
        assert all(one.effect is None for one in found)
        p_values += [one.p_value for one in found if one.slice.predicted == "a"]
    assert len(p_values) == 10
    assert all(one is not None and one > 0.005 for one in p_values)


def test_chance_is_accused_no_more_often_than_alpha() -> None:
    p_values = []
    for seed in range(100):
        random = np.random.default_rng([seed, 3])
        n = 480
        # Outcomes that go along with nothing, and many clusters to choose among.
        given = looking(
            random.random(n) < 0.4, random.random(n) < 0.2, seed, others=(0, 1, 2, 4, 7)
        )
        check = MapClusters(max_classes=1)
        p_values += [one.p_value for one in check.examine(replace(given, min_support=10)).claims]
    found = np.array(p_values, dtype=float)
    assert len(found) > 90
    assert (found <= 0.05).sum() <= binom.ppf(0.999, len(found), 0.05)
    assert (found <= 0.2).sum() <= binom.ppf(0.999, len(found), 0.2)


def test_doubt_that_the_model_admits_is_not_told() -> None:
    random = np.random.default_rng(0)
    corner, _ = planted()
    # The model knows how often it is wrong, and that it is more often with those.
    honest = np.where(corner, random.uniform(0.1, 0.5, N), random.uniform(0.4, 1.0, N))
    given = looking(random.random(N) > honest, corner, 0)
    assert not told(replace(given, predictions=given.predictions.assign(confidence=honest)))
    (claim,) = told(replace(given, predictions=given.predictions.assign(confidence=0.9)))
    assert claim.slice.predicted == "a"


def test_what_can_not_be_examined_is_said() -> None:
    corner, fails = planted()
    given = looking(fails, corner, 0)

    def reason(some: AuditData) -> str:
        found = MapClusters().examine(some)
        assert not found.claims
        return " ".join(one.reason for one in found.skipped)

    assert "not at hand" in reason(replace(given, model=None))
    assert "3 of 3 classes" in reason(looking(np.zeros(N, dtype=bool), corner, 0))
    assert "60 images" in reason(looking(fails[:120], corner[:120], 0))
    # Nothing in any map: there is nothing to divide.
    assert isinstance(given.model, Model)
    dark = replace(
        given.model, looked=lambda seen, _: np.zeros((len(seen), 8, 8), dtype=np.float32)
    )
    assert "of one kind" in reason(replace(given, model=dark))


def test_the_maps_that_are_made_are_bounded_and_go_to_those_called_in_error() -> None:
    corner, fails = planted()
    given = looking(fails, corner, 0)
    drawn = MapClusters(max_samples=200)._drawn(given)
    assert sum(map(len, drawn)) == 200
    # Of the other two classes, too few that are called so are wrong? Then they are left out.
    wrong = np.bincount(np.arange(N) % 3, fails)
    enough = [code for code in range(3) if wrong[code] >= 16]
    assert sorted({int(one[0]) % 3 for one in drawn}) == enough
    assert all(len(set(one % 3)) == 1 for one in drawn)
