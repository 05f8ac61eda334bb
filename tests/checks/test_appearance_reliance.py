"""Appearance reliance: looks that mislead the model are confirmed, hard objects are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from pictured import Model, Pictures, Probabilities, evidence
from statsmodels.stats.proportion import confint_proportions_2indep

from auditor.checks import appearance_reliance
from auditor.checks._outcomes import unchanged
from auditor.checks._swaps import Question, Swaps, questions
from auditor.checks._transfers import TRANSFERS
from auditor.checks.appearance_reliance import AppearanceReliance
from auditor.records import Claim, Evidence, SliceKey

SIDE = 24
STRIPES = np.where(np.arange(SIDE) % 2, 12, -12)[:, None]
Misled = Callable[[Pictures], NDArray[np.bool_]]


def lit(pictures: Pictures) -> NDArray[np.bool_]:
    return np.asarray(pictures.mean((1, 2, 3)) > 110)


def blurred(pictures: Pictures) -> NDArray[np.bool_]:
    edges = np.diff(pictures.astype(float), axis=3)
    return np.asarray(edges.var((1, 2, 3)) < 60)


def striped(pictures: Pictures) -> NDArray[np.bool_]:
    return np.asarray((pictures * np.sign(STRIPES)).mean((1, 2, 3)) > 4)


def brighter(pictures: Pictures) -> Pictures:
    return np.asarray(pictures + 80, dtype=np.uint8)


def blur(pictures: Pictures) -> Pictures:
    wide = np.pad(pictures.astype(float), ((0, 0), (0, 0), (0, 0), (3, 3)), mode="wrap")
    return np.asarray(sum(wide[..., k : k + SIDE] for k in range(7)) / 7, dtype=np.uint8)


def stripes(pictures: Pictures) -> Pictures:
    return np.asarray(pictures + STRIPES, dtype=np.uint8)


def read(pictures: Pictures, misled: Misled, used: float = 1.0) -> Probabilities:
    """Reads the class off the brightest band of rows; the look turns a share of them to class a."""
    bands = pictures.mean(1).reshape(len(pictures), 3, 8 * SIDE).mean(2)
    share = np.where(np.arange(3) == bands.argmax(1)[:, None], 0.8, 0.1)
    # Which pictures give in is written in where their darkest column is: no look moves that.
    column = pictures.mean((1, 2)).argmin(1)
    share[misled(pictures) & (column < used * SIDE)] = [0.8, 0.1, 0.1]
    return share


def plain(n: int, seed: int) -> tuple[NDArray[np.int64], Pictures]:
    """Labels, and pictures with a bright band in one of three places and a dark column anywhere."""
    random = np.random.default_rng(seed)
    label = np.arange(n) % 3
    pictures = random.integers(40, 70, (n, 3, SIDE, SIDE), dtype=np.uint8)
    for k in range(3):
        pictures[label == k, :, 8 * k : 8 * k + 8] += 60
    dark = random.integers(0, SIDE, n)
    pictures[np.arange(n), :, :, dark] -= 25
    return label, pictures


def audited(
    look: Callable[[Pictures], Pictures],
    misled: Misled,
    n: int = 360,
    used: float = 1.0,
    seed: int = 0,
) -> Evidence:
    label, pictures = plain(n, seed)
    old = np.arange(n) // 3 % 2 == 0
    pictures[old] = look(pictures[old])

    def ask(some: Pictures) -> Probabilities:
        return read(some, misled, used)

    camera = np.where(old, "old", "new")
    return evidence(label, ask(pictures), {"camera": camera}, model=Model(pictures, ask), seed=seed)


def only(given: Evidence, check: AppearanceReliance | None = None) -> Claim:
    (claim,) = (check or AppearanceReliance()).examine(given).claims
    return claim


@pytest.mark.parametrize(
    ("look", "misled", "words"),
    [
        (brighter, lit, {"brightness and colours"}),
        (blur, blurred, {"sharpness and grain", "finest detail"}),
        (stripes, striped, {"finest detail"}),
    ],
)
def test_a_look_that_the_model_uses_is_named_and_its_gap_confirmed(
    look: Callable[[Pictures], Pictures], misled: Misled, words: set[str]
) -> None:
    claim = only(audited(look, misled))
    assert claim.slice == SliceKey(attributes={"camera": "old"})
    assert claim.effect is not None
    # Two of the three labels turn to class a whenever the look is there.
    assert claim.effect.value == pytest.approx(2 / 3, abs=0.06)
    assert claim.p_value == pytest.approx(1e-5)
    assert claim.evidence["look"] in words
    assert claim.evidence["turned_to"] == "a"
    assert claim.title.startswith(
        f"Giving samples the {claim.evidence['look']} of those with camera"
    )
    assert {str(key) for key in claim.confirms} == {
        "camera = old",
        "camera = old, label = b",
        "camera = old, label = c",
    }


def test_the_label_that_the_look_helps_is_told_of_the_other_value() -> None:
    given = audited(brighter, lit)
    assert isinstance(given.model, Model)
    ask = given.model.ask

    def saved(some: Pictures) -> Probabilities:
        """Light misleads classes b and c, and in the dark class a is taken for c."""
        share = ask(some)
        share[~lit(some) & (share.argmax(1) == 0)] = [0.1, 0.1, 0.8]
        return share

    model = Model(given.model.seen, saved)
    label: NDArray[np.int64] = np.arange(360) % 3
    camera: NDArray[np.str_] = np.where(given.predictions["camera"] == "old", "old", "new")
    claim = only(evidence(label, saved(model.seen), {"camera": camera}, model=model))
    assert claim.effect is not None
    assert claim.effect.value == pytest.approx(1, abs=0.05)
    assert claim.title.startswith("Swapping the brightness and colours between samples with camera")
    assert {str(key) for key in claim.confirms} == {
        "camera = old",
        "camera = old, label = b",
        "camera = old, label = c",
        "camera = new, label = a",
    }


def test_objects_that_are_hard_by_their_own_light_are_not_a_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Bright b and dark c are hard; that is how those objects are, and no camera's doing."""
    label, pictures = plain(600, 0)
    hard = np.arange(600) // 3 % 2 == 0
    bright = (label == 1) & hard | (label != 1) & ~hard
    pictures[bright] = brighter(pictures[bright])

    def ask(some: Pictures) -> Probabilities:
        share = read(some, lit, used=0)
        kind = share.argmax(1)
        share[(kind == 1) & lit(some) | (kind == 2) & ~lit(some)] = [0.8, 0.1, 0.1]
        return share

    values = np.where(hard, "yes", "no")
    given = evidence(label, ask(pictures), {"difficult": values}, model=Model(pictures, ask))
    assert only(given).effect is None
    monkeypatch.setattr(appearance_reliance, "TRANSFERS", TRANSFERS[:1])
    claim = only(given)
    # With looks of the same label it seems to be the look.
    assert claim.evidence["fall"]["low"] > 0.05
    assert claim.evidence["fall_with_looks_of_other_labels"]["low"] < 0
    assert claim.effect is None
    assert not claim.confirms


