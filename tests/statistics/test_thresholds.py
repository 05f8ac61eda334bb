"""Thresholds chosen by a rule, against a slow search over all thresholds."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from auditor.statistics.thresholds import Rule, choose_threshold


def rates(score: np.ndarray, truth: np.ndarray, threshold: float) -> tuple[float, float]:
    called = score >= threshold
    return called[truth].mean(), (~called[~truth]).mean()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("rule", "at_least"),
    [("youden", None), ("f1", None), ("sensitivity", 0.9), ("specificity", 0.8)],
)
def test_chosen_threshold_is_the_best_of_a_slow_search(
    rule: Rule, at_least: float | None, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    truth = generator.random(60) < 0.4
    score = np.round(np.clip(generator.normal(0.4 + 0.2 * truth, 0.2), 0.01, 0.99), 2)  # with ties
    chosen = choose_threshold(score, truth, rule, at_least)
    tried = np.linspace(0.001, 0.999, 999)
    sensitivity, specificity = rates(score, truth, chosen)
    others = [rates(score, truth, one) for one in tried]
    if rule == "youden":
        assert sensitivity + specificity == pytest.approx(max(a + b for a, b in others))
    elif rule == "f1":
        best = max(f1_score(truth, score >= one, zero_division=0) for one in tried)
        assert f1_score(truth, score >= chosen) == pytest.approx(best)
    elif rule == "sensitivity":
        assert sensitivity >= 0.9
        assert specificity == pytest.approx(max(b for a, b in others if a >= 0.9))
    else:
        assert specificity >= 0.8
        assert sensitivity == pytest.approx(max(a for a, b in others if b >= 0.8))


def test_threshold_lies_between_the_scores() -> None:
    assert choose_threshold([0.2, 0.4, 0.6, 0.8], [0, 0, 1, 1], "youden") == pytest.approx(0.5)


@pytest.mark.parametrize("score", [[0.0, 1.0], [0.0, 0.0], [1.0, 1.0], [np.nan, 0.5, 0.7, 0.2]])
def test_threshold_is_a_probability(score: list[float]) -> None:
    truth = [k % 2 for k in range(len(score))]
    assert 0 < choose_threshold(score, truth, "youden") < 1


@pytest.mark.parametrize("truth", [[0, 0], [1, 1]])
def test_threshold_without_positive_and_negative_samples_is_refused(truth: list[int]) -> None:
    with pytest.raises(ValueError, match="expected positive and negative samples"):
        choose_threshold([0.1, 0.9], truth, "youden")
