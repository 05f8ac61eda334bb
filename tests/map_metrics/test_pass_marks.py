from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from auditor.map_metrics.pass_marks import map_tests
from auditor.map_metrics.summary import Likeness, MapScores

NETWORK = np.repeat(np.arange(5), 4)
ALIKE = Likeness(np.full(20, 0.1), np.linspace(-0.2, 0.4, 380))
SCORES = MapScores(
    network=NETWORK,
    areas={
        "deletion": (np.full(20, 0.3), np.linspace(0.4, 0.6, 20)),
        "insertion": (np.full(20, 0.5), np.linspace(0.4, 0.6, 20)),
    },
    occlusion=np.linspace(0.1, 0.3, 20),
    hirescam=np.zeros(20),
    randomized={"grad-cam": ALIKE, "guided-backprop": replace(ALIKE, own=np.full(20, 0.8))},
    edges=replace(ALIKE, own=np.full(20, 0.45)),
)


def test_each_map_test_is_held_against_its_mark() -> None:
    found = {(one.test, one.explainer): one for one in map_tests(SCORES)}
    assert {key: one.passed for key, one in found.items()} == {
        ("deletion", "grad-cam"): True,  # 0.3 against 0.4 to 0.6: less in every image
        ("insertion", "grad-cam"): False,  # 0.5 against a mean of 0.5: no difference
        ("occlusion", "grad-cam"): True,
        ("randomization", "grad-cam"): True,  # 0.1 is below 0.37
        ("randomization", "guided-backprop"): False,
        ("edges", "guided-backprop"): False,
    }
    deletion = found["deletion", "grad-cam"]
    assert deletion.value.value == pytest.approx(0.2)
    assert (deletion.map_area, deletion.random_area) == pytest.approx((0.3, 0.5))
    # The 95 % quantile of -0.2 to 0.4 in even steps: -0.2 + 0.95 * 0.6.
    assert found["randomization", "grad-cam"].mark == pytest.approx(0.37)


def test_map_that_is_the_same_for_every_image_and_network_does_not_pass() -> None:
    constant = Likeness(np.ones(20), np.ones(380))
    found = map_tests(replace(SCORES, randomized={"grad-cam": constant}, edges=None))
    assert found[-1].mark == 0.5
    assert not found[-1].passed


def test_map_tests_without_enough_results_are_left_out() -> None:
    nothing = Likeness(np.full(20, np.nan), np.full(380, np.nan))
    found = map_tests(
        replace(
            SCORES,
            occlusion=np.full(20, np.nan),
            randomized={"grad-cam": nothing},
            edges=None,
        )
    )
    assert [one.test for one in found] == ["deletion", "insertion"]


@pytest.mark.parametrize("seed", range(3))
def test_maps_without_information_seldom_pass_a_test(seed: int) -> None:
    # 400 audits of 50 maps whose differences from a random order have mean 0: the one-sided level is
    # 2.5 %, so at most 10 + 3 * sqrt(400 * 0.025 * 0.975) = 19 pass.
    rng = np.random.default_rng(seed)
    passed = 0
    for _ in range(400):
        areas = (rng.beta(2, 5, 50), rng.beta(2, 5, 50))
        scores = replace(SCORES, areas={"deletion": areas, "insertion": areas})
        passed += map_tests(scores)[0].passed
    assert passed <= 19
