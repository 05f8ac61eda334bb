"""Gatekeeping over whole audits: how often a gap is named, and how often nobody's is.

    python -m benchmarks.verdicts.multiplicity [--audits 300] [--seed 0]

Every audit asks whether a value fails more than the rest (first), then within each label, with all
other attributes held fixed, against the best value, and for pairs of values.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from auditor.statistics import (
    Floats,
    Gatekept,
    adjusted_gaps,
    compare_with_best,
    gatekeeping,
    proportion_gap,
    stratified_gap,
    worse_p_values,
)
from benchmarks.verdicts.simulated import (
    LIMIT,
    MIN_SUPPORT,
    Law,
    Sample,
    audits,
    counted,
    shown,
    table,
)

SHARES = (0.9, 0.04, 0.02, 0.02, 0.02)
"""First question; with others fixed; within labels; against the best; pairs of values."""
_PAIRED = 6
"""With more attributes than these, pairs are left out: they would take most of the time."""


@dataclass(frozen=True)
class Test:
    """One test of an audit."""

    p_value: float
    family: tuple[int, ...]
    level: int
    weight: float
    value: int
    gap: float


def asked(sample: Sample) -> list[Test]:
    """All tests of an audit."""
    adjusted = adjusted_gaps(
        sample.failure, np.ones(len(sample.label)), sample.attributes, sample.label
    )
    found: list[Test] = []
    for place, codes in enumerate(sample.attributes):
        failures, totals = counted(sample, codes)
        rest, rest_totals = failures.sum(0) - failures, totals.sum(0) - totals
        sizes = totals.sum(1)
        enough = (sizes >= MIN_SUPPORT) & (sizes.sum() - sizes >= MIN_SUPPORT)
        overall = stratified_gap(failures, totals, rest, rest_totals)
        held = adjusted[place]
        worse = np.where(held.gap.value > 0, held.p_value / 2, 1 - held.p_value / 2)
        weights = 1 - sizes / sizes.sum()
        for value in np.flatnonzero(enough).tolist():
            first, fixed = float(worse_p_values(overall)[value]), float(worse[value])
            weight = float(weights[value])
            found += [
                Test(first, (place,), 0, weight, value, float(overall.gap.value[value])),
                Test(fixed, (place,), 1, weight, value, float(held.gap.value[value])),
            ]
        within = proportion_gap(failures, totals, rest, rest_totals)
        tails = worse_p_values(within)
        for value, label in np.argwhere((totals >= MIN_SUPPORT) & (rest_totals >= MIN_SUPPORT)):
            gap = float(within.gap.value[value, label])
            found.append(Test(float(tails[value, label]), (place,), 2, 1.0, int(value), gap))
        best = compare_with_best(failures, totals, n_draws=2000)
        value = int(best.p_value.argmin())
        p_value, gap = float(best.p_value[value]), float(best.gap.value[value])
        found.append(Test(p_value, (place,), 3, 1.0, value, gap))
    if len(sample.attributes) <= _PAIRED:
        found += _pairs(sample)
    return found


def _pairs(sample: Sample) -> Iterator[Test]:
    """Pairs of values against all other samples."""
    for first, second in combinations(range(len(sample.attributes)), 2):
        n_second = int(sample.attributes[second].max()) + 1
        codes = sample.attributes[first] * n_second + sample.attributes[second]
        failures, totals = counted(sample, codes)
        gaps = stratified_gap(failures, totals, failures.sum(0) - failures, totals.sum(0) - totals)
        tails = worse_p_values(gaps)
        for pair in np.flatnonzero(totals.sum(1) >= MIN_SUPPORT).tolist():
            gap = float(gaps.gap.value[pair])
            yield Test(float(tails[pair]), (first, second), 4, 1.0, pair, gap)


def judged(tests: list[Test]) -> Gatekept:
    """Adjusts the p-values of one audit."""
    return gatekeeping(
        [one.p_value for one in tests],
        [one.family for one in tests],
        [one.level for one in tests],
        SHARES,
        [one.weight for one in tests],
    )


@dataclass
class Tally:
    """What was found in how many audits."""

    audits: int = 0
    rejected: int = 0
    reported: int = 0
    named: int = 0

    def add(self, tests: list[Test], p_values: Floats, planted: bool) -> None:
        """Counts one audit; with a planted attribute, its own tests are no false alarms."""
        self.audits += 1
        found = [one for one, p in zip(tests, p_values, strict=True) if p <= 0.05]
        innocent = [one for one in found if not (planted and 0 in one.family)]
        self.rejected += bool(innocent)
        self.reported += any(one.gap > LIMIT for one in innocent)
        self.named += planted and any(
            one.family == (0,) and one.value == 1 and one.gap > LIMIT for one in found
        )


def measured(law: Law, number: int, seed: int) -> Tally:
    """Judges audits that are drawn from one law."""
    tally = Tally()
    for sample in audits(law, number, seed):
        tests = asked(sample)
        tally.add(tests, judged(tests).p_value, law.gap is not None)
    return tally


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--audits", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rows: list[tuple[object, ...]] = []
    for share in (0.5, 0.3, 0.1):
        for gap in (0.05, 0.1, 0.15):
            law = Law(gap=gap, share=share)
            tally = measured(law, options.audits, options.seed + 1)
            rows.append(
                (
                    f"{gap * 100:.0f} points in {share:.0%}",
                    shown(tally.named, tally.audits),
                    shown(tally.rejected, tally.audits),
                    tally.audits,
                )
            )
    print("## A planted gap, three innocent attributes, 1,000 samples, error rate 10 %\n")
    print(table(("planted", "named", "any innocent rejected", "audits"), rows), flush=True)
    many = tuple(2 + k % 5 for k in range(40))
    laws = {
        "2 attributes": Law(n_values=(2, 4)),
        "5 attributes, error 30 %": Law(n_values=(2, 3, 4, 5, 8), error=0.3),
        "5 attributes, error 2 %, 2,000 samples": Law(n=2000, n_values=(2, 3, 4, 5, 8), error=0.02),
        "5 attributes, rare values": Law(n_values=(2, 3, 4, 5, 6), rarest=0.05),
        "5 correlated attributes": Law(n_values=(2, 3, 4, 5, 6), correlation=0.6),
        "5 attributes and a strong cause": Law(n_values=(2, 3, 4, 5), gap=0.3),
        "5 correlated attributes and a strong cause": Law(
            n_values=(2, 3, 4, 5), correlation=0.6, gap=0.3
        ),
        "40 attributes": Law(n=2000, n_values=many, error=0.15),
    }
    rows = []
    for name, law in laws.items():
        number = options.audits // 5 if len(law.n_values) > 10 else options.audits
        tally = measured(law, number, options.seed + 2)
        rows.append(
            (
                name,
                shown(tally.rejected, tally.audits),
                shown(tally.reported, tally.audits),
                tally.audits,
            )
        )
    print("\n## Audits that accuse an innocent attribute (target: at most 5 %)\n")
    print(table(("audits of", "rejected", "with a gap above 5 points", "audits"), rows))


if __name__ == "__main__":
    main()
