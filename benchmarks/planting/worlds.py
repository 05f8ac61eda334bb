"""Simulated predictions from a known distribution, without images or a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import cast

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
"""Name of the attribute with the planted gap; its value ``yes`` has the higher error rate."""
_DRAWN = {"brightness": (0.5, 0.15), "contrast": (0.2, 0.05), "sharpness": (20.0, 8.0)}
"""Computed properties with mean and standard deviation, independent of everything else."""


@dataclass(frozen=True)
class World:
    """A distribution of samples and predictions.

    Attributes:
        n: number of samples.
        n_classes: number of classes, equally frequent.
        base: error rate outside of the planted slice.
        gap: what is added to it in the planted slice.
        share: share of the samples in the planted slice.
        innocent: number of values of each further attribute, which are independent of everything else.
        computed: whether there are computed image properties as well.
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
        """Draws samples and divides them into slices as an audit does."""
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
        """Probability that a two-sided test of the planted slice against the rest detects the gap.

        Reference:
            J. L. Fleiss, B. Levin and M. C. Paik, "Statistical Methods for Rates and Proportions",
            3rd edition (2003), section 4.3.
        """
        own, rest = self.n * self.share, self.n * (1 - self.share)
        slice_rate = self.base + self.gap
        pooled = self.base + self.gap * self.share
        null = np.sqrt(pooled * (1 - pooled) * (1 / own + 1 / rest))
        actual = np.sqrt(slice_rate * (1 - slice_rate) / own + self.base * (1 - self.base) / rest)
        return float(norm.cdf((self.gap - norm.isf(alpha / 2) * null) / actual))


def varied(generator: np.random.Generator, n: int = 1000) -> World:
    """A world without a gap, with random numbers of classes, attributes and values."""
    return World(
        n=n,
        n_classes=int(generator.choice([2, 4, 10])),
        base=float(generator.choice([0.05, 0.15, 0.3])),
        share=float(generator.choice([0.1, 0.3, 0.5])),
        innocent=tuple(int(k) for k in generator.integers(2, 9, size=generator.integers(1, 6))),
    )


@dataclass
class Recorder:
    """Runs checks and records their claims."""

    checks: Mapping[str, Check]

    def __post_init__(self) -> None:
        """Starts without claims."""
        self.claims: list[Claim] = []

    @contextmanager
    def recording(self, tables: Tables) -> Iterator[Tables]:
        """Yields the same tables; the claims of their checks are in ``claims`` afterwards."""
        self.claims = []
        wrapped = {name: _recorded(check, self.claims) for name, check in self.checks.items()}
        yield replace(tables, checks=wrapped)


def _recorded(check: Check, claims: list[Claim]) -> Check:
    """The same check, which also appends its claims to a list."""

    def examine(_self: Check, audit: AuditData) -> Examination:
        examination = check.examine(audit)
        claims.extend(examination.claims)
        return examination

    # A subclass keeps the class variables that the judge reads, such as the fault labels.
    subclass = type(type(check).__name__, (type(check),), {"examine": examine})
    return cast("type[Check]", subclass).model_construct(**dict(check))


def table_checks(only: Sequence[str] = ()) -> dict[str, Check]:
    """All checks with their default options, or some of them; those that need a model are skipped."""
    made = {name: plugin() for name, plugin in registry.all_of("check").items()}
    return {
        name: check
        for name, check in made.items()
        if isinstance(check, Check) and (not only or name in only)
    }
