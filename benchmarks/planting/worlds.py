"""Predictions drawn from a law that is known: no image, no network, the truth at hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import norm

from auditor import registry
from auditor.checks import Check
from auditor.config import SliceSection
from auditor.records import AuditData, Claim, Examination
from auditor.records.predictions import property_column
from auditor.selftest import Tables

PLANTED = "planted"
"""Name of the attribute that a gap is planted in; its value ``yes`` fares worse."""
_DRAWN = {"brightness": (0.5, 0.15), "contrast": (0.2, 0.05), "sharpness": (20.0, 8.0)}
"""Computed properties with their mean and deviation; they say nothing of anything."""


@dataclass(frozen=True)
class World:
    """A law that samples are drawn from.

    Attributes:
        n: how many.
        n_classes: equally frequent.
        base: error rate where nothing is planted.
        gap: what is added to it in the planted slice.
        share: of the samples that are in the planted slice.
        innocent: how many values each further attribute has; they say nothing of anything.
        computed: whether properties of images are there as well.
    """

    n: int = 1000
    n_classes: int = 4
    base: float = 0.1
    gap: float = 0.0
    share: float = 0.5
    innocent: tuple[int, ...] = (2, 3, 5)
    computed: bool = True

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the attributes."""
        return (PLANTED, *(f"innocent{k}" for k in range(len(self.innocent))))

    def tables(self, generator: np.random.Generator, checks: Mapping[str, Check]) -> Tables:
        """Draws samples, and cuts them as an audit does."""
        n, k = self.n, self.n_classes
        label = generator.integers(k, size=n)
        inside = generator.random(n) < self.share
        failure = generator.random(n) < self.base + self.gap * inside
        predicted = np.where(failure, (label + generator.integers(1, k, size=n)) % k, label)
        confidence = np.where(failure, generator.beta(4, 2, n), generator.beta(12, 1.5, n))
        confidence = np.maximum(confidence, 1 / k + 0.01)
        shares = np.repeat((1 - confidence)[:, None] / (k - 1), k, axis=1)
        shares[np.arange(n), predicted] = confidence
        names = [f"c{code}" for code in range(k)]
        usable = pd.DataFrame(
            {
                "sample": [f"s{row:06d}" for row in range(n)],
                "path": [f"{row}.png" for row in range(n)],
                "label": pd.Categorical.from_codes(label, pd.Index(names)),
                "predicted": pd.Categorical.from_codes(predicted, pd.Index(names)),
                "confidence": confidence,
                "loss": -np.log(np.maximum(shares[np.arange(n), label], 1e-9)),
                "failure": failure,
                PLANTED: np.where(inside, "yes", "no"),
            }
        )
        for place, values in enumerate(self.innocent):
            odds = generator.dirichlet(np.full(values, 4.0))
            usable[f"innocent{place}"] = generator.choice(values, n, p=odds).astype(str)
        drawn = _DRAWN if self.computed else {}
        for name, (mean, deviation) in drawn.items():
            usable[property_column(name)] = generator.normal(mean, deviation, n)
        return Tables.of(
            usable,
            names,
            self.attributes,
            checks,
            SliceSection(),
            computed=[property_column(name) for name in drawn],
            probabilities=shares.astype(np.float32),
            seed=int(generator.integers(2**31)),
        )

    def power(self, alpha: float) -> float:
        """Probability that a two-sided test of the planted slice against the rest sees the gap.

        Reference:
            J. L. Fleiss, B. Levin and M. C. Paik, "Statistical Methods for Rates and Proportions",
            3rd edition (2003), section 4.3.
        """
        own, rest = self.n * self.share, self.n * (1 - self.share)
        worse = self.base + self.gap
        pooled = self.base + self.gap * self.share
        null = np.sqrt(pooled * (1 - pooled) * (1 / own + 1 / rest))
        actual = np.sqrt(worse * (1 - worse) / own + self.base * (1 - self.base) / rest)
        return float(norm.cdf((self.gap - norm.isf(alpha / 2) * null) / actual))


def varied(generator: np.random.Generator, n: int = 1000) -> World:
    """A clean world: some number of classes, attributes and values, some error rate."""
    return World(
        n=n,
        n_classes=int(generator.choice([2, 4, 10])),
        base=float(generator.choice([0.05, 0.15, 0.3])),
        share=float(generator.choice([0.1, 0.3, 0.5])),
        innocent=tuple(int(k) for k in generator.integers(2, 9, size=generator.integers(1, 6))),
    )


@dataclass
class Recorder:
    """Runs checks as they are, and keeps what they claim."""

    checks: Mapping[str, Check]

    def __post_init__(self) -> None:
        """Nothing is kept yet."""
        self.claims: list[Claim] = []

    @contextmanager
    def recording(self, tables: Tables) -> Iterator[Tables]:
        """The same tables; what their checks claim is in ``claims`` afterwards."""
        self.claims = []
        wrapped = {name: _Recorded(check, self.claims) for name, check in self.checks.items()}
        yield replace(tables, checks=wrapped)


@dataclass(frozen=True)
class _Recorded:
    check: Check
    claims: list[Claim]

    def examine(self, audit: AuditData) -> Examination:
        """Examines, and keeps the claims."""
        found = self.check.examine(audit)
        self.claims.extend(found.claims)
        return found


def table_checks(only: Sequence[str] = ()) -> dict[str, Check]:
    """All checks with their defaults, or some of them; without a model some have nothing to say."""
    made = {name: plugin() for name, plugin in registry.all_of("check").items()}
    return {
        name: check
        for name, check in made.items()
        if isinstance(check, Check) and (not only or name in only)
    }