def test_a_given_look_that_misleads_more_than_the_real_one_does_not_count() -> None:
    """The model bears light with its own contrast, and not the light alone that a transfer gives."""
    given = audited(brighter, lit, n=600, used=0.1)
    assert isinstance(given.model, Model)
    real = {picture.tobytes() for picture in given.model.seen}
    ask = given.model.ask

    def estranged(some: Pictures) -> Probabilities:
        share = ask(some)
        new = np.array([picture.tobytes() not in real for picture in some])
        share[new & lit(some)] = [0.8, 0.1, 0.1]
        return share

    assert given.model.ask(given.model.seen).argmax(1).tolist() == (
        estranged(given.model.seen).argmax(1).tolist()
    )
    claim = only(replace(given, model=Model(given.model.seen, estranged)))
    assert claim.evidence["fall"]["low"] > 0.5
    assert claim.evidence["fall_with_looks_of_other_labels"]["low"] > 0.5
    assert claim.evidence["gap_of_unchanged_pictures"]["high"] < 0.2
    assert claim.effect is None
    assert claim.p_value == 1
    assert not claim.confirms


def test_the_gap_of_unchanged_pictures_is_signed_and_weighted_as_the_swaps_are() -> None:
    given = audited(brighter, lit)
    # Of label b, 30 of 60 with the value and 6 of 60 without; of c, 0 and 24 of 60; of a, none.
    label = given.predictions["label"].cat.codes.to_numpy()
    old = (given.predictions["camera"] == "old").to_numpy()
    failure = np.zeros(360, dtype=bool)
    for code, value, n in ((1, True, 30), (1, False, 6), (2, False, 24)):
        failure[np.flatnonzero((label == code) & (old == value))[:n]] = True
    given = replace(given, predictions=given.predictions.assign(failure=failure))
    question = Question("camera", "old", "new", np.array([0.0, 1.0, -1.0]))
    rows = np.arange(50)
    swaps = Swaps(rows, np.repeat([0, 1, 2], [10, 30, 10]), rows > 25, rows, rows)
    found = unchanged(given, question, swaps)
    assert found.value == pytest.approx(0.6 * (0.5 - 0.1) - 0.2 * (0 - 0.4))
    # The intervals of Newcombe, as in statsmodels, and Zou and Donner's sum.
    low_b, high_b = confint_proportions_2indep(30, 60, 6, 60, method="newcomb")
    low_c, high_c = confint_proportions_2indep(0, 60, 24, 60, method="newcomb")
    down = np.hypot(0.6 * (0.4 - low_b), 0.2 * (high_c + 0.4))
    up = np.hypot(0.6 * (high_b - 0.4), 0.2 * (-0.4 - low_c))
    assert found.low == pytest.approx(found.value - down, abs=1e-6)
    assert found.high == pytest.approx(found.value + up, abs=1e-6)


