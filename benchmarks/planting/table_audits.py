"""Audits of drawn predictions: detection, false alarms, p-values, intervals, time."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.stats import kstest

from auditor.records import Claim, Estimate
from auditor.selftest import accusations, exact
from benchmarks.planting.peers import below_threshold
from benchmarks.planting.worlds import PLANTED, Recorder, World, table_checks, varied

_TRUTH = 200_000
"""Samples from which the true size of an effect is taken."""
_MEASURED = ("performance-gap", "calibration-gap", "confusion-pairs", "prediction-dependence")
"""Checks whose effects have a truth to be held."""


def detection(gaps: Sequence[float], shares: Sequence[float], audits: int, seed: int) -> str:
    """How often a planted gap is found and named, beside the power of a single test.

    The last power is that of the test at the level that the correction leaves to the planted slice.
    """
    checks = table_checks()
    rows = []
    for share in shares:
        for gap in gaps:
            world = World(gap=gap, share=share)
            level = _level(world, seed)
            named = first = accused = 0
            for k in range(audits):
                generator = np.random.default_rng([seed, k, round(share * 100), round(gap * 100)])
                tables = world.tables(generator, checks)
                found = list(accusations(tables.judgement(tables.outcomes).findings))
                named += any(dict(one.attributes) == {PLANTED: "yes"} for one in found)
                first += any(one.first and PLANTED in one.attributes for one in found)
                inside = tables.member(PLANTED, "yes")
                accused += below_threshold(tables.outcomes.predicted != tables.label, inside)
            rows.append(
                (
                    f"{share:.0%}",
                    f"{gap * 100:.0f} points",
                    shown(exact(named, audits)),
                    shown(exact(first, audits)),
                    f"{world.power(0.05):.0%}",
                    f"{world.power(level):.0%}",
                    shown(exact(accused, audits)),
                    audits,
                )
            )
    head = (
        "planted slice",
        "gap",
        "found and named",
        "named first",
        "power at 5 %",
        "power at the audit's level",
        "plain threshold",
        "audits",
    )
    return table(head, rows)


def _level(world: World, seed: int) -> float:
    """The level that the error rate of the planted slice is held to in one audit."""
    generator = np.random.default_rng([seed, 4])
    tables = world.tables(generator, table_checks())
    levels = [
        one.level
        for one in tables.judgement(tables.outcomes).slices
        if one.attributes == {PLANTED: "yes"} and one.label is None and one.level is not None
    ]
    return float(max(levels))


def clean(audits: int, seed: int) -> str:
    """False alarms of clean models with random attributes, and whether p-values are uniform."""
    recorder = Recorder(table_checks())
    accusers: Counter[str] = Counter()
    p_values: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    accused = plain = 0
    for k in range(audits):
        generator = np.random.default_rng([seed, k, 1])
        world = varied(generator)
        with recorder.recording(world.tables(generator, recorder.checks)) as tables:
            found = list(accusations(tables.judgement(tables.outcomes).findings))
        accused += bool(found)
        failure = tables.outcomes.predicted != tables.label
        plain += any(
            below_threshold(failure, tables.member(name, value))
            for name in tables.cut.attributes
            for value in tables.testable(name)
        )
        accusers.update({one.check for one in found})
        for key, p_value in _one_each(recorder.claims):
            p_values[key].append(p_value)
    rate = exact(accused, audits)
    said = ", ".join(f"{name} in {count}" for name, count in accusers.most_common()) or "none"
    rows = []
    for (check, level), values in sorted(p_values.items()):
        sorted_values = np.array(values)
        rows.append(
            (
                check,
                level,
                len(values),
                f"{kstest(sorted_values, 'uniform').pvalue:.2g}",
                # Small p-values more often than under uniformity is what accuses falsely.
                f"{kstest(sorted_values, 'uniform', alternative='greater').pvalue:.2g}",
                shown(exact(int((sorted_values <= 0.05).sum()), len(values))),
            )
        )
    head = ("check", "claim", "audits", "KS p", "KS p, too small only", "p at most 5 %")
    return (
        f"Audits with any supported or confirmed accusation: {accused} of {audits}, {shown(rate)} "
        f"(target: at most 5 %, upper bound under 8 %). Checks that accused: {said}.\n\n"
        f"A plain threshold (accuracy 5 points below that of all samples) accuses in {plain} of "
        f"{audits}, {shown(exact(plain, audits))}.\n\n"
        "p-values of one claim an audit:\n\n" + table(head, rows)
    )


def coverage(audits: int, seed: int, gap: float = 0.1) -> str:
    """How often the intervals of effects hold what a very large sample says."""
    recorder = Recorder(table_checks(_MEASURED))
    world = World(gap=gap, share=0.3, innocent=(3,), computed=False)

    def effects(drawn: World, number: int) -> dict[tuple[str, str, str], Estimate]:
        generator = np.random.default_rng([seed, number, 2])
        with recorder.recording(drawn.tables(generator, recorder.checks)) as tables:
            tables.judgement(tables.outcomes)
        return {
            (one.check, one.effect.name, str(one.slice)): one.effect
            for one in recorder.claims
            if one.effect is not None
        }

    truth = effects(World(**{**vars(world), "n": _TRUTH}), audits)
    hits: defaultdict[tuple[str, str], list[bool]] = defaultdict(list)
    for k in range(audits):
        for (check, name, key), effect in effects(world, k).items():
            right = truth.get((check, name, key))
            if right is not None:
                hits[check, name].append(effect.low <= right.value <= effect.high)
    rows = [
        (check, name, len(held), shown(exact(sum(held), len(held))))
        for (check, name), held in sorted(hits.items())
    ]
    return table(("check", "effect", "intervals", "hold the truth"), rows)


def time_curve(sizes: Sequence[int], seed: int) -> str:
    """Seconds of cutting and judging, for ten attributes with intersections of two."""
    checks = table_checks()
    rows = []
    for n in sizes:
        world = World(n=n, n_classes=10, innocent=(2, 2, 3, 3, 4, 4, 5, 5, 6))
        generator = np.random.default_rng([seed, n])
        start = time.perf_counter()
        tables = world.tables(generator, checks)
        cut = time.perf_counter()
        found = tables.judgement(tables.outcomes)
        done = time.perf_counter()
        rows.append((f"{n:,}", f"{cut - start:.1f}", f"{done - cut:.1f}", found.tests.n_tests))
    return table(("predictions", "drawing and cutting, s", "judging, s", "tests"), rows)


def _one_each(claims: Sequence[Claim]) -> Iterator[tuple[tuple[str, str], float]]:
    """One p-value of each check and kind of claim: tests within an audit depend on each other."""
    seen = set()
    for one in claims:
        if one.p_value is None or not one.slice.attributes:
            continue
        level = (
            "pair" if len(one.slice.attributes) > 1 else "within" if one.slice.label else "value"
        )
        if (one.check, level) not in seen:
            seen.add((one.check, level))
            yield (one.check, level), one.p_value


def shown(estimate: Estimate) -> str:
    """A share with its interval."""
    return f"{estimate.value:.1%} ({estimate.low:.1%}–{estimate.high:.1%})"


def table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
