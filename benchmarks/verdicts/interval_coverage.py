"""Coverage of the intervals that a report prints, over sample sizes and rates.

    python -m benchmarks.verdicts.interval_coverage [--audits 200] [--seed 0] [--only rates gaps …]

Coverage of single rates is exact: a sum over the binomial distribution. All other intervals are
simulated, with exact 95 % intervals of the coverage. The default run takes about seven minutes on one
core.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, expit, logit
from scipy.stats import binom, binomtest

from auditor.statistics import (
    Floats,
    Integers,
    Intervals,
    adjusted_gaps,
    calibration,
    clustered_gap,
    clustered_wilson,
    compare_with_best,
    compare_with_reference,
    largest_difference,
    overconfidence,
    proportion,
    proportion_gap,
    smallest_ratio,
    stratified_gap,
    stratified_ratio,
)
from benchmarks.verdicts.simulated import shown, table

SIZES = (50, 200, 1_000, 5_000, 20_000)
RATES = (0.002, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99)
CORRELATIONS = (0.0, 0.1, 0.3, 0.5)
LOW, HIGH = 0.93, 0.97
"""Target of the coverage of 95 % intervals."""
_LABELS = 4
_SHARE = 0.3
"""Share of the samples in the slice."""
_ODDS = 0.7
"""Log odds ratio of slice and rest where they differ."""
_SHAPE = 0.5
"""First parameter of the beta distribution of stated error probabilities."""

Covered = Mapping[str, tuple[float, int]]
"""Intervals that cover the truth, and how many there are, by name; 0 intervals for an exact coverage."""


@dataclass(frozen=True)
class Cell:
    """One combination of sample size and rate.

    Attributes:
        n: number of samples.
        rate: error rate of the rest, or of all samples.
        audits: number of simulated audits.
        seed: of the simulation.
    """

    n: int
    rate: float
    audits: int
    seed: int

    @property
    def generator(self) -> np.random.Generator:
        """A generator of its own."""
        return np.random.default_rng([self.seed, self.n, round(1000 * self.rate)])

    @property
    def rates(self) -> tuple[float, float]:
        """Error rates of the rest and of a slice that is worse."""
        return self.rate, float(expit(logit(self.rate) + _ODDS))


def single_rates(cell: Cell) -> Covered:
    """Error rates, accuracy, recall, precision, shares of confusions, selection rates: exact."""
    counts = np.arange(cell.n + 1)
    found = proportion(counts, np.full(cell.n + 1, cell.n))
    covered = (found.low <= cell.rate) & (cell.rate <= found.high)
    return {
        "single rate (error, accuracy, recall, precision, selection, confusion)": (
            float(binom.pmf(counts, cell.n, cell.rate)[covered].sum()),
            0,
        )
    }


def gaps(cell: Cell) -> Covered:
    """Gaps and ratios of a slice and the rest, within labels and without."""
    generator, audits = cell.generator, 5 * cell.audits
    found: dict[str, tuple[float, int]] = {}
    for name, worse in (("equal rates", False), ("odds × 2", True)):
        rest_rate, own_rate = cell.rates[0], cell.rates[int(worse)]
        own, rest = (_by_label(generator, round(cell.n * part), audits) for part in (0.3, 0.7))
        failed, rest_failed = generator.binomial(own, own_rate), generator.binomial(rest, rest_rate)
        within = stratified_gap(failed, own, rest_failed, rest).gap
        found[f"gap within labels, {name}"] = _held(within, own_rate - rest_rate)
        one_label = proportion_gap(failed[:, 0], own[:, 0], rest_failed[:, 0], rest[:, 0])
        found[f"gap within one label, {name}"] = _held(one_label.gap, own_rate - rest_rate)
        ratios = stratified_ratio(failed, own, rest_failed, rest).ratio
        found[f"ratio within labels, {name}"] = _held(ratios, own_rate / rest_rate)
    return found


def adjusted(cell: Cell) -> Covered:
    """Gap of a slice with an associated attribute held fixed, which has an effect of its own."""
    generator, held = cell.generator, 0
    gap = cell.rates[1] - cell.rate
    other_rate = min(cell.rate + gap / 2, 1.0)
    cells = np.indices((_LABELS, 2, 2)).reshape(3, -1)
    label, inside, other = cells
    share = np.where(inside == 1, _SHARE, 1 - _SHARE)
    share *= np.where(other == inside, 0.7, 0.3) / _LABELS
    # The effects add up, as in the regression: a slice that is worse by the same in every cell.
    rate = np.where(other == 1, other_rate, cell.rate)
    rate = np.clip(rate + (gap / 2) * inside, 0, 1)
    for _ in range(cell.audits):
        totals = generator.multinomial(cell.n, share)
        failures = generator.binomial(totals, rate)
        one = adjusted_gaps(failures, totals, [inside, other], label)[0].gap[1]
        held += one.low <= gap / 2 <= one.high
    return {"gap with other attributes held fixed": (held, cell.audits)}


def values(cell: Cell) -> Covered:
    """Five values of one attribute: all intervals together, extremes."""
    generator, audits = cell.generator, max(cell.audits // 4, 1)
    better, worse = cell.rates
    rates = np.array([better, better, worse, worse, worse])
    shares = np.array([0.3, 0.1, 0.3, 0.2, 0.1])
    held = np.zeros(4, dtype=np.int64)
    for k in range(audits):
        totals = generator.multinomial(cell.n, np.repeat(shares / 2, 2)).reshape(5, 2)
        failures = generator.binomial(totals, rates[:, None])
        best = compare_with_best(failures, totals, n_draws=2000, seed=k)
        reference = compare_with_reference(failures, totals, 0, n_draws=2000, seed=k)
        for place, one in enumerate((best, reference)):
            compared = one.comparator >= 0
            truth = (rates - rates[one.comparator])[compared]
            low, high = one.gap.low[compared], one.gap.high[compared]
            held[place] += bool(np.all((low <= truth) & (truth <= high)))
        difference = largest_difference(failures, totals, n_draws=2000, seed=k).size
        held[2] += difference.low <= worse - better <= difference.high
        right = totals - failures
        ratio = smallest_ratio(right, totals, n_draws=2000, seed=k).size
        held[3] += ratio.low <= (1 - worse) / (1 - better) <= ratio.high
    names = (
        "each value against the best (simultaneous)",
        "each value against a reference (simultaneous)",
        "largest difference of values (simultaneous)",
        "smallest ratio of accuracies (simultaneous)",
    )
    return {name: (int(one), audits) for name, one in zip(names, held, strict=True)}


def confidences(cell: Cell) -> Covered:
    """Over-confidence and calibration error of a calibrated model, and of one that is too confident."""
    generator, audits = cell.generator, max(cell.audits // 5, 1)
    found: dict[str, tuple[float, int]] = {}
    for name, odds in (("calibrated", 0.0), ("over-confident", _ODDS)):
        over = error = 0
        for k in range(audits):
            stated = generator.beta(_SHAPE, _SHAPE * (1 - cell.rate) / cell.rate, cell.n)
            stated = np.clip(stated, 1e-12, 1 - 1e-12)
            rates = expit(logit(stated) + odds)
            right = generator.random(cell.n) >= rates
            truth = max(0.0, float((rates - stated).mean()))  # rounding can make it negative
            one = overconfidence(1 - stated, right).difference
            over += one.low <= truth <= one.high
            # Errors are likelier than stated everywhere, so that binning takes nothing away.
            both = calibration(1 - stated, right, n_draws=100, seed=k).error
            error += both.low <= truth <= both.high
        found[f"over-confidence, {name}"] = (over, audits)
        found[f"calibration error, {name}"] = (error, audits)
    return found


def clusters(cell: Cell) -> Covered:
    """Rates and gaps of clustered samples; the slice consists of whole clusters."""
    generator, audits = cell.generator, max(cell.audits // 4, 1)
    size = 5 if cell.n < 200 else 10 if cell.n < 1000 else 20
    cluster = np.repeat(np.arange(cell.n // size), size)
    found: dict[str, tuple[float, int]] = {}
    for correlation in CORRELATIONS:
        rate = gap = tested = 0
        for _ in range(audits):
            failed, inside = _clustered(cell, correlation, cluster, generator)
            one = clustered_wilson(failed, [np.arange(cell.n)], cluster)[0]
            rate += one.low <= cell.rate <= one.high
            label = np.zeros(cell.n, dtype=np.int64)
            other = clustered_gap(failed, [np.flatnonzero(inside)], label, cluster, max_draws=0)
            known = bool(np.isfinite(other.p_value[0]))
            tested += known
            gap += known and bool(other.gap.low[0] <= 0 <= other.gap.high[0])
        found[f"clustered rate, correlation {correlation:g}"] = (rate, audits)
        found[f"clustered gap, correlation {correlation:g}"] = (gap, tested)
    return found


def _clustered(
    cell: Cell, correlation: float, cluster: Integers, generator: np.random.Generator
) -> tuple[Floats, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Failures whose risk is beta-distributed over clusters, and a slice of whole clusters."""
    n_clusters = int(cluster.max()) + 1
    risk = np.full(n_clusters, cell.rate)
    if correlation > 0:
        scale = 1 / correlation - 1
        drawn = generator.random(n_clusters)
        risk = betaincinv(cell.rate * scale, (1 - cell.rate) * scale, drawn)
    failed = (generator.random(len(cluster)) < risk[cluster]).astype(np.float64)
    return failed, (generator.permutation(n_clusters) < 0.4 * n_clusters)[cluster]


