"""How often the 95 % intervals of metrics cover the true value, with and without clusters.

    python -m benchmarks.verdicts.metric_coverage [--audits 100] [--seed 2027]
        [--only intervals differences] [--cells]

Tables in Markdown. Each entry of the first is the coverage over all rates of a metric with the half
width of its Monte-Carlo 95 % interval, and the smallest and largest coverage at one rate in brackets.
The second lists the cells (metric, n, rate, design) whose own Monte-Carlo interval (Clopper-Pearson)
lies outside 93-97 %. Samples with undefined metrics are left out. n = 20,000 is repeated a quarter as
often. With 100 simulated audits it takes about five minutes on one core.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from auditor.statistics import Integers
from auditor.statistics.metrics import difference, interval, measure
from benchmarks.verdicts.metric_worlds import SETTINGS, Setting, Sizes, clusters

_SIZES = (50, 200, 1_000, 20_000)
_LOW, _HIGH = 0.93, 0.97
_LEAST_DEFINED = 20
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Design:
    """How similar the samples of a cluster are, and how large clusters are."""

    correlation: float
    sizes: Sizes = "even"

    @property
    def name(self) -> str:
        """In the head of a table."""
        if not self.correlation:
            return "independent"
        return f"{self.correlation:g}{' uneven' if self.sizes == 'uneven' else ''}"


_DESIGNS = (
    Design(0.0),
    *(Design(one, sizes) for sizes in ("even", "uneven") for one in (0.1, 0.3, 0.5)),
)


@dataclass
class Cell:
    """Counts of one metric at one rate, number of samples and design."""

    name: str
    n: int
    rate: float
    design: Design
    drawn: int = 0
    below: int = 0
    above: int = 0
    naive: int = 0

    @property
    def covered(self) -> int:
        """How many intervals contain the true value."""
        return self.drawn - self.below - self.above

    @property
    def coverage(self) -> float:
        """Share of the intervals that contain the true value."""
        return self.covered / self.drawn

    @property
    def limits(self) -> tuple[float, float]:
        """Monte-Carlo interval of the coverage."""
        found = binomtest(self.covered, self.drawn).proportion_ci(method="exact")
        return float(found.low), float(found.high)


def main() -> None:
    """Runs the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--audits", type=int, default=100)
    parser.add_argument("--seed", type=int, default=2027)
    parts = ("intervals", "differences")
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--cells", action="store_true", help="print every cell too")
    options = parser.parse_args()
    start = time.perf_counter()
    if "intervals" in options.only:
        cells = [
            _simulated(name, n, rate, design, options.audits, options.seed)
            for name, setting in SETTINGS.items()
            for n in _SIZES
            if setting.effort == 1 or n < max(_SIZES)
            for rate in setting.rates
            for design in _DESIGNS
        ]
        known = [cell for cell in cells if cell.drawn >= _LEAST_DEFINED]
        print(f"## Intervals\n\n{_summary(known)}\n\n{_outside(known)}\n")
        if options.cells:
            print(_every(known))
    if "differences" in options.only:
        print(f"## Differences\n\n{_differences(options.audits, options.seed)}\n")
    print(f"({time.perf_counter() - start:.0f} s)")


def _simulated(name: str, n: int, rate: float, design: Design, repetitions: int, seed: int) -> Cell:
    setting = SETTINGS[name]
    world, truth = setting.world(rate)
    cell = Cell(name, n, rate, design)
    key = (seed, list(SETTINGS).index(name), setting.rates.index(rate))
    for generator in _generators(setting, n, design, repetitions, key):
        cluster = clusters(generator, n, design.sizes)
        cases = world.draw(generator, cluster, design.correlation)
        found = measure(setting.metric, cases, np.arange(n))
        if not found.defined:
            continue
        one = interval(found, cluster if design.correlation else None)
        cell.drawn += 1
        cell.below += one.high < truth - _ROUNDING
        cell.above += one.low > truth + _ROUNDING
        if design.correlation:
            one = interval(found, None)
        cell.naive += one.low <= truth + _ROUNDING and one.high >= truth - _ROUNDING
    return cell


def _generators(
    setting: Setting, n: int, design: Design, repetitions: int, key: tuple[int, ...]
) -> Iterator[np.random.Generator]:
    number = max(1, int(repetitions * setting.effort * (0.25 if n == max(_SIZES) else 1)))
    uneven = int(design.sizes == "uneven")
    for k in range(number):
        yield np.random.default_rng([*key, n, round(10 * design.correlation), uneven, k])


