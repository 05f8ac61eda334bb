"""Region reliance: a mark is found and confirmed where the model uses it, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from pictured import Model, Pictures, Probabilities, evidence

from auditor.checks._regions import Region, attention, coarse, finer
from auditor.checks._swaps import questions, sides
from auditor.checks.region_reliance import RegionReliance
from auditor.records import Claim, Evidence, SliceKey

SIDE = 32
MARK = np.s_[:, :, 26:30, 26:30]


def read(pictures: Pictures, *, used: float) -> Probabilities:
    """Reads the class off a bright band of rows; a mark turns a share of the pictures to class a."""
    bands = pictures[:, 0, :24].reshape(len(pictures), 3, 8, SIDE).astype(float).mean((2, 3))
    share = np.where(np.arange(3) == bands.argmax(1)[:, None], 0.8, 0.1)
    # Which pictures give in is written in their first pixel, which no swap of the mark changes.
    misled = (pictures[MARK].mean((1, 2, 3)) > 200) & (pictures[:, 1, 0, 0] < 255 * used)
    share[misled] = [0.8, 0.1, 0.1]
    return share


def audited(n: int = 360, used: float = 1.0, seed: int = 0) -> Evidence:
    random = np.random.default_rng(seed)
    label = np.arange(n) % 3
    marked = np.arange(n) // 3 % 2 == 0
    pictures = random.integers(0, 60, (n, 3, SIDE, SIDE), dtype=np.uint8)
    for k in range(3):
        pictures[label == k, :, 8 * k : 8 * k + 8] += 100
    pictures[:, 1, 0, 0] = random.integers(0, 255, n)
    at = pictures[marked]
    at[MARK] = 255
    pictures[marked] = at
    model = Model(pictures, lambda some: read(some, used=used))
    mark = np.where(marked, "yes", "no")
    return evidence(label, read(pictures, used=used), {"mark": mark}, model=model, seed=seed)


def only(given: Evidence, check: RegionReliance | None = None) -> Claim:
    (claim,) = (check or RegionReliance()).examine(given).claims
    return claim


def box(claim: Claim) -> Region:
    x0, y0, x1, y1 = claim.evidence["box"]
    return Region(x0, y0, x1, y1, claim.evidence["outside_of_box"])


def test_a_used_mark_is_localised_and_its_gap_confirmed() -> None:
    claim = only(audited())
    assert claim.slice == SliceKey(attributes={"mark": "yes"})
    assert claim.effect is not None
    # Two of the three labels turn to class a whenever the mark is there.
    assert claim.effect.value == pytest.approx(2 / 3, abs=0.02)
    assert claim.p_value == pytest.approx(1e-5)
    assert claim.evidence["place"] == "bottom right"
    assert claim.evidence["turned_to"] == "a"
    assert box(claim).pixels(SIDE, SIDE)[26:30, 26:30].mean() > 0.9
    assert {str(key) for key in claim.confirms} == {
        "mark = yes",
        "mark = yes, label = b",
        "mark = yes, label = c",
    }


def test_without_a_gap_no_picture_is_touched() -> None:
    given = audited(used=0.0)
    assert isinstance(given.model, Model)
    found = RegionReliance().examine(given)
    assert not found.claims
    assert "no pictures were swapped for mark" in found.skipped[0].reason
    assert given.model.asked == 0


def test_a_gap_that_no_region_brings_about_is_not_confirmed() -> None:
    for seed in range(5):
        given = audited(used=0.0, seed=seed)
        # Failures that come with the value, and not with anything that can be seen.
        failure = (given.predictions["mark"] == "yes") & (np.arange(360) % 5 == 0)
        claim = only(replace(given, predictions=given.predictions.assign(failure=failure)))
        assert claim.effect is None
        assert not claim.confirms


def test_labels_that_go_opposite_ways_do_not_make_up_for_each_other() -> None:
    given = audited()
    assert isinstance(given.model, Model)
    ask = given.model.ask

    def saved(some: Pictures) -> Probabilities:
        """The mark misleads class b, and without it class a is taken for c."""
        share = ask(some)
        bare = some[MARK].mean((1, 2, 3)) <= 200
        share[bare & (share.argmax(1) == 0)] = [0.1, 0.1, 0.8]
        return share

    model = Model(given.model.seen, saved)
    label: NDArray[np.int64] = np.arange(360) % 3
    mark: NDArray[np.str_] = np.where(given.predictions["mark"] == "yes", "yes", "no")
    claim = only(evidence(label, saved(model.seen), {"mark": mark}, model=model))
    assert claim.effect is not None
    assert claim.effect.value == pytest.approx(1, abs=0.02)
    assert {str(key) for key in claim.confirms} == {
        "mark = yes",
        "mark = yes, label = b",
        "mark = yes, label = c",
        "mark = no, label = a",
    }


def test_the_fall_is_measured_with_an_interval_that_covers_it() -> None:
    check = RegionReliance(search_pictures=40, test_pictures=150)
    claims = [only(audited(n=900, used=0.3, seed=seed), check) for seed in range(10)]
    effects = [one.effect for one in claims if one.effect is not None]
    assert len(effects) == 10
    assert sum(one.low <= 0.2 <= one.high for one in effects) >= 8
    assert np.mean([one.value for one in effects]) == pytest.approx(0.2, abs=0.03)


def test_what_is_all_over_the_picture_has_no_place() -> None:
    n = 300
    random = np.random.default_rng(0)
    label = np.arange(n) % 2
    bright = np.arange(n) // 2 % 2 == 0
    pictures = random.integers(0, 60, (n, 3, SIDE, SIDE), dtype=np.uint8)
    pictures[bright] += 120
    pictures[:, 1, 0, 0] = random.integers(0, 255, n)  # how bright a picture has to be

    def ask(some: Pictures) -> Probabilities:
        lit = some.mean((1, 2, 3)) > 30 + some[:, 1, 0, 0] * (120 / 255)
        return np.where(lit[:, None], [0.9, 0.1], [0.1, 0.9])

    values = np.where(bright, "bright", "dark")
    given = evidence(label, ask(pictures), {"light": values}, model=Model(pictures, ask))
    claim = only(given, RegionReliance(test_pictures=150))
    # Any place of that size costs as much.
    assert claim.evidence["fall"]["low"] > 0.05
    assert claim.p_value is not None
    assert claim.p_value > 0.05
    assert claim.effect is None
    assert not claim.confirms


def test_search_and_test_share_no_picture_and_lenders_have_the_label() -> None:
    given = audited()
    (question,), _ = questions(given, 0.05)
    drawn = sides(given, question, 24, 150)
    everyone = [np.concatenate([s.rows, s.have, s.lack]) for s in (drawn.search, drawn.test)]
    assert not set(everyone[0]) & set(everyone[1])
    label = given.predictions["label"].cat.codes.to_numpy()
    mark = (given.predictions["mark"] == "yes").to_numpy()
    for swaps in (drawn.search, drawn.test):
        assert (label[swaps.have] == swaps.label).all()
        assert (label[swaps.lack] == swaps.label).all()
        assert mark[swaps.have].all()
        assert not mark[swaps.lack].any()
        assert (mark[swaps.rows] == swaps.inside).all()
        assert not (swaps.rows == swaps.have).any()
        assert not (swaps.rows == swaps.lack).any()


def test_cost_is_bounded_as_stated() -> None:
    given = audited()
    assert isinstance(given.model, Model)
    RegionReliance(search_pictures=12, test_pictures=40).examine(given)
    assert given.model.asked <= 2 * (52 * 12 + 4 * 40)


def test_too_few_pictures_or_no_model_are_said() -> None:
    found = RegionReliance().examine(audited(n=30))
    assert not found.claims
    assert "too few pictures" in found.skipped[0].reason
    found = RegionReliance().examine(replace(audited(), model=None))
    assert "not at hand" in found.skipped[0].reason


def test_windows_cover_the_picture_and_others_lie_elsewhere() -> None:
    windows = [one for one in coarse() if not one.outside]
    assert np.any([one.pixels(96, 96) for one in windows], axis=0).all()
    random = np.random.default_rng(0)
    for one in (*coarse(), *finer(windows[0])):
        for other in one.elsewhere(3, random):
            assert other.area == pytest.approx(one.area, rel=1e-6)
            if not one.outside:
                assert (one.pixels(400, 400) & other.pixels(400, 400)).mean() < 0.11 * one.area


def test_attention_counts_the_part_of_a_place_that_lies_inside() -> None:
    cams = np.zeros((2, 2, 2), np.float32)
    cams[0] = [[1, 1], [1, 5]]
    found = attention(cams, Region(0.5, 0.75, 1, 1))
    assert found[0] == pytest.approx(5 / 8 / 2)
    assert np.isnan(found[1])
