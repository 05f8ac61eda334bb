"""Estimated label noise: detection of planted noise, false detection, and coverage.

    python -m benchmarks.verdicts.label_noise [--audits 40] [--seed 0]

Features are normal with a mean of their own for each class; the model is the Bayes classifier, so its
accuracy follows from the distance of the means. Images are equally hard or, in half of the cases, of
different difficulty. An over-confident model has its logits multiplied.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from auditor.statistics import Floats, Integers
from auditor.statistics.label_noise import label_noise
from benchmarks.verdicts.simulated import shown, table

ACCURACIES = (0.6, 0.7, 0.82, 0.9, 0.98)
CLASSES = (2, 3, 10)
RATES = (0.0, 0.02, 0.05, 0.1)


@dataclass(frozen=True)
class Case:
    """What labels and predictions are drawn from.

    Attributes:
        n: samples.
        n_classes: equally frequent classes.
        distance: of each class's mean from 0.
        rate: probability that a label is wrong.
        scale: factor of the logits; above 1 the model is over-confident.
        spread: standard deviation of the logarithm of the distance; 0: all images are equally hard.
    """

    n: int
    n_classes: int
    distance: float
    rate: float = 0.0
    scale: float = 1.0
    spread: float = 0.0


@dataclass(frozen=True)
class Sample:
    """One drawn audit: true classes (N,), labels (N,) and probabilities (N, K)."""

    true: Integers
    label: Integers
    probabilities: Floats


Behaviour = Callable[[Floats, NDArray[np.int64], np.random.Generator], None]
"""Changes logits (N, K) of the given true classes in place."""


def draw(case: Case, generator: np.random.Generator, behaviour: Behaviour | None = None) -> Sample:
    """Draws one audit."""
    rows = np.arange(case.n)
    true = generator.integers(case.n_classes, size=case.n)
    distance = case.distance * generator.lognormal(0, case.spread, case.n)
    logits = generator.normal(size=(case.n, case.n_classes))
    logits[rows, true] += distance
    logits *= distance[:, None]
    if behaviour is not None:
        behaviour(logits, true, generator)
    logits *= case.scale
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    turned = generator.random(case.n) < case.rate
    other = (true + generator.integers(1, case.n_classes, case.n)) % case.n_classes
    return Sample(true, np.where(turned, other, true), shares)


def accuracy(case: Case) -> float:
    """Accuracy of the model on the true classes, simulated with 100 000 samples."""
    sample = draw(replace(case, n=100_000), np.random.default_rng(0))
    return float((sample.probabilities.argmax(1) == sample.true).mean())


def with_accuracy(case: Case, wanted: float) -> Case:
    """The case with the distance that leads to an accuracy."""
    return replace(
        case,
        distance=brentq(
            lambda x: accuracy(replace(case, distance=x)) - wanted, 0.02, 15, xtol=1e-3
        ),
    )


@dataclass
class Tally:
    """What the estimates of one row did.

    Attributes:
        ends: how often an estimate was withheld, detected or not.
        covered: whether the interval covers the share, the wrong failures, the wrong successes and the
            accuracy; only where it is estimated.
    """

    ends: Counter[str]
    covered: list[tuple[bool, bool, bool, bool]]

    @property
    def total(self) -> int:
        """How many audits were simulated."""
        return self.ends.total()

    @property
    def estimated(self) -> int:
        """In how many of them the noise was estimated."""
        return len(self.covered)


def tally(case: Case, audits: int, seed: int, behaviour: Behaviour | None = None) -> Tally:
    """Estimates label noise in simulated audits."""
    real = accuracy(case)
    result = Tally(Counter(), [])
    for k in range(audits):
        sample = draw(case, np.random.default_rng([seed, k, case.n]), behaviour)
        found = label_noise(sample.label, sample.probabilities)
        result.ends[found.reason or ("detected" if found.is_detected else "none")] += 1
        if found.reason is not None:
            continue
        wrong, failure = (
            sample.label != sample.true,
            sample.probabilities.argmax(1) != sample.label,
        )
        shares = (case.rate, wrong[failure].mean(), wrong[~failure].mean(), real)
        parts = (found.share, found.among_failures, found.among_successes, found.accuracy)
        inside = [
            bool(one.low - 1e-9 <= x <= one.high + 1e-9)
            for x, one in zip(shares, parts, strict=True)
        ]
        result.covered.append((inside[0], inside[1], inside[2], inside[3]))
    return result


def planted(audits: int, seed: int) -> tuple[str, str]:
    """Detection by accuracy, classes, samples and rate; and coverage by accuracy."""
    rows: list[tuple[object, ...]] = []
    coverage: dict[float, list[tuple[bool, bool, bool, bool]]] = {x: [] for x in ACCURACIES}
    for wanted in ACCURACIES:
        for n_classes in CLASSES:
            cases = [
                with_accuracy(Case(0, n_classes, 1, scale=scale, spread=spread), wanted)
                for scale, spread in ((1.0, 0.0), (2.5, 0.6))
            ]
            for n in (1000, 5000):
                cells = []
                for rate in RATES:
                    found = [
                        tally(replace(one, n=n, rate=rate), audits // 2, seed) for one in cases
                    ]
                    total = sum(one.total for one in found)
                    estimated = sum(one.estimated for one in found)
                    detected = sum(one.ends["detected"] for one in found)
                    cells.append(shown(detected, total) if estimated else "withheld")
                    for one in found:
                        coverage[wanted] += one.covered
                rows.append((f"{wanted:.0%}", n_classes, n, *cells))
    head = ("accuracy", "classes", "samples", *(f"{rate:.0%} wrong" for rate in RATES))
    covered = [
        (
            f"{wanted:.0%}",
            len(all_),
            *(shown(sum(one[k] for one in all_), len(all_)) for k in range(4)),
        )
        for wanted, all_ in coverage.items()
    ]
    parts = ("wrong labels", "among failures", "among successes", "accuracy")
    return table(head, rows), table(("accuracy", "estimates", *parts), covered)


def coin(logits: Floats, _: NDArray[np.int64], generator: np.random.Generator) -> None:
    """The model predicts at random with a confidence of 99 %."""
    n, n_classes = logits.shape
    logits[:] = 0
    logits[np.arange(n), generator.integers(n_classes, size=n)] = np.log(99 * (n_classes - 1))


def shortcut(logits: Floats, true: NDArray[np.int64], generator: np.random.Generator) -> None:
    """In 6 % of the samples, a shortcut adds evidence for the first class."""
    inside = generator.random(len(true)) < 0.06
    logits[inside, 0] += 8 * np.abs(generator.normal(1, 0.3, int(inside.sum())))


def confidently_wrong(
    logits: Floats, true: NDArray[np.int64], generator: np.random.Generator
) -> None:
    """In 5 % of the samples, another class takes the place of the true one."""
    rows = np.flatnonzero(generator.random(len(true)) < 0.05)
    other = (true[rows] + generator.integers(1, logits.shape[1], len(rows))) % logits.shape[1]
    logits[rows, true[rows]], logits[rows, other] = logits[rows, other], logits[rows, true[rows]]


def own_errors(audits: int, seed: int) -> str:
    """Models with errors of their own that look like noise; all labels are right, no attribute is known."""
    rows = []
    for behaviour in (coin, shortcut, confidently_wrong):
        for n_classes in CLASSES:
            for n in (1000, 5000):
                case = with_accuracy(Case(0, n_classes, 1, spread=0.6), 0.9)
                found = tally(replace(case, n=n), audits, seed, behaviour)
                withheld = found.total - found.estimated
                rows.append(
                    (
                        behaviour.__name__,
                        n_classes,
                        n,
                        shown(withheld, found.total),
                        shown(found.ends["detected"], found.total),
                    )
                )
    return table(("model", "classes", "samples", "withheld", "falsely detected"), rows)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--audits", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    detection, coverage = planted(options.audits, options.seed)
    print(f"## Detection of planted label noise\n\n{detection}", flush=True)
    print(f"\n## Coverage of the intervals\n\n{coverage}", flush=True)
    print(f"\n## Right labels, wrong models\n\n{own_errors(options.audits, options.seed)}")


if __name__ == "__main__":
    main()