def test_a_gap_that_comes_with_nothing_to_be_seen_is_not_confirmed() -> None:
    for seed in range(4):
        given = audited(brighter, lit, used=0.0, seed=seed)
        failure = (given.predictions["camera"] == "old") & (np.arange(360) % 5 == 0)
        claim = only(replace(given, predictions=given.predictions.assign(failure=failure)))
        assert claim.effect is None
        assert not claim.confirms


def test_the_fall_is_measured_with_an_interval_that_covers_it() -> None:
    claims = [only(audited(brighter, lit, 450, 0.3, seed)) for seed in range(10)]
    effects = [one.effect for one in claims if one.effect is not None]
    assert len(effects) == 10
    share = 2 / 3 * 8 / SIDE  # the darkest column is one of the first eight
    assert sum(one.low <= share <= one.high for one in effects) >= 8
    assert np.mean([one.value for one in effects]) == pytest.approx(share, abs=0.04)


def test_p_values_are_no_smaller_than_chance_makes_them() -> None:
    """A model that answers at random, the same for the same picture, and never to a look."""

    def ask(some: Pictures) -> Probabilities:
        digits = some.reshape(len(some), -1).astype(np.int64) @ np.arange(1, some[0].size + 1)
        return np.where((digits % 5 < 2)[:, None], [0.6, 0.4], [0.4, 0.6])

    p_values = []
    for seed in range(40):
        random = np.random.default_rng(seed)
        pictures = random.integers(0, 255, (160, 3, 8, 8), dtype=np.uint8)
        label = np.arange(160) % 2
        coin: NDArray[np.str_] = np.where(random.random(160) < 0.5, "head", "tail")
        given = evidence(
            label, ask(pictures), {"coin": coin}, model=Model(pictures, ask), seed=seed
        )
        # Asked in any case, as if there had been a gap.
        failure = given.predictions["failure"] | (given.predictions["coin"] == "head")
        given = replace(given, predictions=given.predictions.assign(failure=failure))
        claim = only(given, AppearanceReliance(search_pictures=4, test_pictures=25))
        p_values.append(claim.p_value or 0.0)
    # The larger of two independent p-values lies below x in x² of the cases.
    for bound in (0.05, 0.1, 0.3, 0.5):
        assert np.mean(np.array(p_values) <= bound) <= bound
    assert min(p_values) < 0.9


def test_labels_without_a_gap_do_not_count_by_the_sign_of_chance() -> None:
    given = audited(brighter, lit)

    def asked(*failing: tuple[str, str, int]) -> Question:
        """With so many failures of 60 by camera and label."""
        frame = given.predictions
        failure = np.zeros(360, dtype=bool)
        for camera, label, n in failing:
            here = (frame["camera"] == camera) & (frame["label"] == label)
            failure[np.flatnonzero(here)[:n]] = True
        (question,), _ = questions(replace(given, predictions=frame.assign(failure=failure)), 0.05)
        return question

    # By chance, one a fails more. The old camera fails more as a whole, and a goes with it.
    question = asked(("old", "b", 20), ("new", "a", 1))
    assert (question.value, question.worse.tolist()) == ("old", [1, 1, 1])
    # Neither camera fails more as a whole: b and c count, each in its way.
    question = asked(("old", "b", 20), ("new", "c", 18), ("new", "a", 1))
    assert (question.value, question.worse.tolist()) == ("old", [0, 1, -1])


def test_without_a_gap_no_picture_is_touched() -> None:
    given = audited(brighter, lit, used=0.0)
    assert isinstance(given.model, Model)
    found = AppearanceReliance().examine(given)
    assert not found.claims
    assert "no pictures were swapped for camera" in found.skipped[0].reason
    assert given.model.asked == 0


def test_cost_is_bounded_as_stated() -> None:
    given = audited(brighter, lit)
    assert isinstance(given.model, Model)
    AppearanceReliance(search_pictures=12, test_pictures=40).examine(given)
    assert given.model.asked <= 2 * (16 * 12 + 4 * 40)


def test_one_label_few_pictures_or_no_model_are_said() -> None:
    given = audited(brighter, lit)
    camera = given.predictions["camera"].where(given.predictions["label"] == "b", "old")
    found = AppearanceReliance().examine(
        replace(given, predictions=given.predictions.assign(camera=camera))
    )
    assert not found.claims
    assert "only one label" in found.skipped[0].reason
    found = AppearanceReliance().examine(audited(brighter, lit, n=30))
    assert "too few pictures to swap looks" in found.skipped[0].reason
    found = AppearanceReliance().examine(replace(given, model=None))
    assert "not at hand" in found.skipped[0].reason
