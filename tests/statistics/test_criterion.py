"""Acceptance criteria: against scipy, statsmodels, enumeration and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import fisher_exact
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests

from auditor.statistics.closed_testing import hochberg
from auditor.statistics.criterion import (
    judge_against_chance,
    judge_against_majority,
    judge_interval,
)
from auditor.statistics.intervals import Interval


def test_interval_is_held_against_the_threshold_by_its_bounds() -> None:
    interval = Interval(0.04, 0.02, 0.06)
    assert judge_interval(interval, 0.07, higher_is_better=False) == "met"
    assert judge_interval(interval, 0.01, higher_is_better=False) == "missed"
    assert judge_interval(interval, 0.05, higher_is_better=False) == "undecided"
    assert judge_interval(interval, 0.01, higher_is_better=True) == "met"
    assert judge_interval(Interval(np.nan, 0, 1), 0.5, higher_is_better=True) == "undecided"


def test_hochberg_agrees_with_statsmodels() -> None:
    p_values = np.random.default_rng(0).random(12) ** 3
    theirs = multipletests(p_values, method="simes-hochberg")[1]
    np.testing.assert_allclose(hochberg(p_values), theirs)
    with_gap = hochberg([0.01, np.nan, 0.04])
    np.testing.assert_allclose(with_gap[[0, 2]], [0.02, 0.04])


def test_majority_test_agrees_with_mcnemar_on_single_samples() -> None:
    generator = np.random.default_rng(2)
    label = generator.choice(3, 400, p=[0.7, 0.2, 0.1])
    right = generator.random(400) < np.array([0.85, 0.6, 0.5])[label]
    baseline = label == 0
    table = [
        [int((right & baseline).sum()), int((right & ~baseline).sum())],
        [int((~right & baseline).sum()), int((~right & ~baseline).sum())],
    ]
    theirs = statsmodels_mcnemar(table, exact=True).pvalue
    ours = judge_against_majority(np.bincount(label[right]), np.bincount(label))
    assert 2 * min(ours.p_met, ours.p_missed) == pytest.approx(theirs)
    assert ours.value.value == pytest.approx(right.mean() - baseline.mean())


def test_majority_baseline_is_not_beaten_by_naming_it() -> None:
    constant = judge_against_majority([900, 0], [900, 100])
    assert constant.status == "undecided"
    assert constant.value.value == 0
    # 91 % accuracy on 90 % of one class, by 60 right and 50 wrong departures: no proof.
    assert judge_against_majority([850, 60], [900, 100]).status == "undecided"
    assert judge_against_majority([880, 80], [900, 100]).status == "met"
    assert judge_against_majority([800, 30], [900, 100]).status == "missed"
    assert judge_against_majority([0, 0], [0, 0]).status == "undecided"


def test_chance_test_agrees_with_fisher() -> None:
    table = np.array([[30, 10, 10], [12, 25, 13], [9, 14, 27]])
    ours = judge_against_chance(table)
    raw = []
    for k in range(3):
        hits, own = table[k, k], table[k].sum()
        named = table[:, k].sum() - hits
        cells = [[hits, own - hits], [named, table.sum() - own - named]]
        raw.append(fisher_exact(cells, alternative="greater").pvalue)
    np.testing.assert_allclose(ours.p_met, hochberg(raw))
    assert ours.status == "met"
    assert ours.value.value[0] == pytest.approx(30 / 50 - 21 / 100)


def test_constant_model_recognises_no_class() -> None:
    ours = judge_against_chance([[80, 0, 0], [90, 0, 0], [70, 0, 0]])
    # The recall of the first is 1, and it is named for all others as well.
    assert ours.each == ("undecided", "missed", "missed")
    assert ours.status == "missed"


def test_cautious_detector_is_better_than_chance() -> None:
    # A recall of 40 % is below one in two, but only 1 % of the others are taken for it.
    ours = judge_against_chance([[40, 60], [9, 891]])
    assert ours.status == "met"


def test_chance_without_other_labels_is_undecided() -> None:
    ours = judge_against_chance([[50, 3], [0, 0]])
    assert ours.each == ("undecided", "undecided")
    assert judge_against_chance(np.zeros((0, 0))).status == "undecided"


def test_guessing_is_seldom_called_better_than_chance() -> None:
    generator = np.random.default_rng(3)
    named = 0
    for _ in range(300):
        label, predicted = (
            generator.integers(4, size=200),
            generator.choice(4, 200, p=[0.6, 0.2, 0.1, 0.1]),
        )
        table = np.bincount(4 * label + predicted, minlength=16).reshape(4, 4)
        named += "met" in judge_against_chance(table).each
    # 5 % of 300 is 15; two standard errors are 7.5.
    assert named <= 22


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="expected an alpha"):
        judge_against_majority([5], [10], alpha=5)
    with pytest.raises(ValueError, match="0 <= count <= total"):
        judge_against_majority([11], [10])
    with pytest.raises(ValueError, match="square matrix"):
        judge_against_chance([[1, 2, 3], [4, 5, 6]])
