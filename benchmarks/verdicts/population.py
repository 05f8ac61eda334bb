"""Error rate in the target population: coverage of its interval.

    python -m benchmarks.verdicts.population [--audits 400] [--seed 0] [--only weights shares clusters]

Samples are drawn from a population with two attributes, sex and age, but with other shares, and the
error rate differs between the values. The target is the error rate of the population. Beside it: the
coverage of Wilson's interval of the raw error rate, and of the weighted error rate with the usual
linearised variance and the normal approximation. The default run takes about three minutes on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from auditor.statistics import Floats, Integers, raked_weights, weighted_share, wilson
from benchmarks.verdicts.simulated import shown, table

SIZES = (50, 200, 1_000, 20_000)
RATES = (0.01, 0.05, 0.2, 0.5, 0.9)
SEX = np.array([0.5, 0.5])
AGE = np.array([0.2, 0.4, 0.3, 0.1])
SAMPLED_SEX = np.array([0.25, 0.75])
SAMPLED_AGE = np.array([0.4, 0.35, 0.15, 0.1])
RATIO_SEX = np.array([1.6, 1.0])
RATIO_AGE = np.array([1.0, 1.0, 1.5, 2.5])
"""Odds of an error, relative to those of the best value."""


@dataclass(frozen=True)
class World:
    """Error rates (2, 4) by sex and age whose mean in the population is given."""

    rates: Floats

    @classmethod
    def of(cls, mean: float) -> World:
        """Finds the odds of the best cell by bisection."""
        low, high = 1e-6, 1e6
        for _ in range(200):
            odds = float(np.sqrt(low * high)) * np.outer(RATIO_SEX, RATIO_AGE)
            rates = odds / (1 + odds)
            low, high = (
                (float(np.sqrt(low * high)), high)
                if float(SEX @ rates @ AGE) < mean
                else (low, float(np.sqrt(low * high)))
            )
        return cls(rates)

    def sample(
        self, n: int, size: int, correlation: float, generator: np.random.Generator
    ) -> tuple[Integers, Integers, Integers, Floats]:
        """Sex, age, cluster and failure of n samples in clusters of a mean size.

        A cluster has one sex. With probability `correlation`, two samples of one cluster and of one
        cell share their fate.
        """
        n_clusters = -(-n // size)
        uneven = generator.dirichlet(np.full(n_clusters, 2.0)) if size > 1 else None
        cluster = (
            np.arange(n) if uneven is None else generator.choice(n_clusters, n, p=uneven)
        ).astype(np.int64)
        sex = generator.choice(2, n_clusters, p=SAMPLED_SEX)[cluster].astype(np.int64)
        age = generator.choice(4, n, p=SAMPLED_AGE).astype(np.int64)
        common = generator.random(n_clusters)[cluster]
        shared = generator.random(n) < np.sqrt(correlation)
        draw = np.where(shared, common, generator.random(n))
        return sex, age, cluster, (draw < self.rates[sex, age]).astype(np.float64)


def weights(audits: int, seed: int) -> str:
    """Weights from the data, the inverse of the probability of being sampled."""
    return _coverage(audits, seed, fitted=False, designs=((1, 0.0),))


def shares(audits: int, seed: int) -> str:
    """Shares of two attributes, raked."""
    return _coverage(audits, seed, fitted=True, designs=((1, 0.0),))


def clusters(audits: int, seed: int) -> str:
    """Weights from the data, and clusters of ten samples on average, of different sizes."""
    return _coverage(audits, seed, fitted=False, designs=((10, 0.1), (10, 0.3), (10, 0.5)))


def raked_clusters(audits: int, seed: int) -> str:
    """Shares of two attributes, raked, and the same clusters."""
    return _coverage(audits, seed, fitted=True, designs=((10, 0.1), (10, 0.3), (10, 0.5)))


def _coverage(
    audits: int, seed: int, *, fitted: bool, designs: tuple[tuple[int, float], ...]
) -> str:
    rows = []
    for size, correlation in designs:
        for n in SIZES:
            for rate in RATES:
                world = World.of(rate)
                generator = np.random.default_rng([seed, n, round(100 * rate), size])
                hits = np.array(
                    [
                        one
                        for one in (
                            _audit(world, (n, size, correlation), generator, fitted=fitted)
                            for _ in range(audits)
                        )
                        if one is not None
                    ]
                )
                found = hits[:, :3].sum(axis=0).astype(int)
                width = f"{np.median(hits[:, 3]):.3f}"
                counts = (shown(int(one), len(hits)) for one in found)
                rows.append((correlation, n, f"{rate:.0%}", *counts, width))
    head = ("correlation", "samples", "error rate", "covered", "linearised", "raw", "median width")
    return table(head, rows)


def _audit(
    world: World,
    design: tuple[int, int, float],
    generator: np.random.Generator,
    *,
    fitted: bool,
) -> tuple[float, float, float, float] | None:
    """Whether each interval covers the truth, and the width of ours; None if a value has no sample."""
    n, size, correlation = design
    sex, age, cluster, failure = world.sample(n, size, correlation, generator)
    weight: Floats | None = (SEX / SAMPLED_SEX)[sex] * (AGE / SAMPLED_AGE)[age]
    margins = np.stack([sex, age]) if fitted else None
    if margins is not None:
        weight = raked_weights(margins, (SEX, AGE))
    if weight is None:
        return None
    truth = float(SEX @ world.rates @ AGE)
    groups = None if size == 1 else cluster
    found = weighted_share(failure, weight, groups, margins).share
    raw = wilson(failure.sum(), n)[()]
    share = weight @ failure / weight.sum()
    sums = np.bincount(cluster, weight * (failure - share)) / weight.sum()
    spread = 1.96 * float(np.sqrt((sums**2).sum()))
    return (
        found.low <= truth <= found.high,
        abs(share - truth) <= spread,
        raw.low <= truth <= raw.high,
        found.high - found.low,
    )


PARTS: dict[str, Callable[[int, int], str]] = {
    "weights": weights,
    "shares": shares,
    "clusters": clusters,
    "raked-clusters": raked_clusters,
}


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--audits", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    options = parser.parse_args()
    for name in options.only:
        part = PARTS[name]
        print(f"## {part.__doc__}\n\n{part(options.audits, options.seed)}\n", flush=True)


if __name__ == "__main__":
    main()
