"""Innocent attributes of clustered images: how often they are accused, and what intervals cover.

    python -m benchmarks.verdicts.clusters [--audits 100] [--seed 0]
        [--only audits gaps coverage power others monte-carlo series time]

Tables in Markdown, every share with its exact (Clopper-Pearson) 95 % interval. An audit counts as
"not tested" where one side has fewer than five clusters. The part `audits` takes about half an
hour on one core, everything else five minutes; `--audits 1000` makes the intervals narrow.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

import numpy as np
from scipy.stats import binomtest

from auditor.statistics import (
    Integers,
    clustered_dependence,
    clustered_gap,
    clustered_interaction,
    clustered_map_difference,
    clustered_mean_gap,
    clustered_wilson,
    conditional_dependence,
    detectable_gap,
    find_series,
    sequential_p_value,
    sign_flip,
    stratified_gap,
)
from benchmarks.verdicts import cluster_audits
from benchmarks.verdicts.cluster_worlds import Audit, World

_LEVEL = 0.05
_NULL = (
    World(),
    World(correlation=0.1),
    World(correlation=0.5),
    World(share=0.02, clusters=200),
    World(share=0.05, clusters=200),
    World(rate=0.02),
    World(rate=0.01, clusters=200),
    World(labels_in_clusters=False),
    World(rare_label=0.02, rate=0.02),
    World(clusters=10, share=0.5),
    World(clusters=20),
    World(clusters=20, rate=0.03),
    World(sizes="uneven"),
    World(sizes="uneven", rate=0.02),
    World(sizes="uneven", correlation=0.5),
    World(sizes="uneven", clusters=20),
    World(sizes="giant", clusters=50),
    World(sizes="giant", clusters=200),
    World(sizes="giant", clusters=200, rate=0.02),
    World(sizes="uneven", attribute="by size"),
    World(sizes="uneven", attribute="by label"),
    World(attribute="by label", labels_in_clusters=False),
    World(attribute="inside"),
    World(attribute="inside", rate=0.02),
    World(attribute="inside", sizes="uneven", clusters=20),
    World(attribute="inside", sizes="giant", clusters=50),
    World(attribute="inside", clusters=10),
    World(attribute="mixed"),
    World(attribute="mixed", sizes="uneven", clusters=30),
    World(attribute="mixed", sizes="giant", clusters=200),
    World(attribute="mixed", rate=0.02, correlation=0.5),
    World(attribute="series"),
    World(attribute="series", rate=0.02),
    World(attribute="series", clusters=20),
    World(attribute="spread", correlation=0.5),
)
_PLANTED = (
    World(gap=0.15),
    World(gap=0.05, rate=0.02),
    World(gap=0.1, correlation=0.5),
    World(gap=0.15, clusters=20),
    World(gap=0.15, share=0.05, clusters=200),
    World(gap=0.15, sizes="uneven"),
    World(gap=0.06, sizes="uneven", rate=0.02),
    World(gap=0.15, sizes="giant", clusters=50),
    World(gap=0.15, attribute="inside"),
    World(gap=0.05, attribute="inside", sizes="uneven", rate=0.02),
    World(gap=0.15, attribute="mixed", sizes="uneven"),
    World(gap=0.15, attribute="series"),
)
_POWER = (
    World(),
    World(sizes="uneven"),
    World(attribute="inside"),
    World(attribute="mixed"),
    World(clusters=30),
    World(rate=0.03),
)


def main() -> None:
    """Runs the parts that were asked for."""
    parts: dict[str, Callable[[int, int], str]] = {
        "audits": audits_of_tables,
        "gaps": gaps,
        "coverage": coverage,
        "power": power,
        "others": others,
        "monte-carlo": monte_carlo,
        "series": series,
        "time": times,
    }
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--audits", type=int, default=100, help="audits of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    options = parser.parse_args()
    for name in options.only:
        start = time.perf_counter()
        print(f"\n## {name}\n\n{parts[name](options.audits, options.seed)}\n", flush=True)
        print(f"({time.perf_counter() - start:.0f} s)", flush=True)


def audits_of_tables(audits: int, seed: int) -> str:
    """Whole audits of drawn tables: innocent attributes accused, gates blocked, gaps named."""
    rows = [
        (name, *(_share(count, audits) for count in counts), audits)
        for name, counts in cluster_audits.accused(audits, seed)
    ]
    head = (
        "attributes dealt at random",
        "accused, data.group",
        "accused, without",
        "alert, data.group",
        "alert, without",
        "audits",
    )
    with_group, without = cluster_audits.self_tests(audits, seed)
    named = ", ".join(
        f"{100 * gap:.0f} points {_share(cluster_audits.found(gap, audits // 2, seed), audits // 2)}"
        for gap in (0.1, 0.15, 0.2)
    )
    return (
        _table(head, rows)
        + f"\n\nSelf-test without `data.group` in the judgement: outcomes whose clusters exchange places "
        f"accuse in {_share(with_group, audits)}, outcomes that are shuffled in {_share(without, audits)}."
        f"\n\nGaps in 30 % of the patients, named with `data.group`: {named}."
    )


def gaps(audits: int, seed: int) -> str:
    """How often an innocent attribute is accused, with clusters and without."""
    rows = []
    for world in _NULL:
        accused = plain = mean = covered = tested = 0
        for audit, number in _drawn(world, audits, seed):
            found = clustered_gap(audit.failed, [np.flatnonzero(audit.inside)], *_of(audit))
            plain += int(_plain(audit) <= _LEVEL)
            if np.isnan(found.p_value[0]):
                continue
            tested += 1
            accused += int(found.p_value[0] <= _LEVEL)
            covered += int(found.gap.low[0] <= 0 <= found.gap.high[0])
            noise = np.random.default_rng([seed, number]).normal(0, 0.3, len(audit.failed))
            values = audit.failed + noise
            of_values = clustered_mean_gap(values, audit.inside, *_of(audit))
            mean += int(of_values.p_value <= _LEVEL)
        rows.append(
            (
                _named(world),
                tested,
                _share(accused, tested),
                _share(mean, tested),
                _share(covered, tested),
                _share(plain, audits),
            )
        )
    head = "world", "tested", "accused", "mean gap", "interval covers 0", "without clusters"
    return _table(head, rows)


def coverage(audits: int, seed: int) -> str:
    """How often the intervals of a planted gap and of the slice's rate cover the truth."""
    rows = []
    for world in _PLANTED:
        covered = low = high = tested = rate = 0
        for audit, _ in _drawn(world, audits, seed):
            inside = [np.flatnonzero(audit.inside)]
            found = clustered_gap(audit.failed, inside, *_of(audit))
            if np.isnan(found.p_value[0]):
                continue
            tested += 1
            low += int(found.gap.low[0] > world.gap)
            high += int(found.gap.high[0] < world.gap)
            covered += int(found.gap.low[0] <= world.gap <= found.gap.high[0])
            one = clustered_wilson(audit.failed, inside, audit.cluster)[0]
            truth = world.gap + world.rate * (1 + 2 * world.rare_label)
            rate += int(one.low <= truth <= one.high)
        shares = (_share(part, tested) for part in (covered, low, high, rate))
        rows.append((_named(world), tested, *shares))
    head = "world", "tested", "gap covered", "gap below", "gap above", "rate covered"
    return _table(head, rows)


