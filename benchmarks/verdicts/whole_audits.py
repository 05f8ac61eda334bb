"""Whole audits of tables: which gaps are named, who is accused falsely, and how often a null audit alerts.

    python -m benchmarks.verdicts.whole_audits [--audits 100] [--seed 0]

Predictions are drawn from a known distribution and judged by all checks that need no image, with the
correction over all of their tests. A value is named if a supported finding, or a part of one, speaks of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from auditor.config import SliceSection
from auditor.records import Finding
from auditor.selftest import Tables, accusations
from auditor.statistics import Floats
from benchmarks.planting.worlds import PLANTED, World, table_checks, varied
from benchmarks.verdicts.simulated import shown, table

_LABELS = 4


def gaps(audits: int, seed: int) -> str:
    """A gap of 10 points in part of 1,000 samples, beside three innocent attributes."""
    checks = table_checks()
    rows: list[tuple[str, ...]] = []
    for share in (0.1, 0.3, 0.5):
        world = World(n=1000, share=share, gap=0.1)
        named = alerts = innocent = 0
        for k in range(audits):
            tables = world.tables(np.random.default_rng([seed, k, round(100 * share)]), checks)
            findings = tables.judgement(tables.outcomes).findings
            found = [dict(one.attributes) for one in accusations(findings)]
            named += {PLANTED: "yes"} in found
            alerts += _alerts(findings)
            innocent += any(PLANTED not in one for one in found)
        rows.append(
            (f"{share:.0%}", *(shown(count, audits) for count in (named, alerts, innocent)))
        )
    return table(
        ("10 points in", "named", "alert, which blocks the gate", "another attribute accused"), rows
    )


def values(audits: int, seed: int) -> str:
    """Values of one attribute whose error rates differ, in 5,000 samples."""
    cases = {
        "5 values, 5 % and 23 %, one better": (5, 0.05, 0.23, True),
        "5 values, 10 % and 20 %, one better": (5, 0.1, 0.2, True),
        "10 values, 10 % and 20 %, one better": (10, 0.1, 0.2, True),
        "10 values, 10 % and 20 %, one worse": (10, 0.1, 0.2, False),
    }
    rows: list[tuple[str, ...]] = []
    for name, (n_values, low, high, one_better) in cases.items():
        each = every = better = alerts = accused = 0
        rates = np.full(n_values, high if one_better else low)
        rates[0] = low if one_better else high
        worse = {f"s{code}" for code in np.flatnonzero(rates == high)}
        for k in range(audits):
            tables = _sites(rates, np.random.default_rng([seed, k, len(rows)]))
            findings = tables.judgement(tables.outcomes).findings
            named = _worse_sites(findings)
            each += len(named & worse)
            every += bool(named & worse)
            better += any(one.startswith("Only site = s0 ") for one in _titles(findings))
            alerts += _alerts(findings)
            accused += bool(named - worse)
        rows.append(
            (
                name,
                shown(each, audits * len(worse)),
                *(shown(count, audits) for count in (every, better, alerts, accused)),
            )
        )
    head = (
        "5,000 samples",
        "each worse value named",
        "any named",
        "the better one named",
        "alert",
        "a better one accused",
    )
    return table(head, rows)


def nulls(audits: int, seed: int) -> str:
    """Models without a gap, with random numbers of classes, attributes and values."""
    checks = table_checks()
    accused = alerts = found = 0
    for k in range(audits):
        generator = np.random.default_rng([seed, k, 1])
        tables = varied(generator).tables(generator, checks)
        findings = tables.judgement(tables.outcomes).findings
        accused += any(True for _ in accusations(findings))
        alerts += _alerts(findings)
        found += any(one.kind == "outcome" and one.slice.attributes != {} for one in findings)
    return table(
        ("null audits", "any accusation", "any alert", "any finding on an attribute's outcomes"),
        [(f"{audits:,}", *(shown(count, audits) for count in (accused, alerts, found)))],
    )


def _sites(rates: Floats, generator: np.random.Generator, n: int = 5000) -> Tables:
    """Samples of equally frequent sites with these error rates, and two innocent attributes."""
    site = generator.integers(len(rates), size=n)
    label = generator.integers(_LABELS, size=n)
    failure = generator.random(n) < rates[site]
    predicted = np.where(failure, (label + generator.integers(1, _LABELS, n)) % _LABELS, label)
    confidence = np.where(failure, generator.beta(4, 2, n), generator.beta(12, 1.5, n))
    names = [f"c{code}" for code in range(_LABELS)]
    usable = pd.DataFrame(
        {
            "sample": [f"s{row:06d}" for row in range(n)],
            "path": [f"{row}.png" for row in range(n)],
            "label": pd.Categorical.from_codes(label, pd.Index(names)),
            "predicted": pd.Categorical.from_codes(predicted, pd.Index(names)),
            "confidence": confidence,
            "loss": np.where(failure, 2.0, 0.1) + 0.1 * generator.random(n),
            "failure": failure,
            "site": [f"s{code}" for code in site],
            "camera": generator.choice(["old", "new"], n),
            "ward": generator.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1]),
        }
    )
    attributes = ("site", "camera", "ward")
    return Tables.of(usable, names, attributes, table_checks(), SliceSection())


def _worse_sites(findings: Sequence[Finding]) -> set[str]:
    """Sites that a supported claim calls worse than others."""
    return {
        one.slice.attributes["site"]
        for finding in findings
        for one in (finding, *finding.supporting)
        if one.verdict == "supported" and one.kind == "outcome"
        if set(one.slice.attributes) == {"site"} and not one.title.startswith("Only ")
    }


def _titles(findings: Sequence[Finding]) -> Iterator[str]:
    """Titles of the supported claims."""
    for finding in findings:
        yield from (
            one.title for one in (finding, *finding.supporting) if one.verdict == "supported"
        )


def _alerts(findings: Sequence[Finding]) -> bool:
    return any(one.severity == "alert" for one in findings)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--audits", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for title, part in (
        ("Gaps in 1,000 samples", gaps),
        ("Values against the best one", values),
        ("Null audits", nulls),
    ):
        print(f"\n## {title}\n\n{part(options.audits, options.seed)}", flush=True)


if __name__ == "__main__":
    main()
