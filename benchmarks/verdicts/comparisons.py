"""Values against each other: who is named, who is accused falsely, and limits on ratios.

python -m benchmarks.verdicts.comparisons [--audits 300] [--seed 0]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from auditor.statistics import (
    Floats,
    after_omnibus,
    compare_with_best,
    conditional_dependence,
    largest_difference,
    proportion_gap,
    smallest_ratio,
    stratified_gap,
    stratified_ratio,
    worse_p_values,
)
from benchmarks.verdicts.simulated import LIMIT, MIN_SUPPORT, shown, table

_LABELS = 4
_DRAWS = 4000


def counts(
    sizes: Sequence[int], rates: Floats, generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(V, 4) failures and samples; labels are equally frequent."""
    totals = np.stack([generator.multinomial(n, np.full(_LABELS, 1 / _LABELS)) for n in sizes])
    return generator.binomial(totals, rates[:, None]), totals


def named(audits: int, seed: int) -> str:
    """How often values that are 10 points worse than the best are named."""
    cases = {
        "5 values, one better": ([1000] * 5, [0.1, 0.2, 0.2, 0.2, 0.2]),
        "5 sites at 5 and 23 %": ([1000] * 5, [0.05, 0.23, 0.23, 0.23, 0.23]),
        "10 values, one better": ([500] * 10, [0.1] + [0.2] * 9),
        "10 values, one worse": ([500] * 10, [0.1] * 9 + [0.2]),
        "10 values, one better, error 5 %": ([500] * 10, [0.05] + [0.15] * 9),
        "8 values of 1,500 to 100 samples": (
            [1500, 1000, 800, 600, 500, 300, 200, 100],
            [0.1] + [0.2] * 7,
        ),
    }
    rows: list[tuple[str, ...]] = []
    for name, (sizes, given) in cases.items():
        generator = np.random.default_rng([seed, len(rows)])
        rates = np.array(given)
        worse = rates - rates.min() >= 0.0999
        found, any_found, accused, against_rest = 0, 0, 0, 0
        for k in range(audits):
            failures, totals = counts(sizes, rates, generator)
            ours = compare_with_best(failures, totals, n_draws=_DRAWS, seed=k)
            hit = (ours.p_value <= 0.05) & (ours.gap.value > LIMIT)
            found += int(hit[worse].sum())
            any_found += bool(hit[worse].any())
            accused += bool((ours.p_value <= 0.05)[~worse].any())
            rest = stratified_gap(
                failures, totals, failures.sum(0) - failures, totals.sum(0) - totals
            )
            alone = (rest.p_value <= 0.05 / len(sizes)) & (rest.gap.value > LIMIT)
            against_rest += int(alone[worse].sum())
        n_worse = audits * int(worse.sum())
        rows.append(
            (
                name,
                shown(found, n_worse),
                shown(any_found, audits),
                shown(against_rest, n_worse),
                shown(accused, audits),
            )
        )
    head = ("5,000 samples", "each worse value", "any", "against the rest", "best one accused")
    return table(head, rows)


def innocent(audits: int, seed: int) -> str:
    """How often equal values are accused, and whether the intervals of extremes hold."""
    cases = {
        "5 values of 200, error 10 %": ([200] * 5, 0.1),
        "10 values of 100, error 5 %": ([100] * 10, 0.05),
        "40 values of 50, error 20 %": ([50] * 40, 0.2),
        "4 values of 1,000 to 50, error 1 %": ([1000, 300, 100, 50], 0.01),
        "20 values, 19 of them of 25": ([2000, *([25] * 19)], 0.08),
        "2 values, 950 and 50, error 10 %": ([950, 50], 0.1),
    }
    rows: list[tuple[str, ...]] = []
    for name, (sizes, rate) in cases.items():
        generator = np.random.default_rng([seed, 1, len(rows)])
        rates = np.full(len(sizes), rate)
        accused, difference, ratio = 0, 0, 0
        for k in range(audits):
            failures, totals = counts(sizes, rates, generator)
            accused += bool(
                compare_with_best(failures, totals, n_draws=2000, seed=k).p_value.min() <= 0.05
            )
            difference += largest_difference(failures, totals, n_draws=2000, seed=k).size.low == 0
            right = totals - failures
            ratio += smallest_ratio(right, totals, n_draws=2000, seed=k).size.high >= 1
        rows.append((name, shown(accused, audits), shown(difference, audits), shown(ratio, audits)))
    return table(
        ("equal values", "any accused", "difference held", "ratio held"),
        rows,
    )


