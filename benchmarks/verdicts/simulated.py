"""Simulated audits on counts alone, and how their results are printed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, norm

from auditor.statistics import Floats, Integers

MIN_SUPPORT = 20
"""Samples that a value has to have to be tested."""
LIMIT = 0.05
"""Largest acceptable gap."""


@dataclass(frozen=True)
class Law:
    """What samples are drawn from.

    Attributes:
        n: samples.
        n_classes: equally frequent labels; their error rates differ by a third around the mean.
        error: mean error rate where nothing is planted.
        n_values: values of each innocent attribute. They say nothing of the failures.
        correlation: between the innocent attributes, of the normal scores that they are cut from.
        rarest: share of the rarest value of each innocent attribute; None for equal shares.
        gap: what is added to the error rate in the planted slice; None plants no attribute.
        share: of the samples that lie in the planted slice.
    """

    n: int = 1000
    n_classes: int = 4
    error: float = 0.1
    n_values: tuple[int, ...] = (2, 3, 5)
    correlation: float = 0.0
    rarest: float | None = None
    gap: float | None = None
    share: float = 0.3


@dataclass(frozen=True)
class Sample:
    """One drawn audit.

    Attributes:
        label: (N,) codes.
        failure: (N,) whether the prediction is wrong.
        attributes: (N,) codes of each attribute. With a planted one it comes first, and its code 1
            is the planted slice.
    """

    label: Integers
    failure: NDArray[np.bool_]
    attributes: tuple[Integers, ...]


def draw(law: Law, generator: np.random.Generator) -> Sample:
    """Draws the samples of one audit."""
    label = generator.integers(law.n_classes, size=law.n)
    spread = np.linspace(-1 / 3, 1 / 3, law.n_classes)
    rate = law.error * (1 + (spread - spread.mean())[label])
    common = generator.normal(size=law.n)
    attributes = []
    for n_values in law.n_values:
        own = generator.normal(size=law.n)
        score = np.sqrt(law.correlation) * common + np.sqrt(1 - law.correlation) * own
        attributes.append(np.searchsorted(_cuts(n_values, law.rarest), score).astype(np.int64))
    if law.gap is not None:
        inside = generator.random(law.n) < law.share
        rate = rate + law.gap * inside
        attributes.insert(0, inside.astype(np.int64))
    return Sample(label, generator.random(law.n) < rate, tuple(attributes))


def _cuts(n_values: int, rarest: float | None) -> Floats:
    shares = np.full(n_values, 1 / n_values)
    if rarest is not None:
        # A geometric series from the rarest share to what is left for the most frequent one.
        shares = np.geomspace(rarest, 1.0, n_values)
        shares /= shares.sum()
    return np.asarray(norm.ppf(np.cumsum(shares)[:-1]), dtype=np.float64)


def audits(law: Law, number: int, seed: int) -> Iterator[Sample]:
    """Draws audits, each from its own seed."""
    for k in range(number):
        yield draw(law, np.random.default_rng([seed, k]))


def counted(sample: Sample, codes: Integers) -> tuple[Floats, Floats]:
    """(V, S) failures and samples by value and label."""
    n_values, n_labels = int(codes.max()) + 1, int(sample.label.max()) + 1
    cells = codes * n_labels + sample.label
    size = n_values * n_labels
    totals = np.bincount(cells, minlength=size).reshape(n_values, n_labels)
    failures = np.bincount(cells[sample.failure], minlength=size).reshape(n_values, n_labels)
    return failures.astype(np.float64), totals.astype(np.float64)


def shown(count: int, total: int) -> str:
    """A share with its exact 95 % interval."""
    if total == 0:
        return "–"
    limits = binomtest(count, total).proportion_ci(method="exact")
    return f"{count / total:.1%} ({limits.low:.1%}–{limits.high:.1%})"


def table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
