from __future__ import annotations

from itertools import starmap

import pytest

from auditor.records import Estimate, MapTestRecord
from auditor.records.explanations import MapTestName
from auditor.report.view.map_tests import conclusion, map_test_groups

NAMES: tuple[MapTestName, ...] = ("deletion", "insertion", "occlusion", "randomization")


def _test(test: MapTestName, passed: bool, *, guided: bool = False) -> MapTestRecord:
    return MapTestRecord(
        test=test,
        explainer="guided-backprop" if guided else "grad-cam",
        n_samples=50,
        value=Estimate(value=0.24, low=0.2, high=0.28),
        mark=0.31 if test in {"randomization", "edges"} else 0.0,
        passed=passed,
        map_area=0.517 if test == "deletion" else None,
        random_area=0.757 if test == "deletion" else None,
    )


@pytest.mark.parametrize(
    ("passed", "expected"),
    [
        ((True, False, False, True), "Grad-CAM passes 2 of 4 tests here; treat the maps as hints."),
        (
            (True, True, True, True),
            (
                "Grad-CAM passes all 4 tests here; the maps show where the network finds evidence, which is "
                "not proof of a cause."
            ),
        ),
        (
            (True, True, True, False),
            (
                "Grad-CAM passes 3 of 4 tests here; its maps may not depend on what the network has learned, "
                "so do not rely on them."
            ),
        ),
    ],
)
def test_conclusion_follows_from_the_tests(passed: tuple[bool, ...], expected: str) -> None:
    tests = list(starmap(_test, zip(NAMES, passed, strict=True)))
    assert conclusion(tests) == f"{expected} Tested on 50 samples."


def test_conclusion_without_a_randomization_test_is_no_more_than_a_hint() -> None:
    assert "its only test here; treat the maps as hints" in conclusion([_test("deletion", True)])
    assert "does not pass its only test here; do not rely on the maps" in conclusion(
        [_test("deletion", False)]
    )
    assert conclusion([]) == ""


def test_conclusion_on_guided_backpropagation_is_separate() -> None:
    tests = [_test("deletion", True), *(_test(one, False, guided=True) for one in NAMES[3:])]
    assert (
        "Guided backpropagation does not pass its only test; no number in this report rests on it."
        in conclusion(tests)
    )


def test_map_test_is_shown_with_sign_interval_and_mark() -> None:
    deletion, randomized = (_test("deletion", True), _test("randomization", False))
    (group,) = map_test_groups([deletion, randomized])
    assert group.conclusion == "Grad-CAM passes 1 of 2 tests here"
    first, second = group.tests
    assert first.result == "✓ passed"
    assert first.value == (
        "mean probability 0.52, in random order 0.76; better by 0.24 (0.20 to 0.28); 50 samples"
    )
    assert first.mark == "interval above 0"
    assert second.result == "✗ not passed"
    assert second.value == "rank correlation 0.24 (0.20 to 0.28); 50 samples"
    assert second.mark == "interval up to 0.31"