def omnibus(audits: int, seed: int) -> str:
    """Whom the p-value of an omnibus test accuses: one common value is worse, one is rare."""
    generator = np.random.default_rng([seed, 2])
    sizes, rates = [4000, 4000, 1900, 100], np.array([0.14, 0.1, 0.1, 0.1])
    printed = closed = true = 0
    for _ in range(audits):
        failures, totals = counts(sizes, rates, generator)
        tables = np.stack([failures.T, (totals - failures).T], axis=-1)
        overall = conditional_dependence(tables, 199, int(generator.integers(2**31))).p_value
        gaps = stratified_gap(failures, totals, failures.sum(0) - failures, totals.sum(0) - totals)
        adjusted = after_omnibus(overall, worse_p_values(gaps))
        # Printed on the value with the largest gap within any label, as a fairness metric is.
        within = proportion_gap(
            failures, totals, failures.sum(0) - failures, totals.sum(0) - totals
        ).gap.value
        within[totals < MIN_SUPPORT] = -1
        printed += overall <= 0.05 and within.max(1).argmax() > 0
        closed += bool((adjusted[1:] <= 0.05).any())
        true += bool(adjusted[0] <= 0.05)
    rows = [
        (
            "omnibus p-value on the largest gap within a label: an innocent one",
            shown(printed, audits),
        ),
        ("values one by one after it: an innocent one", shown(closed, audits)),
        ("values one by one after it: the worse one", shown(true, audits)),
    ]
    return table(
        ("10,000 samples, a common value 4 points worse, a rare one innocent", "audits"), rows
    )


def relative(audits: int, seed: int) -> str:
    """Limits on ratios where failures are rare."""
    cases = {
        "1 % and 5.5 %, 2,000 and 500": ([2000, 500], 0.01, 5.5),
        "1 % and 5.5 %, 500 and 200": ([500, 200], 0.01, 5.5),
        "1 % and 2 %, exactly at the limit": ([2000, 500], 0.01, 2.0),
        "0.2 % and 0.4 %, exactly at the limit": ([2000, 500], 0.002, 2.0),
        "10 % and 20 %, exactly at the limit": ([800, 200], 0.1, 2.0),
    }
    rows: list[tuple[str, ...]] = []
    for name, (sizes, base, times) in cases.items():
        generator = np.random.default_rng([seed, 3, len(rows)])
        rest_totals, totals = (np.full(_LABELS, n // _LABELS) for n in sizes)
        failures = generator.binomial(totals, base * times, (20 * audits, _LABELS))
        rest = generator.binomial(rest_totals, base, (20 * audits, _LABELS))
        ours = stratified_ratio(failures, totals, rest, rest_totals, limit=2.0)
        found = int((ours.p_value <= 0.05).sum())
        held = int(((ours.ratio.low <= times) & (times <= ours.ratio.high)).sum())
        gap = int((stratified_gap(failures, totals, rest, rest_totals).gap.value > LIMIT).sum())
        n = len(failures)
        rows.append((name, shown(found, n), shown(held, n), shown(gap, n)))
    return table(
        ("rates and sizes", "ratio above 2 found", "interval holds", "gap above 5 points"), rows
    )


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--audits", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for title, part in (
        ("Values 10 points or more worse than the best", named),
        ("Equal values", innocent),
        ("After an omnibus test", omnibus),
        ("Limits on ratios", relative),
    ):
        print(f"\n## {title}\n\n{part(options.audits, options.seed)}", flush=True)


if __name__ == "__main__":
    main()