def _by_label(generator: np.random.Generator, n: int, audits: int) -> Integers:
    """(audits, 4) samples by label."""
    return generator.multinomial(n, np.full(_LABELS, 1 / _LABELS), audits).astype(np.int64)


def _held(intervals: Intervals, truth: float) -> tuple[float, int]:
    """How many intervals cover the truth, of those that are known."""
    known = np.isfinite(intervals.value)
    covered = (intervals.low <= truth) & (truth <= intervals.high)
    return int(covered[known].sum()), int(known.sum())


PARTS: dict[str, Callable[[Cell], Covered]] = {
    "rates": single_rates,
    "gaps": gaps,
    "adjusted": adjusted,
    "values": values,
    "confidences": confidences,
    "clusters": clusters,
}


def measured(part: Callable[[Cell], Covered], audits: int, seed: int) -> Iterator[tuple[str, ...]]:
    """One row for each kind of interval: over all cells, the lowest, and how many miss the target."""
    cells = [Cell(n, rate, audits, seed) for n in SIZES for rate in RATES]
    by_name: dict[str, list[tuple[Cell, float, int]]] = {}
    for cell in cells:
        for name, (covered, total) in part(cell).items():
            by_name.setdefault(name, []).append((cell, covered, total))
    for name, found in by_name.items():
        known = [one for one in found if one[2] or part is single_rates]
        lowest = min(known, key=_coverage)
        low = [one for one in known if _limits(one)[1] < LOW]
        high = [one for one in known if _limits(one)[0] > HIGH]
        total = sum(one[2] for one in known)
        every = shown(int(sum(one[1] for one in known)), total) if total else "–"
        cell = lowest[0]
        worst = f"{_shown(lowest)} at n = {cell.n:,}, {cell.rate:.1%}"
        yield name, every, worst, f"{len(low)}", f"{len(high)}", f"{len(known)}"


def _coverage(found: tuple[Cell, float, int]) -> float:
    return found[1] / max(found[2], 1)


def _limits(found: tuple[Cell, float, int]) -> tuple[float, float]:
    """Limits of the coverage: equal if it is exact."""
    if not found[2]:
        return found[1], found[1]
    limits = binomtest(int(found[1]), found[2]).proportion_ci(method="exact")
    return float(limits.low), float(limits.high)


def _shown(found: tuple[Cell, float, int]) -> str:
    return shown(int(found[1]), found[2]) if found[2] else f"{found[1]:.1%}"


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--audits", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    options = parser.parse_args()
    head = ("95 % interval", "coverage", "lowest", "cells < 93 %", "cells > 97 %", "cells")
    for name in options.only:
        part = PARTS[name]
        rows = list(measured(part, options.audits, options.seed))
        print(f"\n## {name}\n\n{table(head, rows)}", flush=True)


if __name__ == "__main__":
    main()
