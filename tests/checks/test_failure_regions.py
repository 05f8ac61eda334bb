"""Failure regions: the place that brings failures about is found without an attribute, or nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from pictured import Model, Pictures, Probabilities, evidence

from auditor.checks._covering import Place, Trial, _pointed_at, looked
from auditor.checks._kinds import kinds
from auditor.checks._mistaken import Mistaken
from auditor.checks._regions import Region
from auditor.checks.failure_regions import FailureRegions
from auditor.records import Claim, Evidence, SliceKey

SIDE = 32
MARK = np.s_[:, :, 26:30, 26:30]


def bands(pictures: Pictures) -> NDArray[np.float64]:
    """How bright the band of each of three classes is, (n, 3)."""
    parts = pictures[:, 0, :24].reshape(len(pictures), 3, 8, SIDE)
    return np.asarray(parts.mean((2, 3)), dtype=np.float64)


def sure(codes: NDArray[np.int64], n_classes: int = 3) -> Probabilities:
    rest = 0.2 / (n_classes - 1)
    return np.where(np.arange(n_classes) == codes[:, None], 0.8, rest)


def misled(pictures: Pictures) -> Probabilities:
    """The class of the brightest band; a mark in the corner makes it class a."""
    marked = pictures[MARK].mean((1, 2, 3)) > 150
    return sure(np.where(marked, 0, bands(pictures).argmax(1)))


def maps(pictures: Pictures, _: NDArray[np.int64]) -> NDArray[np.float32]:
    """Evidence is in the mark, and a little wherever it is bright."""
    cells = pictures.mean(1).reshape(len(pictures), 8, 4, 8, 4)
    found = np.maximum(cells.max((2, 4)) - 170, 0) + 0.01 * cells.mean((2, 4))
    return np.asarray(found, dtype=np.float32)


def drawn(n: int, seed: int) -> tuple[Pictures, NDArray[np.int64]]:
    """Pictures of noise with the band of their class, no mark."""
    random = np.random.default_rng(seed)
    label: NDArray[np.int64] = np.arange(n) % 3
    pictures = random.integers(0, 60, (n, 3, SIDE, SIDE), dtype=np.uint8)
    for k in range(3):
        pictures[label == k, :, 8 * k : 8 * k + 8] += 100
    return pictures, label


def marked(n: int = 360, seed: int = 0) -> Evidence:
    """A third of the pictures of every class carries the mark."""
    pictures, label = drawn(n, seed)
    carriers = np.flatnonzero(np.arange(n) // 3 % 3 == 0)
    at = pictures[carriers]
    at[MARK] = 255
    pictures[carriers] = at
    model = Model(pictures, misled, looked=maps)
    return evidence(label, misled(pictures), {}, model=model, seed=seed)


def only(given: Evidence) -> Claim:
    (claim,) = FailureRegions().examine(given).claims
    return claim


def test_a_mark_that_nobody_annotated_is_found_and_confirmed() -> None:
    given = marked()
    assert isinstance(given.model, Model)
    claim = only(given)
    assert claim.slice == SliceKey(predicted="a")
    assert claim.confirms == (claim.slice,)
    assert claim.ceiling == "alert"
    assert claim.evidence["n_failures_called"] == 80
    # Every failure carries the mark, and no other place has to do with it.
    assert claim.evidence["mended"]["value"] == 1
    assert claim.evidence["mended_elsewhere"]["value"] < 0.1
    assert claim.evidence["turned"]["value"] == 1
    assert claim.evidence["turned_by_plain_pictures"]["value"] == 0
    assert claim.effect is not None
    assert claim.effect.low > 0.8
    assert claim.p_value == pytest.approx(1e-5)
    assert claim.weight == pytest.approx(80 * claim.effect.value)
    assert claim.evidence["place"] == "bottom right"
    x0, y0, x1, y1 = claim.evidence["box"]
    assert Region(x0, y0, x1, y1).pixels(SIDE, SIDE)[26:30, 26:30].mean() == 1
    # Of the failures' evidence for the class, more lies there than in the class's own pictures.
    assert claim.evidence["attention"][0] > claim.evidence["attention"][1]
    assert set(claim.evidence["mended_when"]) == {"blurred", "in-painted", "borrowed"}
    assert "100 % of them are then recognised" in claim.statement
    failures = given.predictions.loc[given.predictions["failure"], "sample"]
    assert claim.samples
    assert set(claim.samples) <= set(failures)
    # All that it mends, tried or not: here all.
    assert claim.accounts_for == set(failures.index)
    # As the options say: so many passes for a search picture and for a test picture.
    assert given.model.asked <= 120 * 12 + 8 * 80


def test_what_mends_but_misleads_no_other_picture_is_not_told() -> None:
    """Hard pictures: the right band is faint, and that of class a a little brighter."""
    pictures, label = drawn(360, 0)
    hard = np.flatnonzero((label == 1) & (np.arange(360) // 3 % 2 == 0))
    pictures[hard, :, :8] += 45
    pictures[hard, :, 8:16] -= 70

    def ask(some: Pictures) -> Probabilities:
        return sure(bands(some).argmax(1))

    given = evidence(label, ask(pictures), {}, model=Model(pictures, ask, looked=maps))
    claim = only(given)
    assert claim.evidence["mended"]["value"] > 0.9
    assert claim.evidence["turned"]["value"] < 0.05
    assert claim.effect is None
    assert not claim.confirms
    assert claim.p_value is not None
    assert claim.p_value > 0.05


def test_failures_without_a_place_lead_to_none() -> None:
    """Any change of a picture draws its prediction anew: everything mends, nowhere more."""
    p_values = []
    for seed in range(12):
        pictures, label = drawn(300, seed)

        def ask(some: Pictures) -> Probabilities:
            unlucky = some.sum((1, 2, 3), dtype=np.int64) % 5 == 0
            return sure(np.where(unlucky, 0, bands(some).argmax(1)))

        given = evidence(
            label, ask(pictures), {}, model=Model(pictures, ask, looked=maps), seed=seed
        )
        claim = only(given)
        assert claim.effect is None
        p_values.append(claim.p_value)
    assert min(one for one in p_values if one is not None) > 0.01


def test_with_two_classes_nothing_is_borrowed() -> None:
    pictures, label = drawn(360, 1)
    label = np.minimum(label, 1)
    carriers = np.flatnonzero(np.arange(360) // 3 % 3 == 0)
    at = pictures[carriers]
    at[MARK] = 255
    pictures[carriers] = at

    def ask(some: Pictures) -> Probabilities:
        at_mark = some[MARK].mean((1, 2, 3)) > 150
        return sure(np.where(at_mark, 0, np.minimum(bands(some).argmax(1), 1)), 2)

    claim = only(evidence(label, ask(pictures), {}, model=Model(pictures, ask, looked=maps)))
    assert claim.effect is not None
    assert claim.evidence["place"] == "bottom right"
    assert set(claim.evidence["mended_when"]) == {"blurred", "in-painted"}


def test_search_and_test_share_no_picture_and_lenders_are_of_other_labels() -> None:
    given = marked()
    found = Mistaken.drawn(given, 0, 12, 40)
    label = given.predictions["label"].cat.codes.to_numpy()
    predicted = given.predictions["predicted"].cat.codes.to_numpy()
    sides = []
    for group in (found.search, found.test):
        assert group.lenders is not None
        assert (predicted[group.rows] == 0).all()
        assert (label[group.rows] == group.label).all()
        assert (group.label != 0).all()
        assert (predicted[group.lenders] == label[group.lenders]).all()
        assert (label[group.lenders] != group.label).all()
        assert (label[group.lenders] != 0).all()
        assert (predicted[group.own] == 0).all()
        assert (label[group.own] == 0).all()
        assert (label[group.hosts] != 0).all()
        assert (predicted[group.hosts] == label[group.hosts]).all()
        assert len(group.givers) == len(group.hosts) == len(set(group.hosts))
        assert (predicted[group.givers] == 0).all()
        assert (label[group.givers] != 0).all()
        assert (predicted[group.plain] == label[group.plain]).all()
        assert (label[group.plain] == label[group.givers]).all()
        parts = (group.rows, group.lenders, group.own, group.givers, group.plain, group.hosts)
        sides.append(set(np.concatenate(parts).tolist()))
    assert not sides[0] & sides[1]
    assert (len(found.search.rows), len(found.test.rows)) == (12, 40)
    # Each of the 68 failures that are not searched on gives to a picture or two.
    assert len(found.test.hosts) == 80
    assert np.unique(np.unique(found.test.givers, return_counts=True)[1]).tolist() == [1, 2]
    assert len(set(found.test.givers)) == 68
    # With the rest, all failures are there, each once.
    rows = np.concatenate([found.search.rows, found.test.rows, found.rest.rows])
    assert sorted(rows) == np.flatnonzero((predicted == 0) & (label != 0)).tolist()
    assert [len(one.rows) for one in found.rest.parts(20)] == [20, 8]
    part = Mistaken.drawn(given, 0, 12, 40, among=rows[:30])
    assert set(np.concatenate([part.search.rows, part.test.rows])) == set(rows[:30])
    assert sorted(part.rest.rows) == sorted(rows[30:])
    # The fewer, the fewer to search on: a third.
    assert len(Mistaken.drawn(marked(n=135), 0, 12, 40).search.rows) == 10


def test_both_tests_by_hand() -> None:
    trial = Trial(
        place=Place(Region(0, 0, 0.5, 0.5), "blurred"),
        mended=np.array([True] * 9 + [False]),
        mended_elsewhere=np.array([True] * 2 + [False] * 8),
        mended_when={},
        turned=np.array([True, True, True, False, True, False]),
        turned_by_plain=np.array([False, False, False, False, False, True]),
        givers=np.array([7, 7, 3, 3, 5, 9]),
    )
    more, p_value = trial.needed
    assert more.value == pytest.approx(0.7)
    # Seven changed one way and none the other: mid-p of a fair coin.
    assert p_value == pytest.approx(2 * 0.5**7 - 0.5**7)
    # Per failure that gave: 1, 0.5, 1 and -1; of the 16 patterns of signs, these sums are as large.
    more, p_value = trial.enough(0)
    assert more.value == pytest.approx(1.5 / 4)
    sums = [a + 0.5 * b + c + d for a in (1, -1) for b in (1, -1) for c in (1, -1) for d in (1, -1)]
    assert p_value == pytest.approx(np.mean([abs(one) >= 1.5 for one in sums]))


def test_no_model_or_too_few_failures_are_said() -> None:
    (reason,) = FailureRegions().examine(replace(marked(), model=None)).skipped
    assert "not at hand" in reason.reason
    found = FailureRegions().examine(marked(n=90))
    assert not found.claims
    assert "no class is called for 30 failures" in found.skipped[0].reason


def test_classes_beyond_the_limit_are_said() -> None:
    pictures, label = drawn(360, 0)

    def ask(some: Pictures) -> Probabilities:
        codes = bands(some).argmax(1)
        return sure(np.where(some[:, 0, 31, 0] % 2 == 0, codes, (codes + 1) % 3))

    given = evidence(label, ask(pictures), {}, model=Model(pictures, ask, looked=maps))
    found = FailureRegions(max_classes=2).examine(given)
    assert len(found.claims) == 2
    (left,) = {"a", "b", "c"} - {str(one.slice.predicted) for one in found.claims}
    assert f"failures called {left} were left out" in found.skipped[0].reason


def test_what_an_attribute_says_goes_to_its_cause() -> None:
    pictures = marked()
    carriers = np.arange(360) // 3 % 3 == 0
    coin = np.random.default_rng(0).random(360) < 0.5
    assert isinstance(pictures.model, Model)
    share = misled(pictures.model.seen)
    label: NDArray[np.int64] = np.arange(360) % 3
    attributes: dict[str, NDArray[np.str_]] = {
        "sticker": np.where(carriers, "yes", "no"),
        "coin": np.where(coin, "heads", "tails"),
    }
    claim = only(evidence(label, share, attributes, model=pictures.model))
    assert claim.explained_by == ("sticker",)
    assert claim.evidence["marked_by"][0] == "sticker = yes in 100 % instead of 0 %"
    assert "sticker = yes in 100 %" in claim.statement


def test_the_maps_point_at_what_the_failures_have_and_the_class_has_not() -> None:
    given = marked()
    assert isinstance(given.model, Model)
    found = Mistaken.drawn(given, 0, 12, 40)
    first, *_ = _pointed_at(given.model, found)
    assert first.pixels(SIDE, SIDE)[26:30, 26:30].all()
    whole = Region(0, 0, 1, 1)
    failures, own = looked(given.model, found.test, 0, [first, whole])
    assert failures[0] > own[0] + 0.1
    assert failures[1] == own[1] == pytest.approx(1)


def test_pictures_are_those_of_their_rows() -> None:
    given = marked()
    assert isinstance(given.model, Model)
    group = Mistaken.drawn(given, 0, 12, 40).test
    assert group.lenders is not None
    shown, seen = group.shown(given.model), given.model.seen
    assert shown.fills.lenders is not None
    for pictures, rows in (
        (shown.fills.pictures, group.rows),
        (shown.fills.lenders, group.lenders),
        (shown.hosts, group.hosts),
        (shown.givers, group.givers),
        (shown.plain, group.plain),
    ):
        assert (pictures == seen[rows]).all()


SECOND = np.s_[:, :, 2:6, 2:6]


def two_marks() -> Evidence:
    """Of every class, a fifth of the pictures carries a mark, and a fifth one in another corner."""
    pictures, label = drawn(540, 0)
    turn = np.arange(540) // 3 % 5
    for place, which in ((MARK, 0), (SECOND, 1)):
        at = pictures[turn == which]
        at[place] = 255
        pictures[turn == which] = at

    def ask(some: Pictures) -> Probabilities:
        seen = np.maximum(some[MARK].mean((1, 2, 3)), some[SECOND].mean((1, 2, 3))) > 150
        return sure(np.where(seen, 0, bands(some).argmax(1)))

    return evidence(label, ask(pictures), {}, model=Model(pictures, ask, looked=maps))


def test_of_two_causes_each_has_its_place() -> None:
    given = two_marks()
    assert isinstance(given.model, Model)
    whole, *parts = FailureRegions().examine(given).claims
    assert given.model.asked <= 3 * (120 * 12 + 8 * 80)
    turn = np.arange(540) // 3 % 5
    failing = given.predictions["failure"].to_numpy()
    carriers = {
        place: set(np.flatnonzero(failing & (turn == which)).tolist())
        for which, place in enumerate(("bottom right", "top left"))
    }
    assert whole.effect is not None
    assert whole.effect.value == pytest.approx(0.5, abs=0.1)
    assert whole.accounts_for == carriers[whole.evidence["place"]]
    # The maps divide them by label as well: what a place mends that was found before is left out.
    (part,) = parts
    assert {whole.evidence["place"], part.evidence["place"]} == set(carriers)
    assert part.slice == SliceKey(predicted="a")
    assert part.effect is not None
    assert part.effect.value == 1
    assert part.evidence["n_failures_of_the_cluster"] == 36
    # It accounts for those of other clusters as well.
    assert part.accounts_for == carriers[part.evidence["place"]]
    assert part.evidence["n_failures_called"] == 144
    assert part.evidence["cluster_at"] == part.evidence["place"]
    assert f"whose evidence lies at the {part.evidence['place']}; covering" in part.title
    # The maps' shares are of one whole.
    assert np.sum(part.evidence["mean_map"]) == pytest.approx(1, abs=0.01)
    assert np.sum(part.evidence["difference"]) == pytest.approx(0, abs=0.01)


def tinted(seed: int, share: float, n: int = 900) -> Evidence:
    """A mark on some pictures makes them class a, and so does a tint all over others.

    Args:
        seed: of the pictures.
        share: of the pictures that carry the mark; two in ten are tinted.
        n: pictures.
    """
    pictures, label = drawn(n, seed)
    rank = np.arange(n) // 3 / (n // 3)
    tint = rank >= 0.8
    at = pictures[rank < share]
    at[MARK] = 255
    pictures[rank < share] = at
    pictures[tint, 2] += 60

    def ask(some: Pictures) -> Probabilities:
        blue = some[:, 2].mean((1, 2)) - some[:, 0].mean((1, 2)) > 15
        return sure(np.where(blue | (some[MARK].mean((1, 2, 3)) > 150), 0, bands(some).argmax(1)))

    def looked_at(some: Pictures, _: NDArray[np.int64]) -> NDArray[np.float32]:
        """In the mark; else anywhere in the upper half."""
        cells = np.random.default_rng(len(some)).random((len(some), 8, 8)).astype(np.float32)
        cells[:, 4:] = 0
        has = some[MARK].mean((1, 2, 3)) > 150
        cells[has, 6:, 6:] += 20
        return cells

    return evidence(
        label, ask(pictures), {}, model=Model(pictures, ask, looked=looked_at), seed=seed
    )


def test_a_cause_of_few_failures_shows_in_their_cluster() -> None:
    whole, *parts = FailureRegions().examine(tinted(0, 0.06)).claims
    assert whole.evidence["n_failures_called"] == 156
    assert whole.evidence["mended"]["value"] < 0.35
    marked = [one for one in parts if one.evidence["cluster_at"] == "bottom right"]
    (one,) = marked
    assert one.evidence["n_failures_of_the_cluster"] == 36
    assert one.evidence["place"] == "bottom right"
    assert one.effect is not None
    assert one.effect.value == 1
    assert whole.effect is None or whole.effect.high < one.effect.low
    assert len(one.accounts_for) == 36
    # What has no place has none in its cluster either.
    assert all(other.effect is None for other in parts if other is not one)


def unlucky(seed: int) -> Evidence:
    """Kinds of maps there are, but any change of a picture draws its prediction anew."""
    pictures, label = drawn(720, seed)
    at = pictures[::2]
    at[MARK] = 255
    pictures[::2] = at

    def ask(some: Pictures) -> Probabilities:
        drawn_so = some.sum((1, 2, 3), dtype=np.int64) % 3 == 0
        return sure(np.where(drawn_so, 0, bands(some).argmax(1)))

    return evidence(label, ask(pictures), {}, model=Model(pictures, ask, looked=maps), seed=seed)


def test_clusters_of_failures_without_a_place_lead_to_none() -> None:
    p_values = []
    for seed in range(6):
        _, *parts = FailureRegions().examine(unlucky(seed)).claims
        assert not any(one.effect or one.accounts_for or one.confirms for one in parts)
        p_values += [one.p_value for one in parts if one.p_value is not None]
    assert len(p_values) >= 8
    assert min(p_values) > 0.01


def test_clusters_beyond_the_limit_are_said() -> None:
    given = unlucky(0)
    found = FailureRegions(max_clusters=1).examine(given)
    assert len(found.claims) == 2
    assert "more clusters of maps of failures called a were left out" in found.skipped[0].reason
    found = FailureRegions(max_clusters=0).examine(given)
    assert len(found.claims) == 1
    assert not found.skipped


def test_kinds_are_failures_called_the_class_divided_by_their_maps_alone() -> None:
    given = tinted(0, 0.06)
    assert isinstance(given.model, Model)
    frame = given.predictions
    called = np.flatnonzero((frame["predicted"] == "a") & (frame["label"] != "a"))
    found = kinds(given, given.model, 0, 24)
    rows = np.concatenate([one.rows for one in found])
    assert len(set(rows)) == len(rows)
    assert set(rows) <= set(called)
    sizes = [len(one.rows) for one in found]
    assert sizes == sorted(sizes, reverse=True)
    marked = given.model.seen[rows][MARK].mean((1, 2, 3)) > 150
    assert [set(part) for part in np.split(marked, np.cumsum(sizes)[:-1])] == [{False}, {True}]
    # Too few, or nearly all of them, are no kind.
    assert len(kinds(given, given.model, 0, 37)) == 1
    mostly = tinted(0, 0.7)
    assert isinstance(mostly.model, Model)
    assert all(len(one.rows) <= 0.9 * 540 for one in kinds(mostly, mostly.model, 0, 24))
