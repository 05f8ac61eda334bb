"""Estimated label noise: by hand, against a slow rewrite, and on simulated labels with known errors."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from auditor.statistics import Interval
from auditor.statistics.label_noise import (
    LabelNoise,
    WithheldReason,
    label_noise,
    label_posterior,
    log_odds_margin,
)
from auditor.statistics.noise_floor import NoiseFloor, noise_floor

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def simulated(
    seed: int, rate: float, *, n: int = 3000, k: int = 3, signal: float = 1.8, scale: float = 1.0
) -> tuple[Integers, Integers, Floats]:
    """True classes, labels and probabilities.

    Each class has its own normal feature, whose mean is ``signal`` for images of that class; the
    logits are those of the Bayes classifier, times ``scale``. Above 1 the model is over-confident.
    """
    generator = np.random.default_rng(seed)
    true = generator.integers(k, size=n)
    features = generator.normal(size=(n, k))
    features[np.arange(n), true] += signal
    shares = np.exp(scale * signal * features)
    shares /= shares.sum(1, keepdims=True)
    turned = generator.random(n) < rate
    return true, np.where(turned, (true + generator.integers(1, k, n)) % k, true), shares


def estimated(seed: int, rate: float, **options: float) -> LabelNoise:
    """The estimate on simulated labels."""
    sizes = {name: int(one) for name, one in options.items() if name in {"n", "k"}}
    _, given, shares = simulated(
        seed, rate, signal=options.get("signal", 1.8), scale=options.get("scale", 1.0), **sizes
    )
    return label_noise(given, shares)


def test_log_odds_margin_equals_hand_calculation() -> None:
    # 0.8 against 0.2 are odds of 4. With three classes, 0.5 against 0.5 is twice the odds of chance.
    assert log_odds_margin(np.array([[0.8, 0.2], [0.5, 0.5]])) == pytest.approx([np.log(4), 0])
    assert log_odds_margin(np.array([[0.3, 0.5, 0.2]])) == pytest.approx([np.log(2)])


def test_log_odds_margin_certain_prediction_counts_as_the_surest_finite_one() -> None:
    margins = log_odds_margin(np.array([[1.0, 0.0], [0.9, 0.1], [0.4, 0.6]]))
    assert margins == pytest.approx([np.log(1.0 / 0.1), np.log(9), np.log(1.5)])
    assert log_odds_margin(np.array([[1.0, 0.0], [0.0, 1.0]])).tolist() == [0.0, 0.0]


def test_label_posterior_equals_hand_calculation() -> None:
    floor = NoiseFloor(Interval(0.1, 0.0, 0.2), np.full((3, 2), 0.8))
    wrong, right = label_posterior(floor, np.array([False, True]), 3)
    # Label agrees: prediction true and label right 0.8 · 0.9 = 0.72; both wrong in the same way
    # 0.2 · 0.1 / 2 = 0.01. Label differs: wrong label of a true prediction 0.08; model error 0.18;
    # model error and another wrong label 0.01.
    assert wrong[0] == pytest.approx([0.01 / 0.73, 0.09 / 0.27])
    assert right[0] == pytest.approx([0.72 / 0.73, 0.08 / 0.27])
    # Without noise, every disagreement is the model's error.
    assert wrong[1].tolist() == [0, 0]
    assert right[1].tolist() == [1, 0]


def test_noise_floor_equals_a_slow_rewrite() -> None:
    _, given, shares = simulated(3, 0.08, n=150, signal=2.5)  # as many samples as there are bins
    margins, disagrees = log_odds_margin(shares), shares.argmax(1) != given
    scaled = margins / np.median(margins)

    def loss(parameters: Floats, shape: float) -> float:
        a, b, rate = parameters[0], np.exp(parameters[1]), expit(parameters[2])
        s = expit(a + b * scaled**shape)
        agree = s * (1 - rate) + (1 - s) * rate / 2
        return float(-np.log(np.where(disagrees, 1 - agree, agree)).sum())

    fits = [
        minimize(loss, [0.0, 0.0, -3.0], (shape,), "Nelder-Mead", options={"maxiter": 4000})
        for shape in (0.4, 0.55, 0.75, 1.0, 1.35)
    ]
    best = min(fits, key=lambda one: float(one.fun))
    assert noise_floor(margins, disagrees, 3).rate.value == pytest.approx(
        float(expit(best.x[2])), abs=0.003
    )


@pytest.mark.parametrize(("signal", "k"), [(1.8, 3), (2.6, 3), (2.2, 10)])
def test_label_noise_planted_rate_is_detected_and_covered(signal: float, k: int) -> None:
    found = [estimated(seed, 0.05, signal=signal, k=k) for seed in range(6)]
    assert all(one.state == "estimated" for one in found)
    assert sum(one.is_detected for one in found) >= 5
    assert sum(one.share.low <= 0.05 <= one.share.high for one in found) >= 5
    assert np.mean([one.share.value for one in found]) == pytest.approx(0.05, abs=0.012)


def test_label_noise_corrects_failures_successes_and_accuracy() -> None:
    true, given, shares = simulated(5, 0.1, n=6000)
    predicted = shares.argmax(1)
    found = label_noise(given, shares)
    wrong, failure = true != given, predicted != given
    for interval, real in (
        (found.among_failures, wrong[failure].mean()),
        (found.among_successes, wrong[~failure].mean()),
        (found.accuracy, (predicted == true).mean()),
    ):
        assert interval.low <= real <= interval.high
        assert interval.value == pytest.approx(real, abs=0.05)
    assert found.accuracy.value > (~failure).mean()
    # By the law of total probability, both parts add up to the whole.
    parts = found.among_failures.value * failure.mean()
    parts += found.among_successes.value * (~failure).mean()
    assert parts == pytest.approx(found.wrong.mean())
    assert parts == pytest.approx(found.share.value, abs=0.01)


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_label_noise_own_errors_of_an_overconfident_model_are_not_noise(scale: float) -> None:
    found = [estimated(seed, 0.0, scale=scale) for seed in range(6)]
    assert sum(one.is_detected for one in found) <= 1
    assert all(one.share.low <= 0.002 for one in found)


def test_label_noise_temperature_of_two_classes_changes_nothing() -> None:
    calm, sure = (estimated(1, 0.05, k=2, signal=2, scale=scale) for scale in (1.0, 2.0))
    for one, other in ((sure.share, calm.share), (sure.accuracy, calm.accuracy)):
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high))


def _coin(confidence: float) -> tuple[Integers, Floats]:
    generator = np.random.default_rng(0)
    given, predicted = generator.integers(2, size=(2, 5000))
    shares = np.full((5000, 2), 1 - confidence)
    shares[np.arange(5000), predicted] = confidence
    return given, shares


def _few() -> tuple[Integers, Floats]:
    return simulated(0, 0.05, n=199)[1:]


def _confident_errors() -> tuple[Integers, Floats]:
    """The most confident third of the predictions is wrong in half of the samples."""
    generator = np.random.default_rng(0)
    given = generator.integers(2, size=3000)
    sure = np.arange(3000) < 1000
    wrong = sure & (generator.random(3000) < 0.5)
    confidence = np.where(sure, 0.99, 0.8)
    shares = np.empty((3000, 2))
    shares[np.arange(3000), np.where(wrong, 1 - given, given)] = confidence
    shares[np.arange(3000), np.where(wrong, given, 1 - given)] = 1 - confidence
    return given, shares


def _one_confidence() -> tuple[Integers, Floats]:
    """A tenth of the predictions is wrong, and all are equally confident."""
    generator = np.random.default_rng(0)
    given = generator.integers(2, size=1000)
    predicted = np.where(generator.random(1000) < 0.1, 1 - given, given)
    shares = np.full((1000, 2), 0.1)
    shares[np.arange(1000), predicted] = 0.9
    return given, shares


WITHHELD: list[tuple[str, tuple[Integers, Floats], WithheldReason]] = [
    ("coin", _coin(0.99), "weak-model"),
    ("199 samples", _few(), "few-samples"),
    ("confidently wrong", _confident_errors(), "confident-errors"),
    ("equally confident", _one_confidence(), "uninformative-confidence"),
]


@pytest.mark.parametrize(
    ("data", "reason"), [one[1:] for one in WITHHELD], ids=[one[0] for one in WITHHELD]
)
def test_label_noise_is_withheld(data: tuple[Integers, Floats], reason: WithheldReason) -> None:
    found = label_noise(*data)
    assert (found.state, found.reason, found.is_detected) == ("withheld", reason, False)
    assert np.isnan(found.share.value)
    assert (found.accuracy.low, found.accuracy.high) == (0, 1)
    assert not found.wrong.any()


def test_label_noise_perfect_model_has_no_noise() -> None:
    _, given, shares = simulated(0, 0.0, signal=12)
    found = label_noise(given, shares)
    assert (found.state, found.share.value, found.is_detected) == ("estimated", 0, False)
    assert found.among_failures == Interval(0, 0, 0)
    assert found.accuracy.value == pytest.approx(1, abs=1e-3)


def test_label_noise_mismatched_input_raises() -> None:
    with pytest.raises(ValueError, match=r"expected labels \(n,\) and probabilities \(n, K\)"):
        label_noise([0, 1], np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"expected labels in 0 … 1; got 0 … 2"):
        label_noise([0, 2], np.ones((2, 2)))