def power(audits: int, seed: int) -> str:
    """How often a gap is seen that should be seen with a probability of 80 %."""
    rows = []
    for world in _POWER:
        sizes = []
        for audit, _ in _drawn(world, 40, seed):
            found = clustered_gap(audit.failed, [np.flatnonzero(audit.inside)], *_of(audit))
            sizes.append(
                (found.effective_slice[0], found.effective_rest[0], float(found.base_rate[0]))
            )
        smallest = float(np.nanmedian(detectable_gap(*np.array(sizes).T)))
        planted = World(**(asdict(world) | {"gap": smallest}))
        seen = 0
        for audit, _ in _drawn(planted, audits, seed + 1):
            found = clustered_gap(audit.failed, [np.flatnonzero(audit.inside)], *_of(audit))
            seen += bool(found.p_value[0] <= _LEVEL)
        rows.append((_named(world), f"{100 * smallest:.1f} points", _share(seen, audits)))
    return _table(("world", "detectable gap", "seen"), rows)


def others(audits: int, seed: int) -> str:
    """False accusations of the other tests for clusters."""
    rows = []
    for world in (
        World(),
        World(sizes="uneven"),
        World(clusters=20),
        World(attribute="inside"),
        World(attribute="mixed", sizes="uneven"),
        World(attribute="series"),
    ):
        counts = np.zeros(6, dtype=np.int64)
        for audit, number in _drawn(world, audits // 2, seed):
            generator = np.random.default_rng([seed, number, 1])
            counts += _other_tests(audit, generator)
        tested = audits // 2
        rows.append((_named(world), *(_share(int(count), tested) for count in counts)))
    head = (
        *("world", "dependence", "without clusters", "maps", "sign flips", "their interval covers"),
        "interaction",
    )
    return _table(head, rows)


def _other_tests(audit: Audit, generator: np.random.Generator) -> list[bool]:
    towards = generator.integers(1, 4, audit.cluster.max() + 1)[audit.cluster]
    predicted = np.where(audit.failed == 1, (audit.label + towards) % 4, audit.label)
    attribute = audit.inside.astype(np.int64)
    counts = np.zeros((2, 2, 4))
    np.add.at(counts, (audit.label, attribute, predicted), 1)
    dependence = clustered_dependence(attribute, predicted, audit.label, audit.cluster)
    plain = conditional_dependence(counts, 1999)
    some = generator.permutation(len(audit.cluster))[:400]
    chosen, cluster = audit.inside[some], audit.cluster[some]
    of_cluster = generator.normal(0, 0.5, (cluster.max() + 1, 4, 4))
    maps = generator.exponential(1, (len(some), 4, 4)) + of_cluster[cluster]
    difference = clustered_map_difference(
        maps[chosen], maps[~chosen], cluster[chosen], cluster[~chosen], n_permutations=999
    )
    flips = sign_flip(maps[:, 0, 0] - 1, groups=cluster)
    other = np.flatnonzero((generator.random(audit.cluster.max() + 1) < 0.4)[audit.cluster])
    together = clustered_interaction(
        audit.failed, [[np.flatnonzero(audit.inside)], [other]], *_of(audit)
    )
    return [
        dependence.p_value <= _LEVEL,
        plain.p_value <= _LEVEL,
        difference.p_value <= _LEVEL,
        flips.p_value <= _LEVEL,
        flips.change.low <= 0 <= flips.change.high,
        bool(together.p_value[0] <= _LEVEL),
    ]


def monte_carlo(audits: int, seed: int) -> str:
    """Sequential p-values under the null hypothesis, and how many draws they take."""
    generator = np.random.default_rng(seed)
    found = [
        sequential_p_value(generator.random, float(generator.random())) for _ in range(10 * audits)
    ]
    p_values = np.array([one.p_value for one in found])
    draws = np.array([len(one.drawn) for one in found])
    rows: list[tuple[object, ...]] = [
        (f"p ≤ {level:g}", _share(int((p_values <= level).sum()), len(found)))
        for level in (0.2, 0.1, 0.05, 0.01, 0.001)
    ]
    rows.append(("draws, mean", f"{draws.mean():.0f}"))
    rows.append(("draws, median", f"{np.median(draws):.0f}"))
    rows.append(("smallest p-value", f"{sequential_p_value(np.zeros, 1.0).p_value:.2g}"))
    return _table(("", "share"), rows)


def series(audits: int, seed: int) -> str:
    """How often series are read from names, and how often they are said to matter."""
    rows, tested = [], max(1, audits // 5)
    for correlation, pattern in ((0.24, "p{0}_{1}.png"), (1e-6, "p{0}_{1}.png"), (0.24, "{2}.png")):
        world = World(correlation=correlation, clusters=50)
        found, matters, effects = 0, 0, []
        for audit, _ in _drawn(world, tested, seed):
            names = [pattern.format(one, k, k) for k, one in enumerate(audit.cluster.tolist())]
            guess = find_series(names, audit.failed, audit.label)
            if guess is not None:
                found += 1
                matters += guess.p_value <= _LEVEL
                effects.append(guess.design.design_effect)
        effect = f"{np.median(effects):.2f}" if effects else "–"
        shares = _share(found, tested), _share(matters, tested)
        rows.append((pattern, f"{correlation:.2f}", *shares, effect))
    head = "names", "correlation", "series found", "said to matter", "design effect, median"
    return _table(head, rows)


def times(_audits: int, seed: int) -> str:
    """Seconds for 200 slices of 100,000 images."""
    rows = []
    for clusters, images in ((200, 500), (5_000, 20), (50_000, 2)):
        generator = np.random.default_rng(seed)
        cluster = np.repeat(np.arange(clusters), images)
        label = generator.integers(0, 10, len(cluster))
        failed = generator.random(len(cluster)) < generator.beta(0.15, 2.85, clusters)[cluster]
        for kind in ("constant", "inside", "rare"):
            share = (
                generator.uniform(0.02, 0.5, 20) if kind != "rare" else np.full(20, 12 / clusters)
            )
            many = len(cluster) if kind == "inside" else clusters
            chosen = [generator.random(many) < one for one in share]
            slices = [np.flatnonzero(c if kind == "inside" else c[cluster]) for c in chosen]
            start = time.perf_counter()
            clustered_gap(failed, slices, label, cluster)
            rows.append((clusters, images, kind, f"{10 * (time.perf_counter() - start):.1f} s"))
    return _table(("clusters", "images each", "attribute", "200 slices (20 timed)"), rows)


def _drawn(world: World, audits: int, seed: int) -> Iterator[tuple[Audit, int]]:
    for k in range(audits):
        yield world.draw(np.random.default_rng([seed, k])), k


def _of(audit: Audit) -> tuple[Integers, Integers]:
    return audit.label, audit.cluster


def _plain(audit: Audit) -> float:
    sides = audit.inside, ~audit.inside
    counts = [np.bincount(audit.label[side], audit.failed[side], 2) for side in sides]
    totals = [np.bincount(audit.label[side], minlength=2) for side in sides]
    return float(stratified_gap(counts[0], totals[0], counts[1], totals[1]).p_value)


def _named(world: World) -> str:
    plain = asdict(World())
    changed = {k: v for k, v in asdict(world).items() if v != plain[k]}
    return ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in changed.items()) or "default"


def _share(count: int, total: int) -> str:
    if not total:
        return "–"
    interval = binomtest(int(count), int(total)).proportion_ci(method="exact")
    return f"{count / total:.1%} ({interval.low:.1%}–{interval.high:.1%})"


def _table(head: Sequence[str], rows: Sequence[tuple[object, ...]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    main()
