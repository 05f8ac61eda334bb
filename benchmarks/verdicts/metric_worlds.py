"""Drawn decisions and predictions, in clusters or not, whose true metrics are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtr
from scipy.stats import norm

from auditor.statistics import Floats, Integers
from auditor.statistics.metrics import BinaryCases, ClassCases

Sizes = Literal["even", "uneven"]
_MEAN_SIZE = 5
_CLASS_SHARES = np.array([0.1, 0.2, 0.3, 0.4])


@dataclass(frozen=True)
class Binormal:
    """Decisions whose scores are normal among positives and among negatives.

    The score is the true probability, so that it is calibrated, unless it is shifted.

    Attributes:
        prevalence: of positives.
        distance: between the means of positives and negatives, in standard deviations.
        cut: samples above it are called positive; negatives have the mean 0.
        shift: added to the log-odds of the score.
    """

    prevalence: float
    distance: float
    cut: float = 0.0
    shift: float = 0.0

    def draw(
        self, generator: np.random.Generator, cluster: Integers, correlation: float
    ) -> BinaryCases:
        """Draws decisions.

        Args:
            generator: source of random numbers.
            cluster: (n,) cluster of each sample.
            correlation: between the normal variables of two samples of one cluster, for the truth and
                for the score alike.
        """
        truth = _normal(generator, cluster, correlation) < norm.ppf(self.prevalence)
        x = _normal(generator, cluster, correlation) + self.distance * truth
        return BinaryCases(truth, x > self.cut, self._probability(x))

    def _probability(self, x: Floats) -> Floats:
        odds = logit(self.prevalence) + self.distance * x - self.distance**2 / 2 + self.shift
        return np.asarray(expit(odds), dtype=np.float64)

    def mean(self, of: Callable[[float, float], float]) -> float:
        """Expectation of a function of the probability that is stated and of the true one."""

        def integrand(x: float, mean: float) -> float:
            stated = float(self._probability(np.asarray(x)))
            true = float(expit(logit(stated) - self.shift))
            return of(stated, true) * _density(x - mean)

        parts = [
            float(quad(integrand, mean - 9, mean + 9, args=(mean,), limit=200)[0])
            for mean in (0.0, self.distance)
        ]
        return (1 - self.prevalence) * parts[0] + self.prevalence * parts[1]

    @property
    def average_precision(self) -> float:
        """The area under the precision-recall curve."""

        def integrand(x: float) -> float:
            hits = self.prevalence * ndtr(self.distance - x)
            alarms = (1 - self.prevalence) * ndtr(-x)
            return float(hits / (hits + alarms)) * _density(x - self.distance)

        return float(quad(integrand, self.distance - 9, self.distance + 9, limit=200)[0])


@dataclass(frozen=True)
class Classes:
    """Predictions of four classes of different frequency, right with one probability.

    Attributes:
        rate: probability of a right prediction; a wrong one is any other class.
    """

    rate: float

    def draw(
        self, generator: np.random.Generator, cluster: Integers, correlation: float
    ) -> ClassCases:
        """Draws predictions; see `Binormal.draw`."""
        edges = np.append(norm.ppf(np.cumsum(_CLASS_SHARES)[:-1]), np.inf)
        label = np.searchsorted(edges, _normal(generator, cluster, correlation)).astype(np.int64)
        right = _normal(generator, cluster, correlation) < norm.ppf(self.rate)
        other = (label + generator.integers(1, 4, len(label))) % 4
        predicted = np.where(right, label, other).astype(np.int64)
        return ClassCases(label, predicted, 4, None, np.ones(len(label)))

    @property
    def macro_f1(self) -> float:
        """The mean F1 score of the classes."""
        wrong = (1 - self.rate) / 3
        called = _CLASS_SHARES * self.rate + (1 - _CLASS_SHARES) * wrong
        return float((2 * _CLASS_SHARES * self.rate / (_CLASS_SHARES + called)).mean())


World = Binormal | Classes


def accuracy(rate: float) -> tuple[World, float]:
    """Four classes with this accuracy."""
    return Classes(rate), rate


def macro_f1(rate: float) -> tuple[World, float]:
    """Four classes with this accuracy, and their macro-F1."""
    world = Classes(rate)
    return world, world.macro_f1


def sensitivity(rate: float) -> tuple[World, float]:
    """Three of ten samples are positives, of which this share is called positive."""
    return Binormal(0.3, 1.0, 1 - float(norm.ppf(rate))), rate


def f1(rate: float) -> tuple[World, float]:
    """Three of ten samples are positives; sensitivity and predictive value are this rate."""
    cut = float(norm.isf(0.3 * (1 - rate) / 0.7))
    return Binormal(0.3, float(norm.ppf(rate)) + cut, cut), rate


def balanced_accuracy(rate: float) -> tuple[World, float]:
    """Three of ten samples are positives; sensitivity and specificity are this rate."""
    cut = float(norm.ppf(rate))
    return Binormal(0.3, 2 * cut, cut), rate


def auroc(rate: float) -> tuple[World, float]:
    """Three of ten samples are positives, with this area under the curve."""
    return Binormal(0.3, float(np.sqrt(2) * norm.ppf(rate))), rate


def rare_auroc(rate: float) -> tuple[World, float]:
    """One of ten samples is a positive, with this area under the curve."""
    return Binormal(0.1, float(np.sqrt(2) * norm.ppf(rate))), rate


@cache
def average_precision(rate: float) -> tuple[World, float]:
    """Three of ten samples are positives, with this average precision, at least 0.3."""
    return Binormal(0.3, _distance(0.3, rate)), rate


@cache
def rare_average_precision(rate: float) -> tuple[World, float]:
    """One of ten samples is a positive, with this average precision, at least 0.1."""
    return Binormal(0.1, _distance(0.1, rate)), rate


def _distance(prevalence: float, rate: float) -> float:
    found = brentq(lambda d: Binormal(prevalence, d).average_precision - rate, 0.0, 12.0)
    return float(found)


@cache
def brier(rate: float) -> tuple[World, float]:
    """This share of positives; the scores are calibrated."""
    world = Binormal(rate, 1.5)
    return world, world.mean(lambda _, true: true * (1 - true))


def calibration_slope(rate: float) -> tuple[World, float]:
    """This share of positives; the scores are calibrated."""
    return Binormal(rate, 1.5), 1.0


def calibration_intercept(rate: float) -> tuple[World, float]:
    """This share of positives; the log-odds of the scores are half too high."""
    return Binormal(rate, 1.5, shift=0.5), -0.5


@cache
def calibration_error(rate: float) -> tuple[World, float]:
    """This share of positives; the log-odds of the scores are half too high."""
    world = Binormal(rate, 1.5, shift=0.5)
    return world, world.mean(lambda stated, true: abs(stated - true))


@cache
def overconfidence(rate: float) -> tuple[World, float]:
    """This share of positives, all samples are called negative, and the scores are half too high."""
    world = Binormal(rate, 1.5, np.inf, shift=0.5)
    return world, world.mean(lambda stated, true: true - stated)


_SHARES = (0.01, 0.07, 0.45, 0.88, 0.99)
_PREVALENCES = (0.01, 0.07, 0.35, 0.9)


@dataclass(frozen=True)
class Setting:
    """A metric with the worlds in which it is measured.

    Attributes:
        metric: its name in the catalog.
        world: the world for a rate, and the true value of the metric there.
        rates: for which it is drawn.
        effort: share of the usual number of repetitions; calibration errors are slow.
    """

    metric: str
    world: Callable[[float], tuple[World, float]]
    rates: tuple[float, ...]
    effort: float = 1.0


SETTINGS: Mapping[str, Setting] = {
    "accuracy": Setting("accuracy", accuracy, _SHARES),
    "sensitivity": Setting("sensitivity", sensitivity, _SHARES),
    "F1": Setting("f1", f1, _SHARES),
    "balanced accuracy": Setting("balanced-accuracy", balanced_accuracy, (0.55, 0.75, 0.88, 0.99)),
    "balanced accuracy, 4 classes": Setting("balanced-accuracy", accuracy, _SHARES),
    "macro-F1, 4 classes": Setting("macro-f1", macro_f1, _SHARES),
    "AUROC, 30 % positives": Setting("auroc", auroc, (0.55, 0.75, 0.88, 0.97, 0.99)),
    "AUROC, 10 % positives": Setting("auroc", rare_auroc, (0.55, 0.75, 0.88, 0.97, 0.99)),
    "average precision, 30 % positives": Setting(
        "average-precision", average_precision, (0.35, 0.55, 0.8, 0.97)
    ),
    "average precision, 10 % positives": Setting(
        "average-precision", rare_average_precision, (0.15, 0.35, 0.8, 0.97)
    ),
    "Brier score": Setting("brier", brier, _PREVALENCES),
    "calibration slope": Setting("calibration-slope", calibration_slope, _PREVALENCES),
    "calibration intercept": Setting("calibration-intercept", calibration_intercept, _PREVALENCES),
    "over-confidence": Setting("overconfidence", overconfidence, _PREVALENCES, 0.25),
    "calibration error": Setting("calibration-error", calibration_error, (0.07, 0.35), 0.25),
}
"""The metrics whose intervals are simulated. Predictive values, specificity, selection rate and top-k
have the same interval as the accuracy and the sensitivity."""


def clusters(generator: np.random.Generator, n: int, sizes: Sizes) -> Integers:
    """The clusters of n samples: five each, or of log-normal sizes with that mean.

    Args:
        generator: source of random numbers.
        n: number of samples.
        sizes: of the clusters.
    """
    if sizes == "even":
        return np.arange(n) // _MEAN_SIZE
    drawn = generator.lognormal(np.log(_MEAN_SIZE) - 0.5, 1.0, n)
    ends = np.cumsum(np.maximum(1, drawn.round()))
    return np.searchsorted(ends, np.arange(n), side="right").astype(np.int64)


def _density(x: float) -> float:
    return float(np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi))


def _normal(generator: np.random.Generator, cluster: Integers, correlation: float) -> Floats:
    alone = generator.normal(size=len(cluster))
    shared = generator.normal(size=int(cluster.max()) + 1)[cluster]
    mixed = np.sqrt(1 - correlation) * alone + np.sqrt(correlation) * shared
    return np.asarray(mixed, dtype=np.float64)