def _summary(cells: Sequence[Cell]) -> str:
    head = ("metric", "n", *(one.name for one in _DESIGNS), "naive, 0.3", "naive, 0.5 uneven")
    rows = []
    for name in SETTINGS:
        for n in _SIZES:
            own = [cell for cell in cells if (cell.name, cell.n) == (name, n)]
            if not own:
                continue
            entries = [_entry([cell for cell in own if cell.design == one]) for one in _DESIGNS]
            naive = []
            for design in (Design(0.3), Design(0.5, "uneven")):
                of_design = [cell for cell in own if cell.design == design]
                drawn = sum(cell.drawn for cell in of_design)
                share = sum(cell.naive for cell in of_design) / max(drawn, 1)
                naive.append(f"{100 * share:.1f}" if drawn else "–")
            rows.append((name, f"{n:,}", *entries, *naive))
    return _table(head, rows)


def _entry(cells: Sequence[Cell]) -> str:
    if not cells:
        return "–"
    drawn, covered = sum(one.drawn for one in cells), sum(one.covered for one in cells)
    limits = binomtest(covered, drawn).proportion_ci(method="exact")
    half = (limits.high - limits.low) / 2
    each = [100 * one.coverage for one in cells]
    return f"{100 * covered / drawn:.1f} ± {100 * half:.1f} ({min(each):.0f}–{max(each):.0f})"


def _outside(cells: Sequence[Cell]) -> str:
    low = sorted((one for one in cells if one.limits[1] < _LOW), key=lambda one: one.coverage)
    high = [one for one in cells if one.limits[0] > _HIGH]
    near = sum(_LOW <= one.coverage <= _HIGH for one in cells)
    lines = [
        (
            f"{len(cells)} cells: {near} at 93–97 %; {len(low)} certainly below, {len(high)} certainly "
            f"above; the others can't be told from 93–97 %."
        ),
        "",
        _every(low),
        "",
        _table(
            ("certainly above 97 %", *(f"n = {n:,}" for n in _SIZES)),
            [
                (name, *(sum((one.name, one.n) == (name, n) for one in high) for n in _SIZES))
                for name in SETTINGS
                if any(one.name == name for one in high)
            ],
        ),
    ]
    return "\n".join(lines)


def _every(cells: Sequence[Cell]) -> str:
    head = ("metric", "n", "rate", "clusters", "coverage", "too high", "too low", "naive", "drawn")
    rows = []
    for one in cells:
        low, high = one.limits
        rows.append(
            (
                one.name,
                f"{one.n:,}",
                f"{one.rate:g}",
                one.design.name,
                f"{100 * one.coverage:.1f} ({100 * low:.1f}–{100 * high:.1f})",
                f"{100 * one.above / one.drawn:.1f}",
                f"{100 * one.below / one.drawn:.1f}",
                f"{100 * one.naive / one.drawn:.1f}",
                one.drawn,
            )
        )
    return _table(head, rows)


def _differences(repetitions: int, seed: int) -> str:
    """Coverage of 0 by the difference between 30 % of the samples and the rest."""
    designs = ((0.0, "even", False), (0.3, "even", False), (0.3, "uneven", True))
    head = "independent", "clusters span both sides", "clusters on one side, uneven"
    rows = []
    for name, setting in SETTINGS.items():
        if setting.effort < 0.25:
            continue
        world, _ = setting.world(setting.rates[-2])
        for n in (200, 1_000):
            entries = []
            for correlation, sizes, whole in designs:
                design = Design(correlation, "uneven" if sizes == "uneven" else "even")
                covered = drawn = 0
                key = (seed + 1, list(SETTINGS).index(name))
                for generator in _generators(setting, n, design, repetitions, key):
                    cluster = clusters(generator, n, design.sizes)
                    cases = world.draw(generator, cluster, correlation)
                    side = _side(generator, cluster, whole=whole)
                    one, other = (
                        measure(setting.metric, cases, np.flatnonzero(rows))
                        for rows in (side, ~side)
                    )
                    if one.defined and other.defined:
                        found = difference(one, other, cluster if correlation else None)
                        drawn += 1
                        covered += found.low <= _ROUNDING and found.high >= -_ROUNDING
                entries.append(_share(covered, drawn))
            rows.append((name, f"{setting.rates[-2]:g}", f"{n:,}", *entries))
    return _table(("metric", "rate", "n", *head), rows)


def _side(
    generator: np.random.Generator, cluster: Integers, *, whole: bool
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    if not whole:
        return generator.random(len(cluster)) < 0.3
    return (generator.random(int(cluster.max()) + 1) < 0.3)[cluster]


def _share(count: int, total: int) -> str:
    if not total:
        return "–"
    limits = binomtest(int(count), int(total)).proportion_ci(method="exact")
    return f"{100 * count / total:.1f} ({100 * limits.low:.1f}–{100 * limits.high:.1f})"


def _table(head: Sequence[str], rows: Sequence[tuple[object, ...]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    main()
