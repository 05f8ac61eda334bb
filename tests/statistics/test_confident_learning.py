"""Confident learning against a slow rewrite, an example by hand, and labels turned on purpose."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from numpy.typing import NDArray

from auditor.statistics.confident_learning import confident_learning


def noisy(
    seed: int, n: int = 600, k: int = 4
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """True labels, labels of which a tenth is turned to the next class, and honest probabilities."""
    generator = np.random.default_rng(seed)
    true = generator.integers(0, k, n)
    logits = generator.normal(0, 1, (n, k))
    logits[np.arange(n), true] += 4
    shares = np.exp(logits)
    shares /= shares.sum(1, keepdims=True)
    turned = generator.random(n) < 0.1
    return true, np.where(turned, (true + 1) % k, true), shares


def test_confident_learning_equals_hand_calculation() -> None:
    shares = np.array([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.1, 0.9], [0.3, 0.7]])
    found = confident_learning([0, 0, 0, 1, 1], shares)
    # t_0 = (0.9 + 0.8 + 0.2) / 3, t_1 = (0.9 + 0.7) / 2: the third sample reaches t_1 exactly.
    assert found.thresholds == pytest.approx([1.9 / 3, 0.8])
    assert found.joint.tolist() == [[2, 1], [0, 1]]
    assert found.share == pytest.approx(np.array([[0.4, 0.2], [0.0, 0.4]]))
    assert found.suggested.tolist() == [-1, -1, 1, -1, -1]


@pytest.mark.parametrize("seed", range(4))
def test_confident_learning_equals_a_slow_rewrite(seed: int) -> None:
    _, given, shares = noisy(seed)
    joint, suggested = reference.confident_learning(given, shares)
    found = confident_learning(given, shares)
    assert found.joint.tolist() == joint
    named = np.flatnonzero(found.suggested >= 0)
    assert {int(x): int(found.suggested[x]) for x in named} == suggested
    assert suggested


def test_confident_learning_flipped_labels_are_found() -> None:
    true, given, shares = noisy(9, n=4000)
    found = confident_learning(given, shares)
    named = found.suggested >= 0
    assert (true[named] != given[named]).mean() > 0.9
    assert named[true != given].mean() > 0.8
    assert (found.suggested[named] == true[named]).mean() > 0.9


def test_confident_learning_class_without_samples_is_no_true_class() -> None:
    _, given, shares = noisy(1, k=4)
    given = np.where(given == 3, 0, given)
    found = confident_learning(given, shares)
    assert np.isinf(found.thresholds[3])
    assert not (found.suggested == 3).any()
    assert found.share.sum() == pytest.approx(1)


def test_confident_learning_mismatched_input_raises() -> None:
    with pytest.raises(ValueError, match=r"expected labels \(n,\) and probabilities \(n, K\)"):
        confident_learning([0, 1], np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"expected labels in 0 … 1; got 0 … 2"):
        confident_learning([0, 2], np.ones((2, 2)))
