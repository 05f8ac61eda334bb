"""The benchmark measures what it says: what it plants, and the peers that it compares with."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from auditor.statistics import detectable_gap

sys.path.append(str(Path(__file__).resolve().parent.parent))
from benchmarks.planting import peers
from benchmarks.planting.shortcuts import SHORTCUTS, Shortcut
from benchmarks.planting.worlds import PLANTED, World, table_checks


def test_the_theoretical_power_is_that_of_the_detectable_gap() -> None:
    found = float(detectable_gap(300, 700, 0.1, alpha=0.02, power=0.8))
    assert World(gap=found, share=0.3).power(0.02) == pytest.approx(0.8, abs=1e-9)


def test_a_world_has_the_gap_that_it_was_given() -> None:
    world = World(n=60_000, gap=0.15, share=0.3, base=0.2)
    tables = world.tables(np.random.default_rng(0), table_checks(("performance-gap",)))
    failure = tables.outcomes.predicted != tables.label
    inside = tables.member(PLANTED, "yes")
    assert inside.mean() == pytest.approx(0.3, abs=0.01)
    assert failure[~inside].mean() == pytest.approx(0.2, abs=0.01)
    assert failure[inside].mean() == pytest.approx(0.35, abs=0.015)
    assert tables.outcomes.probabilities is not None
    assert np.array_equal(tables.outcomes.probabilities.argmax(1), tables.outcomes.predicted)


@pytest.mark.parametrize("shortcut", SHORTCUTS.values(), ids=SHORTCUTS)
def test_what_is_planted_changes_the_carriers_alone_and_lies_in_its_box(shortcut: Shortcut) -> None:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 255, (6, 32, 32, 3)).astype(np.uint8)
    images[:, 4:20, 4:20] = 30
    carriers = np.array([True, False] * 3)
    changed = (shortcut.applied(images, carriers) != images).any(3)
    assert changed[carriers].any((1, 2)).all()
    assert not changed[~carriers].any()
    if shortcut.box is not None:
        x0, y0, x1, y1 = (round(32 * edge) for edge in shortcut.box)
        changed[:, y0:y1, x0:x1] = False
        assert not changed.any()


def test_a_mark_goes_along_with_its_class_in_training_alone() -> None:
    label = np.arange(40_000) % 4
    mark = SHORTCUTS["corner mark"]
    for training, strength, own, others in (
        (True, 1.0, 0.95, 0.0),
        (True, 0.0, 0.3, 0.3),
        (False, 1.0, 0.3, 0.3),
    ):
        generator = np.random.default_rng(1)
        carries = mark.carriers(label, 2, strength, generator, training=training)
        assert carries[label == 2].mean() == pytest.approx(own, abs=0.02)
        assert carries[label != 2].mean() == pytest.approx(others, abs=0.02)


def test_domino_s_mixture_finds_a_cluster_of_errors() -> None:
    generator = np.random.default_rng(0)
    n = 900
    label = generator.integers(0, 3, n)
    hard = generator.random(n) < 0.15
    features = generator.normal(0, 1, (n, 6)) + 6 * hard[:, None] * np.array([1, 1, 0, 0, 0, 0])
    predicted = np.where(hard, (label + 1) % 3, label)
    shares = np.full((n, 3), 0.05, dtype=np.float32)
    shares[np.arange(n), predicted] = 0.9
    search = np.arange(n) % 2 == 0
    ranked = peers.domino(features.astype(np.float32), label, shares, search, components=8)
    assert not search[np.concatenate(ranked)].any()
    assert max(hard[rows[:10]].mean() for rows in ranked) == 1


def test_the_spurious_score_against_its_definition() -> None:
    generator = np.random.default_rng(0)
    label = (generator.random(600) < 0.1).astype(np.int64)
    noise = generator.random(600)
    # On noise the classifier says the majority: accuracy equals the share, and the score is 1.
    assert peers.spurious_score(noise, label, by_index=False) == pytest.approx(1, abs=0.05)
    # With the index, 0, in place of the count, the error itself is the score: under 0.3.
    error = 1 - GaussianNB().fit(noise[:, None], label).score(noise[:, None], label)
    assert peers.spurious_score(noise, label, by_index=True) == pytest.approx(error, abs=0.02)
    telling = label + 0.01 * noise
    assert peers.spurious_score(telling, label, by_index=False) < 0.05
